/**
 * Keeps pods on nodes that have room for what they request, and scores by how full these would be.
 * Upstream counterpart: `plugins/noderesources` `Fit`.
 */
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { type ClusterEvent, nodeOf, podOf } from '../../framework/events.ts';
import type { FilterPlugin, Memo, ScorePlugin, SlotCheck } from '../../framework/plugin.ts';
import { configurable } from '../../framework/plugin-args.ts';
import { type Status, success, unresolvable, unschedulable } from '../../framework/status.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import { noResources, podRequests, type Resources, resourcesOf } from '../../model/resources.ts';
import type { Room } from '../../model/room.ts';
import { type FitArgs, fitProblems, resourcesSchema } from './fit-problems.ts';
import { packingScore, packingScoreByRoom, packingSignature } from './packing.ts';
import { scoreBy } from './strategies.ts';

const integer = { type: 'integer' };
const shape = { type: 'object', properties: { utilization: integer, score: integer }, additionalProperties: false };

/** The line of the table: what is allocated is scored by the way of scheduling unless arguments say otherwise. */
export const nodeResourcesFit = configurable<FitArgs>({
  name: 'NodeResourcesFit',
  weight: 1,
  properties: {
    ignoredResources: { type: 'array', items: { type: 'string' } },
    ignoredResourceGroups: { type: 'array', items: { type: 'string' } },
    scoringStrategy: {
      type: 'object',
      additionalProperties: false,
      required: ['type'],
      properties: {
        type: { enum: ['LeastAllocated', 'MostAllocated', 'Packing', 'RequestedToCapacityRatio'] },
        resources: resourcesSchema,
        requestedToCapacityRatio: {
          type: 'object',
          additionalProperties: false,
          properties: { shape: { type: 'array', items: { ...shape, required: ['utilization', 'score'] } } },
        },
      },
    },
  },
  fallback: (scheduling) => ({
    scoringStrategy: { type: scheduling === 'packing' ? 'Packing' : 'LeastAllocated' },
  }),
  problems: fitProblems,
  create: (_context, args) => createNodeResourcesFit(args),
});

/** The plugin. */
export function createNodeResourcesFit(args: FitArgs): FilterPlugin & ScorePlugin {
  const { scoringStrategy } = args;
  const isPacking = scoringStrategy.type === 'Packing';
  const rate = isPacking ? packingScore : scoreBy(scoringStrategy);
  const requestsOf = countedRequests(args);
  const sign = (pod: PodInfo): string => signature(pod, requestsOf(pod));
  const memo: Memo = { dependsOn: 'pods', sign };
  const scoreMemo: Memo = isPacking
    ? { dependsOn: 'pods', sign: (pod) => `${sign(pod)}/${packingSignature(pod)}` }
    : memo;
  return {
    name: 'NodeResourcesFit',
    events: [
      {
        resource: 'AssignedPod',
        actions: ['Delete', 'UpdatePodScaleDown'],
        hint: (pod, event) => hintOfPod(requestsOf(pod), event),
      },
      {
        resource: 'Node',
        actions: ['Add', 'UpdateNodeAllocatable'],
        hint: (pod, event) => hintOfNode(requestsOf(pod), event),
      },
      { resource: 'TargetPod', actions: ['UpdatePodScaleDown'] },
    ],
    filterMemo: memo,
    filter: ({ pod }) => {
      const wanted = requestsOf(pod);
      return (node) => fits(wanted, node);
    },
    filterByRoom: ({ pod }, room) => fitsByRoom(requestsOf(pod), room),
    scoreMemo,
    score:
      ({ pod }) =>
      (node) =>
        rate(pod, node),
    ...(isPacking ? { scoreByRoom: ({ pod }, room) => packingScoreByRoom(pod, room) } : {}),
  };
}

/** What a pod asks for without what is ignored. */
function countedRequests({ ignoredResources = [], ignoredResourceGroups = [] }: FitArgs) {
  if (ignoredResources.length === 0 && ignoredResourceGroups.length === 0)
    return ({ requests }: PodInfo): Readonly<Resources> => requests;
  const isIgnored = (name: string): boolean =>
    ignoredResources.includes(name) || ignoredResourceGroups.includes(name.split('/', 1)[0] ?? '');
  return ({ requests }: PodInfo): Readonly<Resources> => {
    if (requests.scalars === undefined) return requests;
    const scalars = new Map([...requests.scalars].filter(([name]) => !isIgnored(name)));
    return { ...requests, scalars: scalars.size === 0 ? undefined : scalars };
  };
}

function signature({ nonZero }: PodInfo, requests: Readonly<Resources>): string {
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

/** A node helps when the pod would fit on it empty and, for a change of its size, when something the pod wants grew. */
function hintOfNode(wanted: Readonly<Resources>, event: ClusterEvent): 'Queue' | 'Skip' {
  const has = resourcesOf(nodeOf(event).status?.allocatable);
  if (fits(wanted, { allocatable: has, requested: noResources(), pods: { size: 0 } }) !== success) return 'Skip';
  if (event.action !== 'UpdateNodeAllocatable') return 'Queue';
  const had = resourcesOf((event.previous as Node | undefined)?.status?.allocatable);
  return grew(wanted, had, has) ? 'Queue' : 'Skip';
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
function hintOfPod(wanted: Readonly<Resources>, event: ClusterEvent): 'Queue' | 'Skip' {
  if (event.action === 'Delete') return 'Queue';
  return grew(wanted, podRequests(podOf(event)), podRequests(event.previous as Pod)) ? 'Queue' : 'Skip';
}
