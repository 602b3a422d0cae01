/** Why each node was refused, for whoever wants to know: of many pods nobody does, so nothing is made of it before it is asked for. */
import type { NodeInfo } from '../model/node-info.ts';
import { type Status, success } from './status.ts';

/** One node and why it was refused. */
export interface NodeRefusal {
  readonly node: NodeInfo;
  readonly status: Status;
}

/** The nodes with their refusals, in the order of the cluster. */
export interface Refusals extends Iterable<NodeRefusal> {
  /** How many of the nodes may take the pod once others have made room. */
  readonly resolvableCount: number;
  /** Those nodes. */
  resolvable(): readonly NodeInfo[];
}

/** The refusals of a list. */
export function refusalsOf(list: readonly NodeRefusal[]): Refusals {
  const resolvable = (): readonly NodeInfo[] => list.filter(isResolvable).map(({ node }) => node);
  return {
    get resolvableCount() {
      return resolvable().length;
    },
    resolvable,
    [Symbol.iterator]: () => list[Symbol.iterator](),
  };
}

function isResolvable({ status }: Pick<NodeRefusal, 'status'>): boolean {
  return status.code === 'Unschedulable';
}

/** How many nodes have one status. */
export interface StatusCount {
  readonly status: Status;
  readonly count: number;
}

/** Refusals by the numbers of their statuses. Right until the cluster changes: who keeps them longer makes a list of them. */
export class NumberedRefusals implements Refusals {
  readonly #slots: readonly (NodeInfo | undefined)[];
  /** By slot; they do not matter where a slot is free. */
  readonly #numbers: Float64Array;
  readonly #statuses: readonly Status[];
  readonly counts: readonly StatusCount[];

  constructor(
    slots: readonly (NodeInfo | undefined)[],
    { numbers, statuses }: { readonly numbers: Float64Array; readonly statuses: readonly Status[] },
  ) {
    this.#slots = slots;
    this.#numbers = numbers;
    this.#statuses = statuses;
    this.counts = this.#count();
  }

  #count(): readonly StatusCount[] {
    const counts = new Map<number, number>();
    // Neighbours are mostly refused for the same.
    let last = 0;
    let times = 0;
    const note = (): void => {
      if (times > 0) counts.set(last, (counts.get(last) ?? 0) + times);
    };
    for (let slot = 0; slot < this.#slots.length; slot++) {
      if (this.#slots[slot] === undefined) continue;
      const number = this.#numbers[slot] ?? 0;
      if (number === last) {
        times++;
        continue;
      }
      note();
      last = number;
      times = 1;
    }
    note();
    return Array.from(counts, ([number, count]) => ({ status: this.#statuses[number] ?? success, count }));
  }

  get resolvableCount(): number {
    return this.counts.reduce((sum, one) => (isResolvable(one) ? sum + one.count : sum), 0);
  }

  resolvable(): readonly NodeInfo[] {
    const isOne = this.#statuses.map((status) => isResolvable({ status }));
    const nodes: NodeInfo[] = [];
    for (let slot = 0; slot < this.#slots.length; slot++) {
      const node = this.#slots[slot];
      if (node !== undefined && isOne[this.#numbers[slot] ?? 0] === true) nodes.push(node);
    }
    return nodes;
  }

  *[Symbol.iterator](): IterableIterator<NodeRefusal> {
    for (const [slot, node] of this.#slots.entries()) {
      const status = this.#statuses[this.#numbers[slot] ?? 0];
      if (node !== undefined && status !== undefined) yield { node, status };
    }
  }
}
