/**
 * Whether this node takes a pod that was bound to it: its labels, and room for what the pod asks. Schedulers check the
 * same, but a kubelet may be told otherwise. Source: kubelet `lifecycle/predicate.go`.
 */
import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '#pkg/api/types/core-v1.ts';
import { quantityValue } from '../resources/amounts.ts';

export interface Rejection {
  readonly reason: string;
  readonly message: string;
}

export interface AdmissionInput {
  readonly pod: Pod;
  readonly requests: ReadonlyMap<string, number>;
  /** Of the pods that are already here and not over. */
  readonly used: ReadonlyMap<string, number>;
  readonly podCount: number;
  readonly node: Pick<Node, 'metadata'>;
  readonly allocatable: Readonly<Record<string, string>>;
}

/** Why the pod is refused, or undefined. */
export function admitPod(input: AdmissionInput): Rejection | undefined {
  const { pod, node } = input;
  if (!matchesNode(pod, node)) {
    const message =
      "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector";
    return { reason: 'NodeAffinity', message };
  }
  const podsMax = quantityValue(input.allocatable.pods);
  if (podsMax > 0 && input.podCount + 1 > podsMax) return outOf('pods', 1, input.podCount, podsMax);
  for (const [name, requested] of input.requests) {
    if (requested === 0) continue;
    const scale = name === 'cpu' ? 1000 : 1;
    const used = input.used.get(name) ?? 0;
    const capacity = quantityValue(input.allocatable[name]);
    // Sums of fractions: what differs by less than a thousandth fits.
    if (requested + used <= capacity + 0.0005) continue;
    return outOf(name, Math.round(requested * scale), Math.round(used * scale), Math.round(capacity * scale));
  }
  return undefined;
}

function outOf(name: string, requested: number, used: number, capacity: number): Rejection {
  const what = `${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;
  return {
    reason: `OutOf${name}`,
    message: `Pod was rejected: Node didn't have enough resource: ${what}`,
  };
}

function matchesNode(pod: Pod, node: Pick<Node, 'metadata'>): boolean {
  const labels: Readonly<Record<string, string>> = node.metadata?.labels ?? {};
  for (const [key, value] of Object.entries(pod.spec?.nodeSelector ?? {})) {
    if (labels[key] !== value) return false;
  }
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required === undefined) return true;
  return required.nodeSelectorTerms.some((term) => matchesTerm(term, labels, node.metadata?.name ?? ''));
}

function matchesTerm(term: NodeSelectorTerm, labels: Readonly<Record<string, string>>, name: string): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  return (
    matchExpressions.every((requirement) => matches(requirement, labels[requirement.key])) &&
    matchFields.every((requirement) => requirement.key === 'metadata.name' && matches(requirement, name))
  );
}

function matches(requirement: NodeSelectorRequirement, value: string | undefined): boolean {
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}
