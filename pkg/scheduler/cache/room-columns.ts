/**
 * What the nodes have and what of it is taken, by slot in typed arrays: to look at all nodes for one pod is then a loop over numbers that lie side by
 * side. Invariant: after `refresh`, the numbers are those of the table's nodes, wherever a slot is in use.
 */
import type { NodeInfo } from '../model/node-info.ts';
import { imbalanceOf, type Room, shareOf } from '../model/room.ts';
import type { NodeTable } from './node-table.ts';

const noNumbers: Float64Array = new Float64Array(0);

/** The columns of one table. */
export class RoomColumns implements Room {
  milliCpu = noNumbers;
  memory = noNumbers;
  milliCpuLeft = noNumbers;
  memoryLeft = noNumbers;
  storageLeft = noNumbers;
  podsLeft = noNumbers;
  milliCpuCounted = noNumbers;
  memoryCounted = noNumbers;
  imbalance = noNumbers;
  ownPods = noNumbers;
  #nodes: readonly (NodeInfo | undefined)[] = [];
  /** Position in the log of changes up to which all is right; -1 when nothing is. */
  #seen = -1;

  /** Takes over what has changed. */
  refresh({ slots, podChanges: log }: Pick<NodeTable, 'podChanges' | 'slots'>): this {
    if (this.milliCpu.length < slots.length) this.#grow(slots.length * 2);
    const update = (slot: number): void => this.#take(slots[slot], slot);
    const isKept = this.#seen >= 0 && log.head - this.#seen <= slots.length && log.since(this.#seen, update);
    if (!isKept) for (let slot = 0; slot < slots.length; slot++) update(slot);
    this.#seen = log.head;
    this.#nodes = slots;
    return this;
  }

  replicasAt(slot: number, workload: string): number {
    return this.#nodes[slot]?.replicas.get(workload) ?? 0;
  }

  #take(node: NodeInfo | undefined, slot: number): void {
    if (node === undefined) return;
    const { allocatable: has, requested: taken, nonZero: counted } = node;
    this.milliCpu[slot] = has.milliCpu;
    this.memory[slot] = has.memory;
    this.milliCpuLeft[slot] = has.milliCpu - taken.milliCpu;
    this.memoryLeft[slot] = has.memory - taken.memory;
    this.storageLeft[slot] = has.ephemeralStorage - taken.ephemeralStorage;
    this.podsLeft[slot] = has.pods - node.pods.size;
    this.milliCpuCounted[slot] = counted.milliCpu;
    this.memoryCounted[slot] = counted.memory;
    this.imbalance[slot] = imbalanceOf(shareOf(counted.milliCpu, has.milliCpu), shareOf(counted.memory, has.memory));
    this.ownPods[slot] = node.ownPods;
  }

  #grow(capacity: number): void {
    this.milliCpu = new Float64Array(capacity);
    this.memory = new Float64Array(capacity);
    this.milliCpuLeft = new Float64Array(capacity);
    this.memoryLeft = new Float64Array(capacity);
    this.storageLeft = new Float64Array(capacity);
    this.podsLeft = new Float64Array(capacity);
    this.milliCpuCounted = new Float64Array(capacity);
    this.memoryCounted = new Float64Array(capacity);
    this.imbalance = new Float64Array(capacity);
    this.ownPods = new Float64Array(capacity);
    this.#seen = -1;
  }
}
