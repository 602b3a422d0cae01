/**
 * What the nodes have and what of it is taken, by slot in typed arrays: to look at all nodes for one pod is then a loop over numbers that lie side by
 * side. Invariant: after `refresh`, the numbers are those of the table's nodes, wherever a slot is in use.
 */
import type { NodeInfo } from '../model/node-info.ts';
import { imbalanceOf, type Room, shareOf } from '../model/room.ts';
import { labelOf } from '../model/topology-counts.ts';
import type { NodeTable } from './node-table.ts';

const noNumbers: Float64Array = new Float64Array(0);

/** Kinds of idle nodes that are told apart; a node of a further one is of no kind. A cluster has as many as shapes of machines. */
export const idleKindsMax = 4_095;

/** Slots side by side that are looked at as one where their nodes are idle and of one kind. A power of two. */
export const blockSlots = 64;

/** Topology keys whose columns are kept; beyond it all are read anew. */
const topologyKeysMax = 32;

/** What is read of a table. */
type Nodes = Pick<NodeTable, 'domains' | 'nodeChanges' | 'podChanges' | 'slots'>;

/** The numbers of the domains of one topology key. */
class DomainColumn {
  #domains = new Int32Array(0);
  #seen = -1;
  #round = -1;

  refresh({ slots, nodeChanges: log, domains }: Nodes, key: string): Int32Array {
    const update = (slot: number): void => {
      const node = slots[slot];
      const value = node === undefined ? undefined : labelOf(node, key);
      this.#domains[slot] = value === undefined ? -1 : domains.numberOf(key, value);
    };
    const isKept = this.#seen >= 0 && this.#round === domains.round && this.#domains.length >= slots.length;
    if (!isKept || !log.since(this.#seen, update)) {
      if (this.#domains.length < slots.length) this.#domains = new Int32Array(slots.length * 2);
      for (let slot = 0; slot < slots.length; slot++) update(slot);
    }
    this.#seen = log.head;
    this.#round = domains.round;
    return this.#domains;
  }
}

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
  /** Equal for nodes without pods of their own that have the same in every column, and no replicas: 1 to `idleKindsMax`; 0 for all other nodes. */
  idleKind = new Int32Array(0);
  /** By block of `blockSlots` slots: the kind that all of its nodes are of; 0 where they differ or some are not idle. */
  idleKindOfBlock = new Int32Array(0);
  /** Blocks in which something changed. */
  readonly #changedBlocks = new Set<number>();
  readonly #idleKinds = new Map<string, number>();
  readonly #table: Nodes;
  readonly #domains = new Map<string, DomainColumn>();
  /** Position in the log of changes up to which all is right; -1 when nothing is. */
  #seen = -1;

  constructor(table: Nodes) {
    this.#table = table;
  }

  /** Takes over what has changed. */
  refresh(): this {
    const { slots, podChanges: log } = this.#table;
    if (this.milliCpu.length < slots.length) this.#grow(slots.length * 2);
    const update = (slot: number): void => this.#take(slots[slot], slot);
    const isKept = this.#seen >= 0 && log.head - this.#seen <= slots.length && log.since(this.#seen, update);
    if (!isKept) {
      this.#idleKinds.clear();
      for (let slot = 0; slot < slots.length; slot++) update(slot);
    }
    for (const block of this.#changedBlocks) this.idleKindOfBlock[block] = this.#kindOfBlock(block);
    this.#changedBlocks.clear();
    this.#seen = log.head;
    return this;
  }

  #kindOfBlock(block: number): number {
    const first = block * blockSlots;
    const end = Math.min(first + blockSlots, this.#table.slots.length);
    const kind = this.idleKind[first] ?? 0;
    for (let slot = first + 1; slot < end; slot++) if (this.idleKind[slot] !== kind) return 0;
    return kind;
  }

  domainsOf(topologyKey: string): Int32Array {
    let column = this.#domains.get(topologyKey);
    if (column === undefined) {
      if (this.#domains.size >= topologyKeysMax) this.#domains.clear();
      column = new DomainColumn();
      this.#domains.set(topologyKey, column);
    }
    return column.refresh(this.#table, topologyKey);
  }

  replicasAt(slot: number, workload: string): number {
    return this.#table.slots[slot]?.replicas.get(workload) ?? 0;
  }

  #take(node: NodeInfo | undefined, slot: number): void {
    this.#changedBlocks.add(Math.floor(slot / blockSlots));
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
    this.idleKind[slot] = node.ownPods === 0 ? this.#idleKindOf(slot) : 0;
  }

  #idleKindOf(slot: number): number {
    const left = `${this.milliCpuLeft[slot]} ${this.memoryLeft[slot]} ${this.storageLeft[slot]} ${this.podsLeft[slot]}`;
    const counted = `${this.milliCpuCounted[slot]} ${this.memoryCounted[slot]}`;
    const key = `${this.milliCpu[slot]} ${this.memory[slot]} ${left} ${counted}`;
    const known = this.#idleKinds.get(key);
    if (known !== undefined) return known;
    if (this.#idleKinds.size >= idleKindsMax) return 0;
    const kind = this.#idleKinds.size + 1;
    this.#idleKinds.set(key, kind);
    return kind;
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
    this.idleKind = new Int32Array(capacity);
    this.idleKindOfBlock = new Int32Array(Math.ceil(capacity / blockSlots));
    this.#seen = -1;
  }
}
