/** What network policies look at of a pod. Pure. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';

/** A pod with addresses of its own. */
export interface PolicyPod {
  readonly key: string;
  readonly namespace: string;
  readonly nodeName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ips: readonly string[];
  /** Ports of its containers that have names. */
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[];
}

/** Undefined for one that has no address of its own, or none any more. */
export function policyPodOf(pod: Pod): PolicyPod | undefined {
  const { spec, status, metadata } = pod;
  if (spec?.hostNetwork === true || status?.phase === 'Succeeded' || status?.phase === 'Failed') return undefined;
  const listed = (status?.podIPs ?? []).flatMap(({ ip }) => ip ?? []);
  const ips = listed.length > 0 || !status?.podIP ? listed : [status.podIP];
  if (ips.length === 0) return undefined;
  // Sidecars' ports count as those of the other containers do.
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const ports = containers.flatMap((container) =>
    (container.ports ?? []).flatMap(({ name, protocol = 'TCP', containerPort }) =>
      name === undefined || name === '' ? [] : [{ name, protocol, port: containerPort }],
    ),
  );
  const { namespace = '', labels = {} } = metadata ?? {};
  return { key: objectKey(pod), namespace, nodeName: spec?.nodeName ?? '', labels, ips, ports };
}
