/**
 * Spreads pods evenly over domains such as zones: by the constraints that they state and, for those that state none, by default ones of the profile over the
 * pods of their Services and workloads. Upstream counterpart: `plugins/podtopologyspread`.
 */

import { matchesRequiredNodeAffinity } from '#pkg/api/scheduling/node-selector.ts';
import { untoleratedTaint } from '#pkg/api/scheduling/tolerations.ts';
import { jsonText } from '#pkg/apimachinery/json.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { Cycle, StateKey } from '../../framework/cycle.ts';
import { type ClusterEvent, podOf } from '../../framework/events.ts';
import {
  type FilterPlugin,
  type NodeCheck,
  type NodeScore,
  type NormalizeScorePlugin,
  type PreScorePlugin,
  type ScorePlugin,
  type SlotCheck,
  type SlotScore,
  scoreMax,
} from '../../framework/plugin.ts';
import { configurable } from '../../framework/plugin-args.ts';
import { allOf } from '../../framework/slots.ts';
import { type Status, skip, success, unresolvable, unschedulable } from '../../framework/status.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import type { Room } from '../../model/room.ts';
import { labelOf, type TopologyCounts } from '../../model/topology-counts.ts';
import {
  type Constraint,
  type Constraints,
  constraintsBy,
  hasDefaults,
  type SpreadArgs,
  spreadArgs,
} from './constraints.ts';
import { noWorkloads, type WorkloadSource, workloadSource } from './workload-selector.ts';

const skewRefusal = unschedulable("node(s) didn't match pod topology spread constraints");
const labelRefusal = unresolvable("node(s) didn't match pod topology spread constraints (missing required label)");

/** How many domains of each topology key the nodes are in that passed. */
const domainCounts: StateKey<ReadonlyMap<string, number>> = { name: 'PodTopologySpread/domains' };

/** Score of a node that lacks a topology key: told apart from all real ones, and worth nothing in the end. */
const ignored = -1;

/** The line of the table. */
export const podTopologySpread = configurable<SpreadArgs>({
  name: 'PodTopologySpread',
  weight: 2,
  ...spreadArgs,
  // Without default constraints nothing is read of the API.
  create: (context, args) => createPodTopologySpread(args, hasDefaults(args) ? workloadSource(context) : noWorkloads),
});

/** The plugin. */
export function createPodTopologySpread(
  args: SpreadArgs,
  source: WorkloadSource,
): FilterPlugin & NormalizeScorePlugin & PreScorePlugin & ScorePlugin {
  const constraintsOf = constraintsBy(args, source);
  return {
    name: 'PodTopologySpread',
    events: [
      {
        resource: 'AssignedPod',
        actions: ['Add', 'Delete', 'UpdateLabels'],
        hint: (pod, event) => hintOfPod(pod, event, constraintsOf(pod, 'DoNotSchedule').list),
      },
      { resource: 'Node', actions: ['Add', 'Delete', 'UpdateLabels', 'UpdateNodeTaints'] },
      { resource: 'TargetPod', actions: ['UpdateLabels'] },
    ],
    filter: (cycle) => filter(cycle, constraintsOf(cycle.pod, 'DoNotSchedule')),
    filterByRoom: (cycle, room) => filterByRoom(limitsOf(cycle, constraintsOf(cycle.pod, 'DoNotSchedule')), room),
    preScore: (cycle, nodes) => preScore(cycle, nodes, constraintsOf(cycle.pod, 'ScheduleAnyway')),
    preScoreByRoom: (cycle, slots, room) =>
      preScoreByRoom(cycle, { slots, room }, constraintsOf(cycle.pod, 'ScheduleAnyway')),
    score: (cycle) => score(cycle, constraintsOf(cycle.pod, 'ScheduleAnyway')),
    scoreByRoom: (cycle, room) => scoreByRoom(cycle, room, constraintsOf(cycle.pod, 'ScheduleAnyway')),
    normalize,
  };
}

function normalize(scores: Float64Array): void {
  let lowest = Number.POSITIVE_INFINITY;
  let highest = 0;
  for (const value of scores) {
    if (value === ignored) continue;
    lowest = Math.min(lowest, value);
    highest = Math.max(highest, value);
  }
  for (let index = 0; index < scores.length; index++) {
    const value = scores[index]!;
    if (value === ignored) scores[index] = 0;
    else scores[index] = highest === 0 ? scoreMax : Math.floor((scoreMax * (highest + lowest - value)) / highest);
  }
}

/** How many matching pods a domain may have that takes the pod. */
interface Limit {
  readonly topologyKey: string;
  readonly counts: TopologyCounts;
  readonly most: number;
}

function limitsOf(cycle: Cycle, constraints: Constraints): readonly Limit[] {
  const { pod } = cycle;
  return constraints.list.map((constraint) => {
    const { topologyKey, minDomains = 1, maxSkew } = constraint.spec;
    const counts = countMatching(cycle, constraint, constraints);
    const least = counts.domainCount(topologyKey) < minDomains ? 0 : counts.least(topologyKey);
    const own = constraint.selector.matches(pod.pod.metadata?.labels) ? 1 : 0;
    return { topologyKey, counts, most: maxSkew + least - own };
  });
}

/** Counts once it is asked about a node, as it may be asked by room instead. */
function filter(cycle: Cycle, constraints: Constraints): NodeCheck | undefined {
  if (constraints.list.length === 0) return undefined;
  let limits: readonly Limit[] | undefined;
  return (node) => {
    limits ??= limitsOf(cycle, constraints);
    for (const { topologyKey, counts, most } of limits) {
      if (labelOf(node, topologyKey) === undefined) return labelRefusal;
      if (counts.of(topologyKey, node) > most) return skewRefusal;
    }
    return success;
  };
}

function filterByRoom(limits: readonly Limit[], room: Room): SlotCheck {
  const checks = limits.map(({ topologyKey, counts, most }): SlotCheck => {
    const [domains, sums] = [room.domainsOf(topologyKey), counts.sumsOf(topologyKey)];
    return (slot) => {
      const domain = domains[slot] ?? -1;
      return domain >= 0 && (sums[domain] ?? 0) <= most;
    };
  });
  return allOf(checks);
}

function preScore(cycle: Cycle, nodes: Iterable<NodeInfo>, { list, needsAllKeys }: Constraints): Status {
  const keys = list.map(({ spec }) => spec.topologyKey);
  if (keys.length === 0) return skip;
  const domains = new Map(keys.map((key) => [key, new Set<string>()]));
  for (const node of nodes) {
    if (needsAllKeys && keys.some((key) => labelOf(node, key) === undefined)) continue;
    for (const [key, values] of domains) values.add(labelOf(node, key) ?? '');
  }
  cycle.state.write(domainCounts, new Map(Array.from(domains, ([key, values]) => [key, values.size])));
  return success;
}

/** As `preScore`: nodes without a key are in the domain of the empty value, which is 0. */
function preScoreByRoom(cycle: Cycle, { slots, room }: SlotsOfRoom, { list, needsAllKeys }: Constraints): Status {
  if (list.length === 0) return skip;
  const columns = list.map(({ spec }) => ({ key: spec.topologyKey, column: room.domainsOf(spec.topologyKey) }));
  const counts = new Map<string, number>();
  for (const { key, column } of columns) {
    const isSeen = new Uint8Array(highest(column) + 1);
    let count = 0;
    for (const slot of slots) {
      if (needsAllKeys && columns.some((other) => (other.column[slot] ?? -1) < 0)) continue;
      const domain = Math.max(0, column[slot] ?? 0);
      if (isSeen[domain] === 0) count++;
      isSeen[domain] = 1;
    }
    counts.set(key, count);
  }
  cycle.state.write(domainCounts, counts);
  return success;
}

interface SlotsOfRoom {
  readonly slots: Int32Array;
  readonly room: Room;
}

/** One constraint as a score. */
interface Part {
  readonly topologyKey: string;
  readonly counts: TopologyCounts;
  readonly weight: number;
  readonly base: number;
}

function partsOf(cycle: Cycle, constraints: Constraints): readonly Part[] {
  const domains = cycle.state.read(domainCounts);
  return constraints.list.map((constraint) => {
    const { topologyKey, maxSkew } = constraint.spec;
    const counts = countMatching(cycle, constraint, constraints);
    // A topology of many domains has few pods in each; the weight makes up for it.
    return { topologyKey, counts, weight: Math.log((domains?.get(topologyKey) ?? 0) + 2), base: maxSkew - 1 };
  });
}

function score(cycle: Cycle, constraints: Constraints): NodeScore | undefined {
  if (constraints.list.length === 0) return undefined;
  let parts: readonly Part[] | undefined;
  return (node) => {
    parts ??= partsOf(cycle, constraints);
    let sum = 0;
    for (const { topologyKey, counts, weight, base } of parts) {
      if (labelOf(node, topologyKey) !== undefined) sum += counts.of(topologyKey, node) * weight + base;
      else if (constraints.needsAllKeys) return ignored;
    }
    return Math.round(sum);
  };
}

function scoreByRoom(cycle: Cycle, room: Room, constraints: Constraints): SlotScore {
  const parts = partsOf(cycle, constraints).map(({ topologyKey, counts, weight, base }) => {
    return { domains: room.domainsOf(topologyKey), sums: counts.sumsOf(topologyKey), weight, base };
  });
  return (slot) => {
    let sum = 0;
    for (const { domains, sums, weight, base } of parts) {
      const domain = domains[slot] ?? -1;
      if (domain >= 0) sum += (sums[domain] ?? 0) * weight + base;
      else if (constraints.needsAllKeys) return ignored;
    }
    return Math.round(sum);
  };
}

/**
 * Matching pods by domain, over the nodes that the constraint counts; a domain without any has 0. A node without one of the keys does not count, where all are
 * needed.
 */
function countMatching({ pod, cluster }: Cycle, constraint: Constraint, all: Constraints): TopologyCounts {
  const { spec, selector, text } = constraint;
  const { namespace } = pod;
  const keys = all.needsAllKeys ? all.list.map((one) => one.spec.topologyKey) : [spec.topologyKey];
  const wish = wishOf(constraint, pod);
  return cluster.topologyCounts({
    signature: `PodTopologySpread ${namespace} ${keys.join(' ')} ${spec.topologyKey} ${text} ${wish}`,
    ofNode(node) {
      if (keys.some((key) => labelOf(node, key) === undefined) || !countsNode(constraint, pod, node)) return undefined;
      let matching = 0;
      for (const other of node.pods.values()) {
        if (other.namespace !== namespace || other.pod.metadata?.deletionTimestamp !== undefined) continue;
        if (selector.matches(other.pod.metadata?.labels)) matching++;
      }
      return [[spec.topologyKey, matching]];
    },
  });
}

/** What of the pod says which nodes count. */
function wishOf({ spec }: Constraint, { pod }: PodInfo): string {
  const { nodeSelector, affinity, tolerations } = pod.spec ?? {};
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const where = spec.nodeAffinityPolicy === 'Ignore' || (!nodeSelector && !required) ? '' : [nodeSelector, required];
  return jsonText([where, spec.nodeTaintsPolicy === 'Honor' ? (tolerations ?? []) : '']);
}

function countsNode({ spec }: Constraint, { pod }: PodInfo, node: NodeInfo): boolean {
  if (spec.nodeAffinityPolicy !== 'Ignore' && !matchesRequiredNodeAffinity(pod, node)) return false;
  if (spec.nodeTaintsPolicy !== 'Honor') return true;
  return untoleratedTaint(node.taints, pod.spec?.tolerations ?? []) === undefined;
}

function highest(values: Int32Array): number {
  let most = 0;
  for (const value of values) if (value > most) most = value;
  return most;
}

/**
 * A pod that comes can raise the least-filled domain, one that goes can empty its own, and one with other labels can do either: all only if a
 * constraint counts it, or did.
 */
function hintOfPod(pod: PodInfo, event: ClusterEvent, constraints: readonly Constraint[]): 'Queue' | 'Skip' {
  if (podOf(event).metadata?.namespace !== pod.namespace) return 'Skip';
  const isCounted = (other: KubeObject | undefined): boolean =>
    other !== undefined && constraints.some(({ selector }) => selector.matches(other.metadata?.labels));
  return isCounted(event.previous) === isCounted(event.object) ? 'Skip' : 'Queue';
}
