/** Which pods stand behind which Services, for both endpoint controllers. Upstream counterpart: `endpointslice/util`. */

import { isPodReady, isPodTerminal } from '#pkg/api/core/pod.ts';
import type { Pod, Service, ServicePort } from '#pkg/api/types/core-v1.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { selectorFromSet } from '#pkg/apimachinery/label-selector.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import type { Informer } from '#pkg/client/informer.ts';

const headlessLabel = 'service.kubernetes.io/headless';

/** Whether a controller keeps endpoints for it: with no selector they are its user's affair. */
export function hasSelector(service: Service): boolean {
  return service.spec?.selector !== undefined && Object.keys(service.spec.selector).length > 0;
}

/** Whether the Service has no address of its own. */
export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None';
}

/** Labels that its endpoints take over from a Service, with the one that says whether it is headless. */
export function inheritedLabels(service: Service): Readonly<Record<string, string>> {
  const { [headlessLabel]: _, ...labels } = service.metadata?.labels ?? {};
  return isHeadless(service) ? { ...labels, [headlessLabel]: '' } : labels;
}

/** `IPv4`, `IPv6` or both, the first one first. */
export function addressFamilies(service: Service): readonly string[] {
  const families = service.spec?.ipFamilies ?? [];
  if (families.length > 0) return families;
  return [service.spec?.clusterIP?.includes(':') ? 'IPv6' : 'IPv4'];
}

/** The address of a pod in a family, if it has one. */
export function podAddress(pod: Pod, family: string): string | undefined {
  const ips = (pod.status?.podIPs ?? []).map(({ ip }) => ip);
  const all = ips.length > 0 ? ips : [pod.status?.podIP ?? ''];
  return all.find((ip) => ip !== '' && ip.includes(':') === (family === 'IPv6'));
}

/** Pods in the service's namespace that its selector selects, in the order of their names. */
export function selectedPods(service: Service, pods: Informer<Pod>): readonly Pod[] {
  const selector = selectorFromSet(service.spec?.selector);
  const found = pods.lister
    .list(service.metadata?.namespace ?? '')
    .filter((pod) => selector.matches(pod.metadata?.labels));
  return found.sort((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
}

/** Keys of the Services that select a pod in any of these states of it. */
export function servicesOf(services: Informer<Service>, states: readonly Pod[]): readonly string[] {
  return services.lister.list(states[0]?.metadata?.namespace ?? '').flatMap((service) => {
    if (!hasSelector(service)) return [];
    const selector = selectorFromSet(service.spec?.selector);
    return states.some((pod) => selector.matches(pod.metadata?.labels)) ? [objectKey(service)] : [];
  });
}

/** Calls `enqueue` with the key of every Service that a change of a pod may concern. */
export function watchServicePods(
  informers: { readonly services: Informer<Service>; readonly pods: Informer<Pod> },
  enqueue: (serviceKey: string) => void,
): void {
  const { services, pods } = informers;
  const concern = (...states: readonly Pod[]): void => {
    for (const key of servicesOf(services, states)) enqueue(key);
  };
  services.addHandler({
    added: (service) => enqueue(objectKey(service)),
    updated: (_, service) => enqueue(objectKey(service)),
    deleted: (service) => enqueue(objectKey(service)),
  });
  pods.addHandler({
    added: (pod) => concern(pod),
    updated: (previous, pod) => {
      if (matters(previous, pod)) concern(previous, pod);
    },
    deleted: (pod) => concern(pod),
  });
}

/** Whether endpoints could look different: most updates of a pod's status do not touch them. */
function matters(previous: Pod, pod: Pod): boolean {
  return (
    previous.status?.podIP !== pod.status?.podIP ||
    previous.status?.phase !== pod.status?.phase ||
    previous.spec?.nodeName !== pod.spec?.nodeName ||
    previous.spec?.hostname !== pod.spec?.hostname ||
    previous.metadata?.deletionTimestamp !== pod.metadata?.deletionTimestamp ||
    isPodReady(previous) !== isPodReady(pod) ||
    !deepEqual(previous.metadata?.labels, pod.metadata?.labels) ||
    !deepEqual(previous.status?.podIPs, pod.status?.podIPs)
  );
}

/** Whether a pod can be an endpoint at all. */
export function canBeEndpoint(pod: Pod, options: { readonly includeTerminating: boolean }): boolean {
  if (isPodTerminal(pod) || !pod.status?.podIP) return false;
  return options.includeTerminating || pod.metadata?.deletionTimestamp === undefined;
}

/** The number a service port means on one pod; undefined when the pod has no port of that name. */
export function targetPort(pod: Pod, port: ServicePort): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') return target === 0 ? port.port : target;
  const sidecars = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
  for (const container of [...(pod.spec?.containers ?? []), ...sidecars]) {
    for (const candidate of container.ports ?? []) {
      if (candidate.name === target && (candidate.protocol ?? 'TCP') === (port.protocol ?? 'TCP'))
        return candidate.containerPort;
    }
  }
  return undefined;
}

/** The host name a pod has under a headless service, if it asks for one. */
export function endpointHostname(pod: Pod, service: Service): string | undefined {
  const { hostname, subdomain } = pod.spec ?? {};
  const isOurs = subdomain === service.metadata?.name && pod.metadata?.namespace === service.metadata?.namespace;
  return hostname && isOurs ? hostname : undefined;
}
