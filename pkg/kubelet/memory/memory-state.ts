/**
 * What is left of the memory of a machine's NUMA nodes, by kind (`memory`, `hugepages-2Mi`). Pure. A set of nodes is a number with a bit for each.
 *
 * Laws:
 * 1. A node is used alone or in one group of several, as long as anything of it is used.
 * 2. Of several nodes the first gives what it has, then the next.
 *
 * Source: kubelet `cm/memorymanager/policy_static.go` `calculateHints`, `updateMachineState`.
 */
import { bits, masksOf, type NumaHint, type NumaMask } from '../topology/numa-hints.ts';

/** Bytes by kind of memory. */
export type MemoryAmounts = Readonly<Record<string, number>>;

/** A NUMA node, with what of it is kept from pods. */
export interface MemoryNode {
  readonly id: number;
  readonly total: MemoryAmounts;
  readonly reserved: MemoryAmounts;
}

interface NodeState {
  /** How often something of it was given. */
  uses: number;
  /** The nodes that it is used with, itself among them. */
  group: NumaMask;
  readonly allocatable: ReadonlyMap<string, number>;
  readonly free: Map<string, number>;
}

/** The state, from when nothing is given. */
export class MemoryState {
  readonly #nodes: ReadonlyMap<number, NodeState>;

  constructor(nodes: readonly MemoryNode[]) {
    this.#nodes = new Map(
      nodes.map((node) => {
        const allocatable = allocatableOf(node);
        return [node.id, { uses: 0, group: 1 << node.id, allocatable, free: new Map(allocatable) }];
      }),
    );
  }

  /** Where so much would do, with `again` of a kind on these nodes beside what is free; none where so much cannot be had. */
  hints(wanted: MemoryAmounts, again: (mask: NumaMask, kind: string) => number): readonly NumaHint[] {
    const found: NumaMask[] = [];
    let size = this.#nodes.size;
    for (const mask of masksOf([...this.#nodes.keys()])) {
      const members = this.#membersOf(mask);
      if (!isEnough(wanted, (kind) => sum(members, ({ allocatable }) => allocatable.get(kind) ?? 0))) continue;
      size = Math.min(size, members.length);
      const isFree = members.every(({ group, uses }) =>
        members.length === 1 ? group === mask : uses === 0 || group === mask,
      );
      if (isFree && isEnough(wanted, (kind) => this.freeOf(mask, kind) + again(mask, kind))) found.push(mask);
    }
    return found.map((mask) => ({ mask, isPreferred: bits(mask) === size }));
  }

  /** What some nodes have left of a kind. */
  freeOf(mask: NumaMask, kind: string): number {
    return sum(this.#membersOf(mask), ({ free }) => free.get(kind) ?? 0);
  }

  /** Gives some of a kind on these nodes, as far as they have it. */
  give(mask: NumaMask, kind: string, bytes: number): void {
    let left = bytes;
    for (const node of this.#membersOf(mask)) {
      node.uses++;
      node.group = mask;
      const free = node.free.get(kind) ?? 0;
      node.free.set(kind, free - Math.min(free, left));
      left -= Math.min(free, left);
    }
  }

  /** Whether there are such nodes, and they have some of a kind. */
  has(mask: NumaMask, kind: string): boolean {
    const members = this.#membersOf(mask);
    return members.length === bits(mask) && members.every(({ allocatable }) => allocatable.has(kind));
  }

  /** In the form of upstream's checkpoint. */
  record(nodes: readonly MemoryNode[]): Readonly<Record<string, object>> {
    const recordOf = ({ id, total, reserved }: MemoryNode): object => {
      const { allocatable, free, group, uses } = this.#nodes.get(id) ?? {};
      const memoryMap = Object.keys(total).map((kind) => {
        const [all, left] = [allocatable?.get(kind) ?? 0, free?.get(kind) ?? 0];
        const table = { total: total[kind] ?? 0, systemReserved: reserved[kind] ?? 0, allocatable: all };
        return [kind, { ...table, reserved: all - left, free: left }];
      });
      return { numberOfAssignments: uses ?? 0, memoryMap: Object.fromEntries(memoryMap), cells: nodesIn(group ?? 0) };
    };
    return Object.fromEntries(nodes.map((node) => [String(node.id), recordOf(node)]));
  }

  #membersOf(mask: NumaMask): readonly NodeState[] {
    return nodesIn(mask).flatMap((id) => this.#nodes.get(id) ?? []);
  }
}

/** The nodes of a set, in their order. */
export function nodesIn(mask: NumaMask): readonly number[] {
  return Array.from({ length: 31 }, (_, id) => id).filter((id) => (mask & (1 << id)) !== 0);
}

/** What of a node may be given, by kind: what is huge pages is no other memory. */
export function allocatableOf({ total, reserved }: MemoryNode): ReadonlyMap<string, number> {
  const pages = Object.entries(total).reduce((all, [kind, bytes]) => all + (kind === 'memory' ? 0 : bytes), 0);
  return new Map(
    Object.entries(total).map(([kind, bytes]) => [
      kind,
      Math.max(0, bytes - (reserved[kind] ?? 0) - (kind === 'memory' ? pages : 0)),
    ]),
  );
}

function isEnough(wanted: MemoryAmounts, has: (kind: string) => number): boolean {
  return Object.entries(wanted).every(([kind, bytes]) => has(kind) >= bytes);
}

function sum(members: readonly NodeState[], of: (node: NodeState) => number): number {
  return members.reduce((all, node) => all + of(node), 0);
}
