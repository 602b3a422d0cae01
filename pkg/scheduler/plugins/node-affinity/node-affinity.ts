/**
 * Holds pods to nodes that match their node selector and required node affinity, and prefers those that match preferred terms.
 * Upstream counterpart: `plugins/nodeaffinity`.
 */

import {
  matchesNodeSelector,
  matchesNodeSelectorTerm,
  matchesRequiredNodeAffinity,
  type SelectableNode,
} from '#pkg/api/scheduling/node-selector.ts';
import type { Node, NodeAffinity, Pod } from '#pkg/api/types/core-v1.ts';
import { hintOfPassing } from '../../framework/events.ts';
import { normalizeHighest } from '../../framework/normalize.ts';
import type { FilterPlugin, NormalizeScorePlugin, PreFilterPlugin, ScorePlugin } from '../../framework/plugin.ts';
import { configurable } from '../../framework/plugin-args.ts';
import { success, unresolvable } from '../../framework/status.ts';
import type { PodInfo } from '../../model/pod-info.ts';

const mismatch = "node(s) didn't match Pod's node affinity/selector";
const refusal = unresolvable(mismatch);
const addedRefusal = unresolvable("node(s) didn't match scheduler-enforced node affinity");
const conflict = 'pod affinity terms conflict';

/** Arguments of the plugin. Source: `NodeAffinityArgs`. */
export interface NodeAffinityArgs {
  /** Holds for every pod of the profile, beside what a pod says itself. */
  readonly addedAffinity?: NodeAffinity;
}

const requirement = {
  type: 'object',
  required: ['key', 'operator'],
  additionalProperties: false,
  properties: {
    key: { type: 'string', minLength: 1 },
    operator: { enum: ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'] },
    values: { type: 'array', items: { type: 'string' } },
  },
};
const requirements = { type: 'array', items: requirement };
const term = {
  type: 'object',
  additionalProperties: false,
  properties: { matchExpressions: requirements, matchFields: requirements },
};

/** The line of the table. */
export const nodeAffinity = configurable<NodeAffinityArgs>({
  name: 'NodeAffinity',
  weight: 2,
  properties: {
    addedAffinity: {
      type: 'object',
      additionalProperties: false,
      properties: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          type: 'object',
          required: ['nodeSelectorTerms'],
          additionalProperties: false,
          properties: { nodeSelectorTerms: { type: 'array', minItems: 1, items: term } },
        },
        preferredDuringSchedulingIgnoredDuringExecution: {
          type: 'array',
          items: {
            type: 'object',
            required: ['weight', 'preference'],
            additionalProperties: false,
            properties: { weight: { type: 'integer', minimum: 1, maximum: 100 }, preference: term },
          },
        },
      },
    },
  },
  fallback: () => ({}),
  create: (_context, args) => createNodeAffinity(args),
});

/** The plugin. */
export function createNodeAffinity({
  addedAffinity = {},
}: NodeAffinityArgs): FilterPlugin & NormalizeScorePlugin & PreFilterPlugin & ScorePlugin {
  const added = addedAffinity.requiredDuringSchedulingIgnoredDuringExecution;
  const addedTerms = addedAffinity.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const isAdmitted = (node: SelectableNode): boolean => added === undefined || matchesNodeSelector(added, node);
  return {
    name: 'NodeAffinity',
    events: [
      {
        resource: 'Node',
        actions: ['Add', 'UpdateLabels'],
        hint: (pod, event) => hintOfPassing(event, (node) => isAdmitted(asSelectable(node)) && matches(pod, node)),
      },
    ],
    preFilter({ pod: { pod } }) {
      const nodeNames = requiredNodeNames(pod);
      if (nodeNames === undefined) return { status: success };
      if (nodeNames.size === 0) return { status: unresolvable(conflict) };
      return { status: success, nodeNames };
    },
    filterMemo: { dependsOn: 'node', sign: requiredSignature },
    filter: ({ pod }) => {
      if (added === undefined && requiredSignature(pod) === '') return undefined;
      return (node) => {
        if (!isAdmitted(node)) return addedRefusal;
        return matchesRequiredNodeAffinity(pod.pod, node) ? success : refusal;
      };
    },
    scoreMemo: { dependsOn: 'node', sign: (pod) => JSON.stringify(preferredTerms(pod)) },
    score({ pod }) {
      const terms = [...addedTerms, ...preferredTerms(pod)].filter(({ weight }) => weight !== 0);
      if (terms.length === 0) return undefined;
      return (node) =>
        terms.reduce(
          (sum, { weight, preference }) => (matchesNodeSelectorTerm(preference, node) ? sum + weight : sum),
          0,
        );
    },
    normalize: (scores) => normalizeHighest(scores),
  };
}

function preferredTerms({ pod }: PodInfo) {
  return pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
}

/** `''` for a pod that takes any node. */
function requiredSignature({ pod }: PodInfo): string {
  const selector = pod.spec?.nodeSelector;
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (selector === undefined && required === undefined) return '';
  return JSON.stringify([selector, required]);
}

function matches({ pod }: PodInfo, node: Node): boolean {
  return matchesRequiredNodeAffinity(pod, asSelectable(node));
}

function asSelectable({ metadata }: Node): SelectableNode {
  return { name: metadata?.name ?? '', labels: metadata?.labels ?? {} };
}

/** The names of the only nodes that the required affinity admits, where it names nodes in every term; undefined otherwise. */
function requiredNodeNames(pod: Pod): ReadonlySet<string> | undefined {
  const terms = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (terms === undefined || terms.length === 0) return undefined;
  const names = new Set<string>();
  for (const term of terms) {
    let ofTerm: ReadonlySet<string> | undefined;
    for (const field of term.matchFields ?? []) {
      if (field.key !== 'metadata.name' || field.operator !== 'In') continue;
      const values = new Set(field.values ?? []);
      ofTerm = ofTerm === undefined ? values : ofTerm.intersection(values);
    }
    if (ofTerm === undefined) return undefined;
    for (const name of ofTerm) names.add(name);
  }
  return names;
}
