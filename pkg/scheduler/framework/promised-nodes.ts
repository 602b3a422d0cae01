/**
 * Nodes that were promised to pods: whether another pod may go there all the same, as they would be with those pods on them. Copies of such nodes are kept while
 * nothing about them changes, as many pods ask about the same ones.
 */
import type { NodeTable } from '../cache/node-table.ts';
import type { Nominator } from '../cache/nominator.ts';
import type { NodeInfo } from '../model/node-info.ts';
import type { PodInfo } from '../model/pod-info.ts';
import type { Checks } from './checks.ts';
import type { Cycle } from './cycle.ts';
import type { NodeCheck, SlotCheck } from './plugin.ts';
import type { Profile } from './profile.ts';
import { type Status, success } from './status.ts';
import { whatIf } from './what-if.ts';

/** Copies kept; beyond it they are made anew. One takes a few kB. */
const crowdedMax = 8_192;

/** A node with pods that were promised it. */
interface Crowded {
  readonly of: NodeInfo;
  /** As of when the copy was made. */
  readonly changes: number;
  readonly ahead: readonly PodInfo[];
  readonly copy: NodeInfo;
  /** What was found, by the signature of the pods it was found for. */
  readonly answers: Map<string, Status>;
}

/** Signatures of pods whose answers are kept of one node. */
const answersMax = 16;

/** What promises leave to one pod. */
export interface PromisedLimit {
  /** The nodes that were promised to anybody. */
  readonly slots: ReadonlySet<number>;
  /** The refusal of such a node that does not take the pod beside those it was promised to; `success` for all others. */
  statusOf(slot: number): Status;
  /** The same, as a check. */
  readonly passes: SlotCheck;
}

/** What is asked by. */
export interface PromisedNodesOptions {
  readonly profile: Profile;
  readonly table: NodeTable;
  readonly nominator: Nominator;
}

/** The promised nodes of one scheduler, as one profile sees them. */
export class PromisedNodes {
  readonly #profile: Profile;
  readonly #table: NodeTable;
  readonly #nominator: Nominator;
  readonly #crowded = new Map<string, Crowded>();
  readonly #slots = new Set<number>();
  /** Positions in the logs of nodes and of promises up to which `#slots` is right. */
  #nodesSeen = -1;
  #promisesSeen = 0;
  /** The filters for the pod that was asked about last. */
  #asked: { readonly cycle: Cycle; readonly filters: NodeCheck } | undefined;

  constructor({ profile, table, nominator }: PromisedNodesOptions) {
    this.#profile = profile;
    this.#table = table;
    this.#nominator = nominator;
  }

  /** What the filters say of a node that may not be as it is, with the pods counted in that were promised it. */
  check(cycle: Cycle, node: NodeInfo): Status {
    const filters = this.#filtersFor(cycle);
    const ahead = this.#nominator.ahead(cycle.pod, node.name);
    const status = ahead.length === 0 ? success : filters(this.#crowdedBy(node, ahead).copy);
    return status === success ? filters(node) : status;
  }

  /** What promises mean for the pod of a cycle; undefined where nothing was promised to anybody. Right until the cluster changes. */
  limit(cycle: Cycle, checks: Checks): PromisedLimit | undefined {
    if (this.#nominator.isEmpty) return undefined;
    const slots = this.#refreshSlots();
    const statusOf = (slot: number): Status => {
      const node = slots.has(slot) ? this.#table.slots[slot] : undefined;
      return node === undefined ? success : this.#checkAlike(cycle, checks, node);
    };
    return { slots, statusOf, passes: (slot) => statusOf(slot) === success };
  }

  /** The slots of the promised nodes, by what has changed since they were asked for last. */
  #refreshSlots(): ReadonlySet<number> {
    const slots = this.#slots;
    const update = (name: string): void => {
      const slot = this.#table.slotOf(name);
      if (slot === undefined) return;
      if (this.#nominator.on(name).length > 0) slots.add(slot);
      else slots.delete(slot);
    };
    const { head } = this.#table.nodeChanges;
    if (this.#nodesSeen !== head || !this.#nominator.changes.since(this.#promisesSeen, update)) {
      slots.clear();
      for (const name of this.#nominator.nodeNames()) update(name);
    }
    this.#nodesSeen = head;
    this.#promisesSeen = this.#nominator.changes.head;
    return slots;
  }

  /** As `check`, of a node as it is, once for pods of the same signature where nothing else has a say. */
  #checkAlike(cycle: Cycle, { fresh, signature }: Checks, node: NodeInfo): Status {
    const ahead = this.#nominator.ahead(cycle.pod, node.name);
    if (fresh.length > 0 || ahead.length === 0 || ahead.some(({ affinity }) => affinity !== undefined))
      return this.check(cycle, node);
    const { answers } = this.#crowdedBy(node, ahead);
    let status = answers.get(signature);
    if (status === undefined) {
      status = this.check(cycle, node);
      if (answers.size >= answersMax) answers.clear();
      answers.set(signature, status);
    }
    return status;
  }

  #filtersFor(cycle: Cycle): NodeCheck {
    if (this.#asked?.cycle !== cycle) this.#asked = { cycle, filters: whatIf(this.#profile.filter, cycle) };
    return this.#asked.filters;
  }

  #crowdedBy(node: NodeInfo, ahead: readonly PodInfo[]): Crowded {
    const known = this.#crowded.get(node.name);
    if (known?.of === node && known.changes === node.changes && isSame(known.ahead, ahead)) return known;
    const copy = node.clone();
    for (const pod of ahead) copy.addPod(pod);
    const crowded = { of: node, changes: node.changes, ahead, copy, answers: new Map<string, Status>() };
    // What is not in the table is a trial of which nobody asks again.
    if (this.#table.node(node.name) !== node) return crowded;
    if (this.#crowded.size >= crowdedMax) this.#crowded.clear();
    this.#crowded.set(node.name, crowded);
    return crowded;
  }
}

function isSame(some: readonly PodInfo[], others: readonly PodInfo[]): boolean {
  return some === others || (some.length === others.length && some.every((pod, index) => pod === others[index]));
}
