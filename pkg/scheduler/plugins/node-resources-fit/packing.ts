/**
 * The score of packing. A node that is open anyway, as pods are there that are not for its own sake, comes before one that is not; of open ones that with the fewest replicas
 * of the pod's workload, so that the end of one node is not the end of all of them; of these the one that would be fullest, less what the pod would strand there: memory
 * without CPU, or CPU without memory, is of no use to anybody. Only CPU and memory count, as every pod takes of them. No upstream counterpart.
 *
 * An open node does not suit a pod that would leave it lopsided, and clearly more so than before. Such a node stands beside the closed ones, and what the pod would strand decides
 * among them: so pods with much memory do not fill nodes that have little of it while others are closed. Among nodes of one shape none is opened for that, as a
 * pod strands nowhere more than on an empty node.
 */
import type { SlotScore } from '../../framework/plugin.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import { imbalanceOf, type Room, shareOf } from '../../model/room.ts';

/** Parts of the whole score of 100. An open node that suits has this for it, and further parts for having no replica and for being full without stranding anything. */
const suitedBase = 20;
const suitedAlone = 70;
const fullScore = 10;
/** What stranding counts beside being full. This and the figures below are by trial (`tests/bench/compaction.ts`). */
const strandingWeight = 1;
/** How far apart the shares of CPU and memory may be on a node that suits every pod. */
const lopsidedMin = 0.05;
/** How much of what it takes a pod may strand on a node that suits it. */
const strandedMin = 0.1;
/** For each other node: half of this at most for stranding nothing. */
const otherScore = 10;
/** What an open node that does not suit has beside a closed one: so much, and more with few replicas. Less than a tenth of `otherScore`: it gives way where the closed one strands clearly less. */
const openBonus = 0.25;
const unsuitedAlone = 0.3;
/** What a node that does not suit has for being full: enough to decide between equals. */
const otherFullScore = 0.1;

/** Rates a node, 0 to 100. */
export function packingScore({ nonZero, workload }: PodInfo, node: NodeInfo): number {
  const { allocatable, nonZero: used, ownPods, replicas } = node;
  const before = imbalanceOf(shareOf(used.milliCpu, allocatable.milliCpu), shareOf(used.memory, allocatable.memory));
  const taken = sumOf(shareOf(nonZero.milliCpu, allocatable.milliCpu), shareOf(nonZero.memory, allocatable.memory));
  const cpuShare = shareOf(used.milliCpu + nonZero.milliCpu, allocatable.milliCpu);
  const memoryShare = shareOf(used.memory + nonZero.memory, allocatable.memory);
  const after = imbalanceOf(cpuShare, memoryShare);
  const stranded = strandedOf(after - before, taken);
  const full = fullness(cpuShare, memoryShare);
  if (ownPods === 0) return closedScore(stranded, full);
  const ofWorkload = workload === undefined ? 0 : (replicas.get(workload) ?? 0);
  return isSuited(after, stranded)
    ? suitedScore(stranded, full, ofWorkload)
    : unsuitedScore(stranded, full, ofWorkload);
}

/** The same by slots, in the same steps, so that it is the same to the last bit. Runs for each node: no allocation. */
export function packingScoreByRoom({ nonZero, workload }: PodInfo, room: Room): SlotScore {
  const { milliCpu, memory, milliCpuCounted, memoryCounted, imbalance, ownPods } = room;
  const { milliCpu: cpuWanted, memory: memoryWanted } = nonZero;
  return (slot) => {
    const cpuHas = milliCpu[slot] ?? 0;
    const memoryHas = memory[slot] ?? 0;
    const taken = sumOf(shareOf(cpuWanted, cpuHas), shareOf(memoryWanted, memoryHas));
    const cpuShare = shareOf((milliCpuCounted[slot] ?? 0) + cpuWanted, cpuHas);
    const memoryShare = shareOf((memoryCounted[slot] ?? 0) + memoryWanted, memoryHas);
    const after = imbalanceOf(cpuShare, memoryShare);
    const stranded = strandedOf(after - (imbalance[slot] ?? 0), taken);
    const full = fullness(cpuShare, memoryShare);
    if ((ownPods[slot] ?? 0) === 0) return closedScore(stranded, full);
    const ofWorkload = workload === undefined ? 0 : room.replicasAt(slot, workload);
    return isSuited(after, stranded)
      ? suitedScore(stranded, full, ofWorkload)
      : unsuitedScore(stranded, full, ofWorkload);
  };
}

/** Which a pod is worth whose workload matters: equal for those that are scored alike. */
export function packingSignature({ workload }: PodInfo): string {
  return workload ?? '';
}

/** Whether an open node, which is `after` lopsided with the pod, suits it. */
function isSuited(after: number, stranded: number): boolean {
  return after <= lopsidedMin || stranded <= strandedMin;
}

function suitedScore(stranded: number, full: number, replicas: number): number {
  const use = (fullScore * (full + strandingWeight * (1 - stranded))) / (1 + 2 * strandingWeight);
  return suitedBase + use + suitedAlone / (1 + replicas);
}

function closedScore(stranded: number, full: number): number {
  return (otherScore * (1 - stranded)) / 2 + otherFullScore * full;
}

function unsuitedScore(stranded: number, full: number, replicas: number): number {
  return closedScore(stranded, full) + openBonus + unsuitedAlone / (1 + replicas);
}

/** By how much a pod makes a node more lopsided, as a share of what it takes: -1 to 1. */
function strandedOf(more: number, taken: number): number {
  return taken > 0 ? Math.max(-1, Math.min(1, more / taken)) : 0;
}

/** Sum of two shares; a resource that the node does not have does not count. */
function sumOf(cpuShare: number, memoryShare: number): number {
  return Math.max(0, cpuShare) + Math.max(0, memoryShare);
}

/** Mean share of CPU and memory that is taken; a resource that the node does not have does not count. */
function fullness(cpuShare: number, memoryShare: number): number {
  if (cpuShare < 0) return Math.max(0, memoryShare);
  return memoryShare < 0 ? cpuShare : (cpuShare + memoryShare) / 2;
}
