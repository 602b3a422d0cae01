/**
 * Places pods with or away from other pods, by topology. What a node answers depends on pods anywhere, so nothing is kept between pods; a
 * pod without terms costs only a look at the nodes that carry pods with terms. Upstream counterpart: `plugins/interpodaffinity`.
 */

import { invalid, pathsOf } from '#pkg/apimachinery/field-error.ts';
import type { Cycle } from '../../framework/cycle.ts';
import { type ClusterEvent, podOf } from '../../framework/events.ts';
import {
  type FilterPlugin,
  type NodeCheck,
  type NodeScore,
  type NormalizeScorePlugin,
  type ScorePlugin,
  type SlotCheck,
  type SlotScore,
  scoreMax,
} from '../../framework/plugin.ts';
import { configurable } from '../../framework/plugin-args.ts';
import { allOf, sumOf } from '../../framework/slots.ts';
import { success, unresolvable, unschedulable } from '../../framework/status.ts';
import { type AffinityTerm, affinityTermsOf, termMatches } from '../../model/affinity-terms.ts';
import type { ClusterView } from '../../model/cluster-view.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import type { Room } from '../../model/room.ts';
import { labelOf, type TopologyAmounts, type TopologyCounts } from '../../model/topology-counts.ts';

/** Arguments of the plugin. Source: `InterPodAffinityArgs`. */
export interface InterPodAffinityArgs {
  /** What a pod's required affinity is worth, as a preference, to the pods it speaks of: 0 to 100. */
  readonly hardPodAffinityWeight: number;
  /** Whether what other pods prefer counts only for pods that prefer something themselves. */
  readonly ignorePreferredTermsOfExistingPods: boolean;
}

const affinityRefusal = unresolvable("node(s) didn't match pod affinity rules");
const antiAffinityRefusal = unschedulable("node(s) didn't match pod anti-affinity rules");
const existingRefusal = unschedulable("node(s) didn't satisfy existing pods anti-affinity rules");

/** The line of the table. */
export const interPodAffinity = configurable<InterPodAffinityArgs>({
  name: 'InterPodAffinity',
  weight: 2,
  properties: {
    hardPodAffinityWeight: { type: 'integer' },
    ignorePreferredTermsOfExistingPods: { type: 'boolean' },
  },
  fallback: () => ({ hardPodAffinityWeight: 1, ignorePreferredTermsOfExistingPods: false }),
  problems: ({ hardPodAffinityWeight: weight }) =>
    weight >= 0 && weight <= 100
      ? []
      : [invalid(pathsOf<InterPodAffinityArgs>()('hardPodAffinityWeight'), weight, 'not in valid range [0, 100]')],
  create: (_context, args) => createInterPodAffinity(args),
});

/** The plugin. */
export function createInterPodAffinity(args: InterPodAffinityArgs): FilterPlugin & NormalizeScorePlugin & ScorePlugin {
  return {
    name: 'InterPodAffinity',
    events: [
      { resource: 'AssignedPod', actions: ['Add', 'Delete', 'UpdateLabels'], hint: hintOfPod },
      { resource: 'TargetPod', actions: ['UpdateLabels'] },
      { resource: 'Node', actions: ['Add', 'UpdateLabels'] },
      { resource: 'Namespace', actions: ['Add', 'UpdateLabels'] },
    ],
    filter,
    filterByRoom,
    score: (cycle) => score(cycle, args),
    scoreByRoom: (cycle, room) => scoreByRoom(cycle, room, args),
    normalize(scores) {
      let lowest = Number.POSITIVE_INFINITY;
      let highest = Number.NEGATIVE_INFINITY;
      for (const value of scores) {
        lowest = Math.min(lowest, value);
        highest = Math.max(highest, value);
      }
      const range = highest - lowest;
      for (let index = 0; index < scores.length; index++) {
        scores[index] = range > 0 ? Math.trunc(scoreMax * ((scores[index]! - lowest) / range)) : 0;
      }
    },
  };
}

/** How many pods are in the domains of a topology that matter to a pod. */
interface Counted {
  readonly topologyKey: string;
  readonly counts: TopologyCounts;
}

/** All that a pod's place depends on: pods that must be near, and such as must not. */
interface Neighbours {
  readonly wanted: readonly Counted[];
  /** The first of a group that wants to be together has nobody to join yet: it needs the keys alone. */
  readonly isFirst: boolean;
  readonly unwanted: readonly Counted[];
  /** Pods that do not want this one near. */
  readonly existing: readonly Counted[];
}

function filter(cycle: Cycle): NodeCheck | undefined {
  const { required = [], requiredAnti = [] } = cycle.pod.affinity ?? {};
  const existing = existingAntiAffinity(cycle);
  if (required.length === 0 && requiredAnti.length === 0 && existing.length === 0) return undefined;
  let neighbours: Neighbours | undefined;
  return (node) => {
    // Counted once a node is asked about, as it may be asked by room instead.
    neighbours ??= neighboursOf(cycle, existing);
    const { wanted, isFirst, unwanted } = neighbours;
    for (const { topologyKey, counts } of wanted) {
      if (labelOf(node, topologyKey) === undefined) return affinityRefusal;
      if (!isFirst && counts.of(topologyKey, node) === 0) return affinityRefusal;
    }
    for (const { topologyKey, counts } of unwanted) if (counts.of(topologyKey, node) > 0) return antiAffinityRefusal;
    for (const { topologyKey, counts } of existing) if (counts.of(topologyKey, node) > 0) return existingRefusal;
    return success;
  };
}

function filterByRoom(cycle: Cycle, room: Room): SlotCheck {
  const { wanted, isFirst, unwanted, existing } = neighboursOf(cycle, existingAntiAffinity(cycle));
  const near = wanted.map(({ topologyKey, counts }): SlotCheck => {
    const [domains, sums] = [room.domainsOf(topologyKey), counts.sumsOf(topologyKey)];
    return (slot) => {
      const domain = domains[slot] ?? -1;
      return domain >= 0 && (isFirst || (sums[domain] ?? 0) !== 0);
    };
  });
  const away = [...unwanted, ...existing].map(({ topologyKey, counts }): SlotCheck => {
    const [domains, sums] = [room.domainsOf(topologyKey), counts.sumsOf(topologyKey)];
    return (slot) => {
      const domain = domains[slot] ?? -1;
      return domain < 0 || (sums[domain] ?? 0) <= 0;
    };
  });
  return allOf([...near, ...away]);
}

function neighboursOf({ pod, cluster }: Cycle, existing: readonly Counted[]): Neighbours {
  const { required = [], requiredAnti = [] } = pod.affinity ?? {};
  const ofAll = required.length === 0 ? undefined : countMatching(required, cluster);
  const isFirst = ofAll?.isEmpty !== false && required.every((term) => termMatches(term, pod.pod, cluster));
  const wanted = ofAll === undefined ? [] : required.map(({ topologyKey }) => ({ topologyKey, counts: ofAll }));
  const unwanted = requiredAnti.map((term) => ({
    topologyKey: term.topologyKey,
    counts: countMatching([term], cluster),
  }));
  return { wanted, isFirst, unwanted, existing };
}

/** How many pods are in each domain of the terms' topologies of which all of the terms speak; domains without any are not there. */
function countMatching(terms: readonly AffinityTerm[], cluster: ClusterView): TopologyCounts {
  const keys = [...new Set(terms.map(({ topologyKey }) => topologyKey))];
  return cluster.topologyCounts({
    signature: `InterPodAffinity of ${keys.join(' ')} ${terms.map(({ text }) => text).join(' ')}`,
    ofNode(node) {
      let count = 0;
      for (const { pod } of node.pods.values()) if (terms.every((term) => termMatches(term, pod, cluster))) count++;
      return count === 0 ? undefined : keys.map((key) => [key, count]);
    },
  });
}

/** Where pods are that do not want this one near. */
function existingAntiAffinity({ pod, cluster }: Cycle): readonly Counted[] {
  if (!cluster.hasPodAffinity) return [];
  const counts = cluster.topologyCounts({
    signature: `InterPodAffinity against ${pod.namespace} ${JSON.stringify(pod.pod.metadata?.labels)}`,
    ofNode({ podsWithAffinity }) {
      const amounts: [string, number][] = [];
      for (const { affinity } of podsWithAffinity.values())
        for (const term of affinity?.requiredAnti ?? [])
          if (termMatches(term, pod.pod, cluster)) amounts.push([term.topologyKey, 1]);
      return amounts.length === 0 ? undefined : amounts;
    },
  });
  return Array.from(counts.keys(), (topologyKey) => ({ topologyKey, counts }));
}

function score(cycle: Cycle, args: InterPodAffinityArgs): NodeScore | undefined {
  const sums = preferencesOf(cycle, args);
  if (sums === undefined) return undefined;
  const keys = [...sums.keys()];
  return (node) => keys.reduce((sum, key) => sum + sums.of(key, node), 0);
}

function scoreByRoom(cycle: Cycle, room: Room, args: InterPodAffinityArgs): SlotScore | undefined {
  const sums = preferencesOf(cycle, args);
  if (sums === undefined) return undefined;
  const ofKeys = Array.from(sums.keys(), (key): SlotScore => {
    const [domains, ofDomains] = [room.domainsOf(key), sums.sumsOf(key)];
    return (slot) => {
      const domain = domains[slot] ?? -1;
      return domain < 0 ? 0 : (ofDomains[domain] ?? 0);
    };
  });
  return sumOf(ofKeys);
}

/** What the domains are worth to a pod, as a sum over the topology keys; undefined where it has no preference. */
function preferencesOf({ pod, cluster }: Cycle, args: InterPodAffinityArgs): TopologyCounts | undefined {
  const { preferred = [], preferredAnti = [] } = pod.affinity ?? {};
  const hasOwn = preferred.length > 0 || preferredAnti.length > 0;
  if (!hasOwn && (args.ignorePreferredTermsOfExistingPods || !cluster.hasPodAffinity)) return undefined;
  const sums = cluster.topologyCounts({
    signature: `InterPodAffinity for ${args.hardPodAffinityWeight} ${pod.namespace} ${JSON.stringify(pod.pod.metadata?.labels)} ${[...preferred, ...preferredAnti].map(({ text, topologyKey, weight }) => `${topologyKey} ${weight} ${text}`).join(' ')} ${preferred.length}`,
    ofNode: (node) => amountsOf(node, { pod, cluster, hardWeight: args.hardPodAffinityWeight }),
  });
  return sums.isEmpty ? undefined : sums;
}

interface Preferences {
  readonly pod: PodInfo;
  readonly cluster: ClusterView;
  /** Weight of what other pods require. */
  readonly hardWeight: number;
}

/** What a node's domains are worth to a pod for the pods on it: those that it prefers, and those that prefer it. */
function amountsOf(node: NodeInfo, { pod, cluster, hardWeight }: Preferences): TopologyAmounts | undefined {
  const { preferred = [], preferredAnti = [] } = pod.affinity ?? {};
  // One number for each key, however many pods are here.
  const amounts = new Map<string, number>();
  /** Adds the weights of the terms that speak of `of`; `sign` is -1 for terms that want it away. */
  const add = (terms: readonly AffinityTerm[], { of, sign }: { readonly of: PodInfo; readonly sign: 1 | -1 }): void => {
    for (const term of terms)
      if (termMatches(term, of.pod, cluster)) {
        const sum = amounts.get(term.topologyKey) ?? 0;
        amounts.set(term.topologyKey, sum + sign * (term.weight || hardWeight));
      }
  };
  if (preferred.length > 0 || preferredAnti.length > 0) {
    for (const of of node.pods.values()) {
      add(preferred, { of, sign: 1 });
      add(preferredAnti, { of, sign: -1 });
    }
  }
  for (const { affinity } of node.podsWithAffinity.values()) {
    if (hardWeight > 0) add(affinity?.required ?? [], { of: pod, sign: 1 });
    add(affinity?.preferred ?? [], { of: pod, sign: 1 });
    add(affinity?.preferredAnti ?? [], { of: pod, sign: -1 });
  }
  return amounts.size === 0 ? undefined : [...amounts];
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
