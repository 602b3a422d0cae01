/**
 * The score of packing. A node that is open anyway, as pods are there that are not for its own sake, comes before one that is not; of open ones that
 * with the fewest replicas of the pod's workload, so that the end of one node is not the end of all of them; of these the one that
 * would be fullest, less what the pod would strand there: memory without CPU, or CPU without memory, is of no use to anybody. Only CPU and memory count, as every pod takes of them. No upstream counterpart.
 */
import type { SlotScore } from '../../framework/plugin.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import { imbalanceOf, type Room, shareOf } from '../../model/room.ts';

/** Parts of the whole score of 100: what a node has for being open at all, what for having no replica, and what for being full without stranding anything. */
const openScore = 10;
const aloneScore = 80;
const fullScore = 10;
/** What it costs to strand all of one resource, in the use of a whole node. By trial (`tests/bench/compaction.ts`): with less, large cells need more machines. */
const strandingWeight = 1;
const scale = 1 + 2 * strandingWeight;

/** Rates a node, 0 to 100. */
export function packingScore({ nonZero, workload }: PodInfo, node: NodeInfo): number {
  const { allocatable, nonZero: used, ownPods, replicas } = node;
  const ofWorkload = workload === undefined ? 0 : (replicas.get(workload) ?? 0);
  const before = imbalanceOf(shareOf(used.milliCpu, allocatable.milliCpu), shareOf(used.memory, allocatable.memory));
  const cpuShare = shareOf(used.milliCpu + nonZero.milliCpu, allocatable.milliCpu);
  const memoryShare = shareOf(used.memory + nonZero.memory, allocatable.memory);
  return openness(ownPods, ofWorkload) + useScore(cpuShare, memoryShare, before);
}

/** The same by slots, in the same steps, so that it is the same to the last bit. */
export function packingScoreByRoom({ nonZero, workload }: PodInfo, room: Room): SlotScore {
  const { milliCpu, memory, milliCpuCounted, memoryCounted, imbalance, ownPods } = room;
  const { milliCpu: cpuWanted, memory: memoryWanted } = nonZero;
  return (slot) => {
    const cpuShare = shareOf((milliCpuCounted[slot] ?? 0) + cpuWanted, milliCpu[slot] ?? 0);
    const memoryShare = shareOf((memoryCounted[slot] ?? 0) + memoryWanted, memory[slot] ?? 0);
    const ofWorkload = workload === undefined ? 0 : room.replicasAt(slot, workload);
    return openness(ownPods[slot] ?? 0, ofWorkload) + useScore(cpuShare, memoryShare, imbalance[slot] ?? 0);
  };
}

/** Which a pod is worth whose workload matters: equal for those that are scored alike. */
export function packingSignature({ workload }: PodInfo): string {
  return workload ?? '';
}

function openness(ownPods: number, replicas: number): number {
  return ownPods === 0 ? 0 : openScore + aloneScore / (1 + replicas);
}

/** How full a node would be, less what the pod would strand: what one resource has left beyond the other can be used by nobody. */
function useScore(cpuShare: number, memoryShare: number, before: number): number {
  const stranded = imbalanceOf(cpuShare, memoryShare) - before;
  return (fullScore * (fullness(cpuShare, memoryShare) - strandingWeight * stranded + strandingWeight)) / scale;
}

/** Mean share of CPU and memory that is taken; a resource that the node does not have does not count. */
function fullness(cpuShare: number, memoryShare: number): number {
  if (cpuShare < 0) return Math.max(0, memoryShare);
  return memoryShare < 0 ? cpuShare : (cpuShare + memoryShare) / 2;
}
