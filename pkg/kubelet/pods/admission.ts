/**
 * Whether this node takes a pod that was bound to it: room for what it asks, its node selection, host ports, taints that end pods. Schedulers
 * check the same, but a kubelet may be told otherwise. Of several reasons the first is given. Source: kubelet `lifecycle/predicate.go`,
 * scheduler `AdmissionCheck`.
 */
import type {
  ContainerPort,
  Node,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  Pod,
  Taint,
  Toleration,
} from '#pkg/api/types/core-v1.ts';
import { quantityValue } from '../resources/amounts.ts';
import type { PodFailure } from '../status/pod-status.ts';
import { wantedHostPorts } from './pod-view.ts';

export interface AdmissionInput {
  readonly pod: Pod;
  readonly requests: ReadonlyMap<string, number>;
  /** The pods that are already here and not over, and what they ask for. */
  readonly others: readonly AdmittedPod[];
  readonly node: Pick<Node, 'metadata' | 'spec'>;
  readonly allocatable: Readonly<Record<string, string>>;
  /** Such as `linux`. */
  readonly operatingSystem: string;
}

export interface AdmittedPod {
  readonly pod: Pod;
  readonly requests: ReadonlyMap<string, number>;
}

/** Why the pod is refused, or undefined. */
export function admitPod(input: AdmissionInput): PodFailure | undefined {
  const { pod, node } = input;
  const os = pod.spec?.os?.name;
  if (os !== undefined && os !== input.operatingSystem) {
    return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" };
  }
  const shortage = findShortage(input);
  if (shortage !== undefined) return shortage;
  if (!matchesNode(pod, node)) return failed('NodeAffinity', "node(s) didn't match Pod's node affinity/selector");
  if (!portsAreFree(input)) return failed('NodePorts', "node(s) didn't have free ports for the requested pod ports");
  const tolerations = pod.spec?.tolerations ?? [];
  const ends = (node.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
  if (!ends.every((taint) => tolerations.some((toleration) => tolerates(toleration, taint)))) {
    return failed('TaintToleration', "node(s) had taints that the pod didn't tolerate");
  }
  return undefined;
}

function failed(predicate: string, why: string): PodFailure {
  return { reason: predicate, message: `Predicate ${predicate} failed: ${why}` };
}

function findShortage({ requests, others, allocatable }: AdmissionInput): PodFailure | undefined {
  const podsMax = quantityValue(allocatable.pods);
  if (podsMax > 0 && others.length + 1 > podsMax) return outOf('pods', 1, others.length, podsMax);
  for (const [name, requested] of requests) {
    // What the node does not know of is a resource of the cluster: not for the node to count.
    if (requested === 0 || (name.includes('/') && allocatable[name] === undefined)) continue;
    const scale = name === 'cpu' ? 1000 : 1;
    const used = others.reduce((sum, other) => sum + (other.requests.get(name) ?? 0), 0);
    const capacity = quantityValue(allocatable[name]);
    // Sums of fractions: what differs by less than a thousandth fits.
    if (requested + used <= capacity + 0.0005) continue;
    return outOf(name, Math.round(requested * scale), Math.round(used * scale), Math.round(capacity * scale));
  }
  return undefined;
}

function outOf(name: string, requested: number, used: number, capacity: number): PodFailure {
  const what = `${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;
  return { reason: `OutOf${name}`, message: `Node didn't have enough resource: ${what}` };
}

function portsAreFree({ pod, others }: AdmissionInput): boolean {
  const taken = others.flatMap((other) => wantedHostPorts(other.pod));
  return !wantedHostPorts(pod).some((port) => taken.some((other) => collide(port, other)));
}

function collide(a: ContainerPort, b: ContainerPort): boolean {
  if (a.hostPort !== b.hostPort || (a.protocol ?? 'TCP') !== (b.protocol ?? 'TCP')) return false;
  const [first, second] = [a.hostIP || '0.0.0.0', b.hostIP || '0.0.0.0'];
  return first === second || first === '0.0.0.0' || second === '0.0.0.0';
}

/** Source: API reference, `Toleration`. */
function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (toleration.operator === 'Exists') return true;
  return Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '');
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
