/**
 * The score of packing. A node that is open anyway, as pods are there that are not for its own sake, comes before one that is not; of open ones that
 * with the fewest replicas of the pod's workload, so that the end of one node is not the end of all of them; of these the one that
 * would be fullest, less what the pod would strand there: memory without CPU, or CPU without memory, is of no use to anybody. Only CPU and memory count, as every pod takes of them. No upstream counterpart.
 */
import type { SlotScore } from '../../framework/plugin.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import type { Room } from '../../model/room.ts';

/** Parts of the whole score of 100: what a node has for being open at all, what for having no replica, and what for being full without stranding anything. */
const openScore = 10;
const aloneScore = 80;
const fullScore = 10;
/** What it costs to strand all of one resource, in the use of a whole node. By trial (`tests/bench/compaction.ts`): with less, large cells need more machines. */
const strandingWeight = 1;

/** Rates a node, 0 to 100. */
export function packingScore({ nonZero, workload }: PodInfo, node: NodeInfo): number {
  const { allocatable, nonZero: used, ownPods, replicas } = node;
  const ofWorkload = workload === undefined ? 0 : (replicas.get(workload) ?? 0);
  const before = imbalance(used.milliCpu, allocatable.milliCpu, used.memory, allocatable.memory);
  const [milliCpu, memory] = [used.milliCpu + nonZero.milliCpu, used.memory + nonZero.memory];
  const full = fullness(milliCpu, allocatable.milliCpu, memory, allocatable.memory);
  const stranded = imbalance(milliCpu, allocatable.milliCpu, memory, allocatable.memory) - before;
  return openness(ownPods, ofWorkload) + useScore(full, stranded);
}

/** The same by slots, in the same steps, so that it is the same to the last bit. */
export function packingScoreByRoom({ nonZero, workload }: PodInfo, room: Room): SlotScore {
  const { milliCpu: cpus, memory: memories, milliCpuCounted, memoryCounted, ownPods } = room;
  return (slot) => {
    const [cpuHas, memoryHas] = [cpus[slot] ?? 0, memories[slot] ?? 0];
    const [cpuUsed, memoryUsed] = [milliCpuCounted[slot] ?? 0, memoryCounted[slot] ?? 0];
    const ofWorkload = workload === undefined ? 0 : room.replicasAt(slot, workload);
    const before = imbalance(cpuUsed, cpuHas, memoryUsed, memoryHas);
    const [milliCpu, memory] = [cpuUsed + nonZero.milliCpu, memoryUsed + nonZero.memory];
    const full = fullness(milliCpu, cpuHas, memory, memoryHas);
    const stranded = imbalance(milliCpu, cpuHas, memory, memoryHas) - before;
    return openness(ownPods[slot] ?? 0, ofWorkload) + useScore(full, stranded);
  };
}

/** Which a pod is worth whose workload matters: equal for those that are scored alike. */
export function packingSignature({ workload }: PodInfo): string {
  return workload ?? '';
}

function openness(ownPods: number, replicas: number): number {
  return ownPods === 0 ? 0 : openScore + aloneScore / (1 + replicas);
}

function useScore(full: number, stranded: number): number {
  return (fullScore * (full - strandingWeight * stranded + strandingWeight)) / (1 + 2 * strandingWeight);
}

/** Mean share of CPU and memory that is taken; a resource that the node does not have does not count. */
function fullness(cpu: number, cpuHas: number, memory: number, memoryHas: number): number {
  if (cpuHas === 0) return memoryHas === 0 ? 0 : Math.min(1, memory / memoryHas);
  if (memoryHas === 0) return Math.min(1, cpu / cpuHas);
  return (Math.min(1, cpu / cpuHas) + Math.min(1, memory / memoryHas)) / 2;
}

/** How far apart the shares are that are taken: what one resource has left beyond the other can be used by nobody. */
function imbalance(cpu: number, cpuHas: number, memory: number, memoryHas: number): number {
  return cpuHas === 0 || memoryHas === 0 ? 0 : Math.abs(Math.min(1, cpu / cpuHas) - Math.min(1, memory / memoryHas));
}
