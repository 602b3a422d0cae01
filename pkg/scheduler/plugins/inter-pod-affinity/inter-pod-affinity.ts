/**
 * Places pods with or away from other pods, by topology. What a node answers depends on pods anywhere, so nothing is kept between pods; a
 * pod without terms costs only a look at the nodes that carry pods with terms. Upstream counterpart: `plugins/interpodaffinity`.
 */

import type { Cycle } from '../../framework/cycle.ts';
import { type ClusterEvent, podOf } from '../../framework/events.ts';
import {
  type FilterPlugin,
  type NodeCheck,
  type NodeScore,
  type NormalizeScorePlugin,
  type ScorePlugin,
  scoreMax,
} from '../../framework/plugin.ts';
import { success, unresolvable, unschedulable } from '../../framework/status.ts';
import { labelOf, TopologyCounts } from '../../framework/topology.ts';
import { type AffinityTerm, affinityTermsOf, termMatches } from '../../model/affinity-terms.ts';
import type { ClusterView } from '../../model/cluster-view.ts';
import type { PodInfo } from '../../model/pod-info.ts';

/** What a pod's required affinity is worth, as a preference, to the pods it speaks of. Source: `HardPodAffinityWeight`. */
const requiredAffinityWeight = 1;

const affinityRefusal = unresolvable("node(s) didn't match pod affinity rules");
const antiAffinityRefusal = unschedulable("node(s) didn't match pod anti-affinity rules");
const existingRefusal = unschedulable("node(s) didn't satisfy existing pods anti-affinity rules");

/** The plugin. */
export const interPodAffinity: FilterPlugin & NormalizeScorePlugin & ScorePlugin = {
  name: 'InterPodAffinity',
  events: [
    { resource: 'AssignedPod', actions: ['Add', 'Delete', 'UpdateLabels'], hint: hintOfPod },
    { resource: 'TargetPod', actions: ['UpdateLabels'] },
    { resource: 'Node', actions: ['Add', 'UpdateLabels'] },
    { resource: 'Namespace', actions: ['Add', 'UpdateLabels'] },
  ],
  filter,
  score,
  normalize(scores) {
    let lowest = Number.POSITIVE_INFINITY;
    let highest = Number.NEGATIVE_INFINITY;
    for (const value of scores) {
      lowest = Math.min(lowest, value);
      highest = Math.max(highest, value);
    }
    const range = highest - lowest;
    for (let index = 0; index < scores.length; index++) {
      scores[index] = range > 0 ? (scoreMax * (scores[index]! - lowest)) / range : 0;
    }
  },
};

function filter({ pod, cluster }: Cycle): NodeCheck | undefined {
  const { required = [], requiredAnti = [] } = pod.affinity ?? {};
  const existing = existingAntiAffinity(pod, cluster);
  if (required.length === 0 && requiredAnti.length === 0 && existing.isEmpty) return undefined;
  const wanted = new TopologyCounts();
  const unwanted = new TopologyCounts();
  if (required.length > 0 || requiredAnti.length > 0) {
    for (const node of cluster.nodes()) {
      for (const other of node.pods.values()) {
        if (required.length > 0 && required.every((term) => termMatches(term, other.pod, cluster))) {
          for (const { topologyKey } of required) wanted.add(topologyKey, node, 1);
        }
        for (const term of requiredAnti) {
          if (termMatches(term, other.pod, cluster)) unwanted.add(term.topologyKey, node, 1);
        }
      }
    }
  }
  // The first of a group that wants to be together has nobody to join yet.
  const isFirst = wanted.isEmpty && required.every((term) => termMatches(term, pod.pod, cluster));
  return (node) => {
    for (const { topologyKey } of required) {
      if (labelOf(node, topologyKey) === undefined) return affinityRefusal;
      if (!isFirst && wanted.of(topologyKey, node) === 0) return affinityRefusal;
    }
    for (const { topologyKey } of requiredAnti) if (unwanted.of(topologyKey, node) > 0) return antiAffinityRefusal;
    for (const key of existing.keys()) if (existing.of(key, node) > 0) return existingRefusal;
    return success;
  };
}

/** Where pods are that do not want this one near. */
function existingAntiAffinity(pod: PodInfo, cluster: ClusterView): TopologyCounts {
  const counts = new TopologyCounts();
  for (const node of cluster.nodesWithAffinity()) {
    for (const other of node.podsWithAffinity.values()) {
      for (const term of other.affinity?.requiredAnti ?? []) {
        if (termMatches(term, pod.pod, cluster)) counts.add(term.topologyKey, node, 1);
      }
    }
  }
  return counts;
}

function score({ pod, cluster }: Cycle): NodeScore | undefined {
  const { preferred = [], preferredAnti = [] } = pod.affinity ?? {};
  const hasOwn = preferred.length > 0 || preferredAnti.length > 0;
  const sums = new TopologyCounts();
  for (const node of hasOwn ? cluster.nodes() : cluster.nodesWithAffinity()) {
    /** Adds the weights of the terms that speak of `of` to the node's domains; `sign` is -1 for terms that want it away. */
    const add = (
      terms: readonly AffinityTerm[],
      { of, sign }: { readonly of: PodInfo; readonly sign: 1 | -1 },
    ): void => {
      for (const term of terms) {
        if (!termMatches(term, of.pod, cluster)) continue;
        sums.add(term.topologyKey, node, sign * (term.weight || requiredAffinityWeight));
      }
    };
    if (hasOwn) {
      for (const of of node.pods.values()) {
        add(preferred, { of, sign: 1 });
        add(preferredAnti, { of, sign: -1 });
      }
    }
    for (const { affinity } of node.podsWithAffinity.values()) {
      add(affinity?.required ?? [], { of: pod, sign: 1 });
      add(affinity?.preferred ?? [], { of: pod, sign: 1 });
      add(affinity?.preferredAnti ?? [], { of: pod, sign: -1 });
    }
  }
  if (sums.isEmpty) return undefined;
  const keys = [...sums.keys()];
  return (node) => keys.reduce((sum, key) => sum + sums.of(key, node), 0);
}

/** Labels of namespaces are not at hand here, so a term that selects namespaces counts as matching. */
const anyNamespace = { namespaceLabels: () => ({}) };

function hintOfPod(pod: PodInfo, event: ClusterEvent): 'Queue' | 'Skip' {
  const { required = [], requiredAnti = [] } = pod.affinity ?? {};
  const other = podOf(event);
  const speaksOf = (term: AffinityTerm, of: typeof other): boolean =>
    term.namespaceSelector !== undefined || termMatches(term, of, anyNamespace);
  if (event.action !== 'Delete' && required.some((term) => speaksOf(term, other))) return 'Queue';
  if (event.action === 'Add') return 'Skip';
  const gone = (event.previous ?? other) as typeof other;
  if (requiredAnti.some((term) => speaksOf(term, gone))) return 'Queue';
  return (affinityTermsOf(gone)?.requiredAnti ?? []).some((term) => speaksOf(term, pod.pod)) ? 'Queue' : 'Skip';
}
