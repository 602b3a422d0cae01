/** On which nodes a daemon set has pods, and what such a pod looks like. Pure. Upstream counterpart: `pkg/controller/daemon/util`, `NodeShouldRunDaemonPod`. */
import { matchesRequiredNodeAffinity } from '#pkg/api/scheduling/node-selector.ts';
import { untoleratedTaint } from '#pkg/api/scheduling/tolerations.ts';
import type { DaemonSet } from '#pkg/api/types/apps-v1.ts';
import type { Node, Pod, PodSpec, PodTemplateSpec, Toleration } from '#pkg/api/types/core-v1.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { revisionLabel } from '../common/revisions.ts';

const nameField = 'metadata.name';
const generationLabel = 'pod-template-generation';
const generationAnnotation = 'deprecated.daemonset.template.generation';

const evenWhen = (condition: string, effect: 'NoExecute' | 'NoSchedule'): Toleration => ({
  key: `node.kubernetes.io/${condition}`,
  operator: 'Exists',
  effect,
});

/** Daemons serve their node, so they stay on one that is in trouble. */
const nodeTroubles: readonly Toleration[] = [
  evenWhen('not-ready', 'NoExecute'),
  evenWhen('unreachable', 'NoExecute'),
  evenWhen('disk-pressure', 'NoSchedule'),
  evenWhen('memory-pressure', 'NoSchedule'),
  evenWhen('pid-pressure', 'NoSchedule'),
  evenWhen('unschedulable', 'NoSchedule'),
];
const networkTrouble = evenWhen('network-unavailable', 'NoSchedule');

function tolerationsOf(spec: PodSpec | undefined): readonly Toleration[] {
  const result: Toleration[] = [...(spec?.tolerations ?? [])];
  for (const wanted of spec?.hostNetwork === true ? [...nodeTroubles, networkTrouble] : nodeTroubles) {
    const index = result.findIndex(
      ({ key, operator, effect }) => key === wanted.key && operator === wanted.operator && effect === wanted.effect,
    );
    if (index < 0) result.push(wanted);
    else if (!deepEqual(result[index], wanted)) result[index] = wanted;
  }
  return result;
}

/** What holds for pods of one set on one node. */
export interface Placement {
  /** A pod is to be there. */
  readonly runs: boolean;
  /** A pod that is there may stay. */
  readonly stays: boolean;
}

/** What holds for one daemon set on any node: made once for all nodes. */
export function placer({ spec }: DaemonSet): (node: Node) => Placement {
  const podSpec = spec?.template.spec;
  const tolerations = tolerationsOf(podSpec);
  const pod: Pod = { spec: podSpec ?? { containers: [] } };
  return ({ metadata, spec: nodeSpec }) => {
    const { name = '', labels = {} } = metadata ?? {};
    const isOther = Boolean(podSpec?.nodeName) && podSpec?.nodeName !== name;
    if (isOther || !matchesRequiredNodeAffinity(pod, { name, labels })) return { runs: false, stays: false };
    const taints = nodeSpec?.taints ?? [];
    if (untoleratedTaint(taints, tolerations) === undefined) return { runs: true, stays: true };
    const evicting = taints.filter(({ effect }) => effect === 'NoExecute');
    return { runs: false, stays: untoleratedTaint(evicting, tolerations) === undefined };
  };
}

function generationOf({ metadata }: DaemonSet): string | undefined {
  const text = metadata?.annotations?.[generationAnnotation];
  return text !== undefined && /^-?\d+$/.test(text) ? String(Number(text)) : undefined;
}

/** Whether a pod was made from the current template. */
export function isPodUpdated(pod: Pod, set: DaemonSet, hash: string): boolean {
  const { labels = {} } = pod.metadata ?? {};
  const generation = generationOf(set);
  if (generation !== undefined && labels[generationLabel] === generation) return true;
  return labels[revisionLabel] === hash;
}

/** Makes the templates of the pods of a revision, one for each node. */
export function templatesFor(set: DaemonSet, hash: string): (node: string) => PodTemplateSpec {
  const template: PodTemplateSpec = set.spec?.template ?? {};
  const generation = generationOf(set);
  const labels = {
    ...template.metadata?.labels,
    ...(generation === undefined ? {} : { [generationLabel]: generation }),
    [revisionLabel]: hash,
  };
  const tolerations = tolerationsOf(template.spec);
  const { affinity } = template.spec ?? {};
  return (node) => {
    const matchFields = [{ key: nameField, operator: 'In', values: [node] }];
    const required = {
      ...affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution,
      nodeSelectorTerms: [{ matchFields }],
    };
    const nodeAffinity = { ...affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: required };
    const spec: PodSpec = { containers: [], ...template.spec, tolerations, affinity: { ...affinity, nodeAffinity } };
    return { metadata: { ...template.metadata, labels }, spec };
  };
}

/** The node that a pod is on, or waits for. */
export function targetNode({ spec }: Pod): string | undefined {
  if (spec?.nodeName) return spec.nodeName;
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  for (const { matchFields = [] } of required?.nodeSelectorTerms ?? []) {
    for (const { key, operator, values = [] } of matchFields) {
      if (key === nameField && operator === 'In') return values.length === 1 ? values[0] : undefined;
    }
  }
  return undefined;
}
