/**
 * Spreads pods evenly over domains such as zones. Only constraints that pods state count: the defaults that upstream adds for pods of
 * Services and workloads would work against packing. Upstream counterpart: `plugins/podtopologyspread`.
 */

import { matchesRequiredNodeAffinity } from '#pkg/api/scheduling/node-selector.ts';
import { untoleratedTaint } from '#pkg/api/scheduling/tolerations.ts';
import type { TopologySpreadConstraint } from '#pkg/api/types/core-v1.ts';
import { compiledLabelSelector, type Selector } from '#pkg/apimachinery/label-selector.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { Cycle, StateKey } from '../../framework/cycle.ts';
import { type ClusterEvent, podOf } from '../../framework/events.ts';
import {
  type FilterPlugin,
  type NodeCheck,
  type NormalizeScorePlugin,
  type PreScorePlugin,
  type ScorePlugin,
  scoreMax,
} from '../../framework/plugin.ts';
import { type Status, skip, success, unresolvable, unschedulable } from '../../framework/status.ts';
import { labelOf, TopologyCounts } from '../../framework/topology.ts';
import { selectorWithLabelKeys } from '../../model/label-keys.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';

const skewRefusal = unschedulable("node(s) didn't match pod topology spread constraints");
const labelRefusal = unresolvable("node(s) didn't match pod topology spread constraints (missing required label)");

interface Constraint {
  readonly spec: TopologySpreadConstraint;
  readonly selector: Selector;
}

/** How many domains of each topology key the nodes are in that passed. */
const domainCounts: StateKey<ReadonlyMap<string, number>> = { name: 'PodTopologySpread/domains' };

/** Score of a node that lacks a topology key: told apart from all real ones, and worth nothing in the end. */
const ignored = -1;

/** The plugin. */
export const podTopologySpread: FilterPlugin & NormalizeScorePlugin & PreScorePlugin & ScorePlugin = {
  name: 'PodTopologySpread',
  events: [
    { resource: 'AssignedPod', actions: ['Add', 'Delete', 'UpdateLabels'], hint: hintOfPod },
    { resource: 'Node', actions: ['Add', 'Delete', 'UpdateLabels', 'UpdateNodeTaints'] },
    { resource: 'TargetPod', actions: ['UpdateLabels'] },
  ],
  filter,
  preScore,
  score,
  normalize(scores) {
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
      else scores[index] = highest === 0 ? scoreMax : (scoreMax * (highest + lowest - value)) / highest;
    }
  },
};

function filter(cycle: Cycle): NodeCheck | undefined {
  const { pod } = cycle;
  const constraints = constraintsOf(pod, 'DoNotSchedule');
  if (constraints.length === 0) return undefined;
  const checks = constraints.map((constraint) => {
    const { topologyKey, minDomains = 1, maxSkew } = constraint.spec;
    const counts = countMatching(cycle, constraint, constraints);
    const domains = counts.domains(topologyKey);
    const least = domains.size < minDomains ? 0 : smallest(domains.values());
    const own = constraint.selector.matches(pod.pod.metadata?.labels) ? 1 : 0;
    return { topologyKey, counts, most: maxSkew + least - own };
  });
  return (node) => {
    for (const { topologyKey, counts, most } of checks) {
      if (labelOf(node, topologyKey) === undefined) return labelRefusal;
      if (counts.of(topologyKey, node) > most) return skewRefusal;
    }
    return success;
  };
}

function preScore(cycle: Cycle, nodes: Iterable<NodeInfo>): Status {
  const keys = constraintsOf(cycle.pod, 'ScheduleAnyway').map(({ spec }) => spec.topologyKey);
  if (keys.length === 0) return skip;
  const domains = new Map(keys.map((key) => [key, new Set<string>()]));
  for (const node of nodes) {
    if (keys.some((key) => labelOf(node, key) === undefined)) continue;
    for (const [key, values] of domains) values.add(labelOf(node, key)!);
  }
  cycle.state.write(domainCounts, new Map(Array.from(domains, ([key, values]) => [key, values.size])));
  return success;
}

function score(cycle: Cycle) {
  const constraints = constraintsOf(cycle.pod, 'ScheduleAnyway');
  if (constraints.length === 0) return undefined;
  const domains = cycle.state.read(domainCounts);
  const parts = constraints.map((constraint) => {
    const { topologyKey, maxSkew } = constraint.spec;
    const counts = countMatching(cycle, constraint, constraints);
    // A topology of many domains has few pods in each; the weight makes up for it.
    return { topologyKey, counts, weight: Math.log((domains?.get(topologyKey) ?? 0) + 2), base: maxSkew - 1 };
  });
  return (node: NodeInfo): number => {
    let sum = 0;
    for (const { topologyKey, counts, weight, base } of parts) {
      if (labelOf(node, topologyKey) === undefined) return ignored;
      sum += counts.of(topologyKey, node) * weight + base;
    }
    return Math.round(sum);
  };
}

/** Matching pods by domain, over the nodes that have every key and that the constraint counts; a domain without any has 0. */
function countMatching({ pod, cluster }: Cycle, constraint: Constraint, all: readonly Constraint[]): TopologyCounts {
  const counts = new TopologyCounts();
  for (const node of cluster.nodes()) {
    if (all.some(({ spec }) => labelOf(node, spec.topologyKey) === undefined)) continue;
    if (!countsNode(constraint.spec, pod, node)) continue;
    let matching = 0;
    for (const other of node.pods.values()) {
      if (other.namespace !== pod.namespace || other.pod.metadata?.deletionTimestamp !== undefined) continue;
      if (constraint.selector.matches(other.pod.metadata?.labels)) matching++;
    }
    counts.add(constraint.spec.topologyKey, node, matching);
  }
  return counts;
}

function countsNode(spec: TopologySpreadConstraint, { pod }: PodInfo, node: NodeInfo): boolean {
  if (spec.nodeAffinityPolicy !== 'Ignore' && !matchesRequiredNodeAffinity(pod, node)) return false;
  if (spec.nodeTaintsPolicy !== 'Honor') return true;
  return untoleratedTaint(node.taints, pod.spec?.tolerations ?? []) === undefined;
}

function constraintsOf({ pod }: PodInfo, when: 'DoNotSchedule' | 'ScheduleAnyway'): readonly Constraint[] {
  const stated = pod.spec?.topologySpreadConstraints;
  if (stated === undefined) return [];
  return stated
    .filter((spec) => spec.whenUnsatisfiable === when)
    .map((spec) => {
      const keys = { match: spec.matchLabelKeys };
      const selector = selectorWithLabelKeys(spec.labelSelector, pod.metadata?.labels, keys);
      return { spec, selector: compiledLabelSelector(selector) };
    });
}

function smallest(values: Iterable<number>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const value of values) least = Math.min(least, value);
  return least === Number.POSITIVE_INFINITY ? 0 : least;
}

/**
 * A pod that comes can raise the least-filled domain, one that goes can empty its own, and one with other labels can do either: all only if a
 * constraint counts it, or did.
 */
function hintOfPod(pod: PodInfo, event: ClusterEvent): 'Queue' | 'Skip' {
  if (podOf(event).metadata?.namespace !== pod.namespace) return 'Skip';
  const constraints = constraintsOf(pod, 'DoNotSchedule');
  const isCounted = (other: KubeObject | undefined): boolean =>
    other !== undefined && constraints.some(({ selector }) => selector.matches(other.metadata?.labels));
  return isCounted(event.previous) === isCounted(event.object) ? 'Skip' : 'Queue';
}
