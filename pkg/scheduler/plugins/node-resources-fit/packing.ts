/**
 * The score of packing. A node that is open anyway, as pods are there that are not for its own sake, comes before one that is not; of open ones that
 * with the fewest replicas of the pod's workload, so that the end of one node is not the end of all of them; of these the fullest.
 * Only CPU and memory count, as every pod takes of them. No upstream counterpart.
 */
import type { SlotScore } from '../../framework/plugin.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import type { Room } from '../../model/room.ts';

/** Parts of the whole score of 100: what a node has for being open at all, what for having no replica, and what for being full. */
const openScore = 10;
const aloneScore = 80;
const fullScore = 10;

/** Rates a node, 0 to 100. */
export function packingScore({ nonZero, workload }: PodInfo, node: NodeInfo): number {
  const { allocatable, nonZero: used, ownPods, replicas } = node;
  const cpuShare = shareOf(used.milliCpu + nonZero.milliCpu, allocatable.milliCpu);
  const memoryShare = shareOf(used.memory + nonZero.memory, allocatable.memory);
  const ofWorkload = workload === undefined ? 0 : (replicas.get(workload) ?? 0);
  return openness(ownPods, ofWorkload) + fullScore * meanOf(cpuShare, memoryShare);
}

/** The same by slots, in the same steps, so that it is the same to the last bit. */
export function packingScoreByRoom({ nonZero, workload }: PodInfo, room: Room): SlotScore {
  const { milliCpu, memory, milliCpuCounted, memoryCounted, ownPods } = room;
  return (slot) => {
    const cpuShare = shareOf((milliCpuCounted[slot] ?? 0) + nonZero.milliCpu, milliCpu[slot] ?? 0);
    const memoryShare = shareOf((memoryCounted[slot] ?? 0) + nonZero.memory, memory[slot] ?? 0);
    const ofWorkload = workload === undefined ? 0 : room.replicasAt(slot, workload);
    return openness(ownPods[slot] ?? 0, ofWorkload) + fullScore * meanOf(cpuShare, memoryShare);
  };
}

/** Which a pod is worth whose workload matters: equal for those that are scored alike. */
export function packingSignature({ workload }: PodInfo): string {
  return workload ?? '';
}

function openness(ownPods: number, replicas: number): number {
  return ownPods === 0 ? 0 : openScore + aloneScore / (1 + replicas);
}

/** -1 for a resource that the node does not have. */
function shareOf(taken: number, has: number): number {
  return has > 0 ? Math.min(1, taken / has) : -1;
}

/** A resource that the node does not have does not count. */
function meanOf(cpuShare: number, memoryShare: number): number {
  if (cpuShare < 0) return Math.max(0, memoryShare);
  return memoryShare < 0 ? cpuShare : (cpuShare + memoryShare) / 2;
}
