/** The map of nodes: what each has and what the pods on it ask for, added up from the copies of nodes and pods and kept up by their changes. */
import type { NodeTotals } from '../model/protocol.ts';
import type { ViewOptions } from './list-view.ts';
import type { Lease } from './mirrors.ts';
import { Outlet } from './outlet.ts';
import type { KeptRow } from './row-of.ts';
import type { Change } from './table-mirror.ts';

interface Taken {
  cpu: number;
  memory: number;
  pods: number;
}

/** While the pods of a large cluster are being read nearly all nodes change all the time. */
const loadingPeriodMs = 300;
const periodMs = 50;

/** Pods that have ended take nothing of their node. */
const hasEnded = ({ facts }: KeptRow): boolean => facts.phase === 'Succeeded' || facts.phase === 'Failed';

/** A map that is open. */
export class NodesView {
  readonly #nodes: Lease;
  readonly #pods: Lease;
  readonly #options: ViewOptions;
  readonly #taken = new Map<string, Taken>();
  /** Names of nodes of which the page has not heard how they are. */
  readonly #stale = new Set<string>();
  readonly #outlet: Outlet;
  readonly #unfollow: readonly (() => void)[];
  #pending = 0;
  #sentState = '';
  #sentProblem: string | undefined;

  /** Takes over the leases. */
  constructor(leases: { readonly nodes: Lease; readonly pods: Lease }, options: ViewOptions) {
    this.#nodes = leases.nodes;
    this.#pods = leases.pods;
    this.#options = options;
    for (const pod of leases.pods.mirror.rows.values()) this.#count(pod, 1);
    for (const name of leases.nodes.mirror.rows.keys()) this.#stale.add(name);
    this.#outlet = new Outlet(
      options.sink,
      () => this.#flush(),
      () => (leases.pods.mirror.isComplete ? periodMs : loadingPeriodMs),
    );
    const stateChanged = (): void => this.#outlet.mark();
    this.#unfollow = [
      leases.nodes.mirror.follow({ changed: (changes) => this.#nodesChanged(changes), stateChanged }),
      leases.pods.mirror.follow({ changed: (changes) => this.#podsChanged(changes), stateChanged }),
    ];
    this.#outlet.mark();
  }

  close(): void {
    this.#outlet.close();
    for (const unfollow of this.#unfollow) unfollow();
    this.#nodes.release();
    this.#pods.release();
  }

  #nodesChanged(changes: readonly Change[]): void {
    for (const { before, after } of changes) {
      // Nodes say every few seconds that they live, which nobody sees.
      const isSame = before !== undefined && after !== undefined && factsOf(before) === factsOf(after);
      if (!isSame) this.#stale.add((after ?? before)?.name ?? '');
    }
    if (this.#stale.size > 0) this.#outlet.mark();
  }

  #podsChanged(changes: readonly Change[]): void {
    for (const { before, after } of changes) {
      if (before !== undefined) this.#count(before, -1);
      if (after !== undefined) this.#count(after, 1);
    }
    this.#outlet.mark();
  }

  #count(pod: KeptRow, sign: 1 | -1): void {
    const { node, cpu = 0, memory = 0 } = pod.facts;
    if (hasEnded(pod)) return;
    if (node === undefined) {
      this.#pending += sign;
      return;
    }
    const taken = this.#taken.get(node) ?? { cpu: 0, memory: 0, pods: 0 };
    this.#taken.set(node, taken);
    taken.cpu += sign * cpu;
    taken.memory += sign * memory;
    taken.pods += sign;
    this.#stale.add(node);
  }

  #flush(): void {
    const { id, send } = this.#options;
    const { mirror } = this.#nodes;
    const problem = mirror.problem ?? this.#pods.mirror.problem;
    if (problem !== this.#sentProblem) {
      this.#sentProblem = problem;
      send({ type: 'problem', id, problem: problem ?? '' });
    }
    if (!mirror.isComplete) return;
    const names = [...this.#stale];
    this.#stale.clear();
    const isComplete = this.#pods.mirror.isComplete;
    const state = JSON.stringify([isComplete, this.#pending]);
    if (names.length === 0 && state === this.#sentState) return;
    this.#sentState = state;
    const nodes = names.flatMap((name) => {
      const row = mirror.rows.get(name);
      return row === undefined ? [] : [totalsOf(row, this.#taken.get(name))];
    });
    const gone = names.filter((name) => !mirror.rows.has(name));
    send({ type: 'nodes', id, isComplete, nodes, gone, pending: this.#pending });
  }
}

function factsOf({ facts }: KeptRow): string {
  return JSON.stringify(facts);
}

function totalsOf({ name, facts }: KeptRow, taken: Taken = { cpu: 0, memory: 0, pods: 0 }): NodeTotals {
  const { ready = false, closed = false, cpu = 0, memory = 0, pods = 0 } = facts;
  return [name, ready, closed, cpu, taken.cpu, memory, taken.memory, pods, taken.pods];
}
