/** One version of a pod with what the scheduler reads from it again and again, computed once. Never changed after it is made. */

import type { Pod } from '#pkg/api/types/core-v1.ts';
import { controllerOf, objectKey } from '#pkg/apimachinery/object.ts';
import { type AffinityTerms, affinityTermsOf } from './affinity-terms.ts';
import { nonZeroRequests, podRequests, type Resources } from './resources.ts';

/** A port that a pod takes on its node. */
export interface HostPort {
  /** `0.0.0.0` for all addresses. */
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/** One version of a pod. */
export interface PodInfo {
  readonly pod: Pod;
  /** `namespace/name`. */
  readonly key: string;
  readonly uid: string;
  readonly namespace: string;
  readonly priority: number;
  readonly requests: Readonly<Resources>;
  readonly nonZero: { readonly milliCpu: number; readonly memory: number };
  readonly hostPorts: readonly HostPort[];
  /** The uid of the controller that made the pod, of which it is one replica; absent for a pod of its own. */
  readonly workload: string | undefined;
  /** Whether the pod is on its node for the node's sake, such as that of a DaemonSet: it would not be there otherwise. */
  readonly isOfNode: boolean;
  /** The pod's terms on other pods; absent when it has none. */
  readonly affinity: AffinityTerms | undefined;
}

/** What was read, as long as the version of the pod is in use: an update shows each version twice, as the new and as the previous one. */
const known = new WeakMap<Pod, PodInfo>();

/** Reads a pod; the same version gives the same answer. */
export function podInfoOf(pod: Pod): PodInfo {
  let info = known.get(pod);
  if (info === undefined) {
    info = read(pod);
    known.set(pod, info);
  }
  return info;
}

/** What the scheduler knows a pod by. */
export function podUid(pod: Pod): string {
  return pod.metadata?.uid ?? objectKey(pod);
}

function read(pod: Pod): PodInfo {
  const owner = controllerOf(pod);
  const isOfNode = owner?.kind === 'DaemonSet' || owner?.kind === 'Node';
  return {
    pod,
    key: objectKey(pod),
    uid: podUid(pod),
    namespace: pod.metadata?.namespace ?? '',
    priority: pod.spec?.priority ?? 0,
    requests: podRequests(pod),
    nonZero: nonZeroRequests(pod),
    hostPorts: hostPortsOf(pod),
    workload: isOfNode ? undefined : owner?.uid,
    isOfNode,
    affinity: affinityTermsOf(pod),
  };
}

/** Ports of containers and of sidecars; other init containers have ended before the pod serves. */
function hostPortsOf(pod: Pod): readonly HostPort[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
  const ports: HostPort[] = [];
  for (const container of [...(pod.spec?.containers ?? []), ...sidecars]) {
    for (const port of container.ports ?? []) {
      if (port.hostPort === undefined || port.hostPort <= 0) continue;
      ports.push({ ip: port.hostIP || '0.0.0.0', protocol: port.protocol ?? 'TCP', port: port.hostPort });
    }
  }
  return ports;
}
