/** Amounts of all nodes by slot, for plugins that look at nothing else of a node. CPU in thousandths of a core, the rest in bytes and numbers. */

/** Read only while one pod is decided. What is in a slot that no node has means nothing. */
export interface Room {
  /** What pods may have. */
  readonly milliCpu: Float64Array;
  readonly memory: Float64Array;
  /** The same without what pods request. */
  readonly milliCpuLeft: Float64Array;
  readonly memoryLeft: Float64Array;
  readonly storageLeft: Float64Array;
  readonly podsLeft: Float64Array;
  /** What pods request, with defaults for containers that request none: what scores count with. */
  readonly milliCpuCounted: Float64Array;
  readonly memoryCounted: Float64Array;
  /** How far apart the counted shares of CPU and memory are (`imbalanceOf`). */
  readonly imbalance: Float64Array;
  /** How many pods are there that are not for the node's sake. */
  readonly ownPods: Float64Array;
  /** The numbers of the domains of a topology key (`TopologyCounts.sumsOf`); -1 where the node lacks it. */
  domainsOf(topologyKey: string): Int32Array;
  /** How many replicas of a workload are there. */
  replicasAt(slot: number, workload: string): number;
}

/** The share of something that is taken, at most 1; -1 where there is none of it. */
export function shareOf(taken: number, has: number): number {
  return has > 0 ? Math.min(1, taken / has) : -1;
}

/** How far apart two shares are; 0 where one of them is none. */
export function imbalanceOf(one: number, other: number): number {
  return one < 0 || other < 0 ? 0 : Math.abs(one - other);
}
