/**
 * Keeps pods on nodes that have room for what they request, and packs them: the fuller a node would be, the better it scores.
 * Upstream counterpart: `plugins/noderesources` `Fit` with the strategy `MostAllocated`.
 */
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { type ClusterEvent, nodeOf, podOf } from '../../framework/events.ts';
import {
  type FilterPlugin,
  type Memo,
  type ScorePlugin,
  type SlotCheck,
  type SlotScore,
  scoreMax,
} from '../../framework/plugin.ts';
import { type Status, success, unresolvable, unschedulable } from '../../framework/status.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import { noResources, podRequests, type Resources, resourcesOf } from '../../model/resources.ts';
import type { Room } from '../../model/room.ts';

const memo: Memo = { dependsOn: 'pods', sign: signature };

/** The plugin. */
export const nodeResourcesFit: FilterPlugin & ScorePlugin = {
  name: 'NodeResourcesFit',
  events: [
    { resource: 'AssignedPod', actions: ['Delete', 'UpdatePodScaleDown'], hint: hintOfPod },
    { resource: 'Node', actions: ['Add', 'UpdateNodeAllocatable'], hint: hintOfNode },
    { resource: 'TargetPod', actions: ['UpdatePodScaleDown'] },
  ],
  filterMemo: memo,
  filter:
    ({ pod }) =>
    (node) =>
      fits(pod.requests, node),
  filterByRoom: ({ pod }, room) => fitsByRoom(pod.requests, room),
  scoreMemo: memo,
  score:
    ({ pod }) =>
    (node) =>
      scoreMax * meanUse(pod, node),
  scoreByRoom: ({ pod }, room) => meanUseByRoom(pod, room),
};

function signature({ requests, nonZero }: PodInfo): string {
  const base = `${requests.milliCpu}/${requests.memory}/${requests.ephemeralStorage}/${nonZero.milliCpu}/${nonZero.memory}`;
  return requests.scalars === undefined ? base : `${base}/${JSON.stringify([...requests.scalars].sort())}`;
}

/** What fitting reads of a node. */
interface OneRoom extends Pick<NodeInfo, 'allocatable' | 'requested'> {
  readonly pods: { readonly size: number };
}

/** Whether `wanted` fits beside what is requested already; otherwise every resource that is short. Runs for each node: no allocation. */
function fits(wanted: Readonly<Resources>, room: OneRoom): Status {
  const { allocatable: has, requested: used } = room;
  if (
    wanted.scalars === undefined &&
    room.pods.size < has.pods &&
    (wanted.milliCpu === 0 || wanted.milliCpu <= has.milliCpu - used.milliCpu) &&
    (wanted.memory === 0 || wanted.memory <= has.memory - used.memory) &&
    (wanted.ephemeralStorage === 0 || wanted.ephemeralStorage <= has.ephemeralStorage - used.ephemeralStorage)
  ) {
    return success;
  }
  return shortage(wanted, room);
}

/** As `fits`. Undefined for a pod that wants something which only few nodes have. */
function fitsByRoom(wanted: Readonly<Resources>, room: Room): SlotCheck | undefined {
  if (wanted.scalars !== undefined) return undefined;
  const { milliCpu, memory, ephemeralStorage } = wanted;
  const { milliCpuLeft, memoryLeft, storageLeft, podsLeft } = room;
  return (slot) =>
    (podsLeft[slot] ?? 0) > 0 &&
    (milliCpu === 0 || milliCpu <= (milliCpuLeft[slot] ?? 0)) &&
    (memory === 0 || memory <= (memoryLeft[slot] ?? 0)) &&
    (ephemeralStorage === 0 || ephemeralStorage <= (storageLeft[slot] ?? 0));
}

function shortage(wanted: Readonly<Resources>, { allocatable: has, requested: used, pods }: OneRoom): Status {
  let short = pods.size >= has.pods ? 1 : 0;
  let never = false;
  const isShort = (want: number, allocatable: number, taken: number): boolean => {
    if (want === 0 || want <= allocatable - taken) return false;
    if (want > allocatable) never = true;
    return true;
  };
  if (isShort(wanted.milliCpu, has.milliCpu, used.milliCpu)) short |= 2;
  if (isShort(wanted.memory, has.memory, used.memory)) short |= 4;
  if (isShort(wanted.ephemeralStorage, has.ephemeralStorage, used.ephemeralStorage)) short |= 8;
  const scalars: string[] = [];
  for (const [name, want] of wanted.scalars ?? []) {
    if (isShort(want, has.scalars?.get(name) ?? 0, used.scalars?.get(name) ?? 0)) {
      scalars.push(`Insufficient ${name}`);
    }
  }
  if (short === 0 && scalars.length === 0) return success;
  const status = (never ? neverFits : fitsLater)[short]!;
  return scalars.length === 0 ? status : { code: status.code, reasons: [...status.reasons, ...scalars] };
}

const reasonOfBit = ['Too many pods', 'Insufficient cpu', 'Insufficient memory', 'Insufficient ephemeral-storage'];

/** By the bits of what is short. */
const tableOf = (make: (...reasons: string[]) => Status): readonly Status[] =>
  Array.from({ length: 16 }, (_, bits) => make(...reasonOfBit.filter((_reason, bit) => (bits & (1 << bit)) !== 0)));
const fitsLater = tableOf(unschedulable);
const neverFits = tableOf(unresolvable);

/** Mean over CPU and memory of the share in use with this pod; a resource the node does not have does not count. */
function meanUse({ nonZero }: PodInfo, { allocatable, nonZero: used }: NodeInfo): number {
  let sum = 0;
  let count = 0;
  if (allocatable.milliCpu > 0) {
    sum += Math.min(1, (used.milliCpu + nonZero.milliCpu) / allocatable.milliCpu);
    count++;
  }
  if (allocatable.memory > 0) {
    sum += Math.min(1, (used.memory + nonZero.memory) / allocatable.memory);
    count++;
  }
  return count === 0 ? 0 : sum / count;
}

/** As `scoreMax * meanUse`, in the same steps, so that it is the same to the last bit. */
function meanUseByRoom({ nonZero }: PodInfo, { milliCpu, memory, milliCpuCounted, memoryCounted }: Room): SlotScore {
  return (slot) => {
    const cpu = milliCpu[slot] ?? 0;
    const bytes = memory[slot] ?? 0;
    let sum = 0;
    let count = 0;
    if (cpu > 0) {
      sum += Math.min(1, ((milliCpuCounted[slot] ?? 0) + nonZero.milliCpu) / cpu);
      count++;
    }
    if (bytes > 0) {
      sum += Math.min(1, ((memoryCounted[slot] ?? 0) + nonZero.memory) / bytes);
      count++;
    }
    return scoreMax * (count === 0 ? 0 : sum / count);
  };
}

/** A node helps when the pod would fit on it empty and, for a change of its size, when something the pod wants grew. */
function hintOfNode(pod: PodInfo, event: ClusterEvent): 'Queue' | 'Skip' {
  const has = resourcesOf(nodeOf(event).status?.allocatable);
  if (fits(pod.requests, { allocatable: has, requested: noResources(), pods: { size: 0 } }) !== success) return 'Skip';
  if (event.action !== 'UpdateNodeAllocatable') return 'Queue';
  const had = resourcesOf((event.previous as Node | undefined)?.status?.allocatable);
  return grew(pod.requests, had, has) ? 'Queue' : 'Skip';
}

function grew(wanted: Readonly<Resources>, before: Resources, after: Resources): boolean {
  if (after.pods > before.pods) return true;
  if (wanted.milliCpu > 0 && after.milliCpu > before.milliCpu) return true;
  if (wanted.memory > 0 && after.memory > before.memory) return true;
  if (wanted.ephemeralStorage > 0 && after.ephemeralStorage > before.ephemeralStorage) return true;
  for (const name of wanted.scalars?.keys() ?? []) {
    if ((after.scalars?.get(name) ?? 0) > (before.scalars?.get(name) ?? 0)) return true;
  }
  return false;
}

/** A pod that leaves gives back its place among the node's pods, so it always helps; one that shrinks only by what was wanted. */
function hintOfPod(pod: PodInfo, event: ClusterEvent): 'Queue' | 'Skip' {
  if (event.action === 'Delete') return 'Queue';
  return grew(pod.requests, podRequests(podOf(event)), podRequests(event.previous as Pod)) ? 'Queue' : 'Skip';
}
