/**
 * Whether this node takes a pod that was bound to it: room for what it asks, its node selection, host ports, taints that end pods. Schedulers
 * check the same, but a kubelet may be told otherwise. Of several reasons the first is given. Source: kubelet `lifecycle/predicate.go`,
 * scheduler `AdmissionCheck`.
 */
import { matchesRequiredNodeAffinity } from '#pkg/api/scheduling/node-selector.ts';
import { untoleratedTaint } from '#pkg/api/scheduling/tolerations.ts';
import type { ContainerPort, Node, Pod } from '#pkg/api/types/core-v1.ts';
import { quantityValue } from '../model/amounts.ts';
import { wantedHostPorts } from '../model/pod-view.ts';
import type { PodFailure } from '../status/pod-status-input.ts';

/** The pod, and what is on the node already. */
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

/** A pod that is on the node, and what it asks for in base units by resource. */
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
  const selectable = { name: node.metadata?.name ?? '', labels: node.metadata?.labels ?? {} };
  if (!matchesRequiredNodeAffinity(pod, selectable))
    return failed('NodeAffinity', "node(s) didn't match Pod's node affinity/selector");
  if (!portsAreFree(input)) return failed('NodePorts', "node(s) didn't have free ports for the requested pod ports");
  const ends = (node.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
  if (untoleratedTaint(ends, pod.spec?.tolerations ?? []) !== undefined) {
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
