/** From one Service and its endpoint slices to the rules of its ports. Pure. Source: kube-proxy `serviceport.go`, `servicechangetracker.go`. */
import type { Service, ServicePort } from '#pkg/api/types/core-v1.ts';
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { endpointsOfPort, usableEndpoints } from './endpoints.ts';
import type { ProxyPlace, Rule, RuleEndpoint, RuleProtocol } from './rule.ts';

/** How long a client stays with its endpoint where the Service does not say. Source: API reference, `ClientIPConfig`. */
const affinitySecondsDefault = 10_800;

/** Set on a Service that another proxy takes care of. */
const foreignProxyLabel = 'service.kubernetes.io/service-proxy-name';
/** Names the Service of an endpoint slice. */
export const serviceNameLabel = 'kubernetes.io/service-name';

/** Whether this proxy has anything to do for a Service: not for headless ones, names of elsewhere, and those of other proxies. */
function isProxied(service: Service): boolean {
  const { type, clusterIP } = service.spec ?? {};
  if (service.metadata?.labels?.[foreignProxyLabel] !== undefined) return false;
  return type !== 'ExternalName' && Boolean(clusterIP) && clusterIP !== 'None';
}

/** The rules of a Service, one for each of its ports; none for a Service that is not proxied. */
export function rulesOfService(service: Service, slices: readonly EndpointSlice[], place: ProxyPlace): readonly Rule[] {
  if (!isProxied(service)) return [];
  const usable = slices.filter((slice) => slice.addressType !== 'FQDN');
  return (service.spec?.ports ?? []).map((port) => {
    const endpoints = endpointsOfPort(usable, port);
    return ruleOf(service, port, { endpoints, place });
  });
}

function ruleOf(
  service: Service,
  port: ServicePort,
  { endpoints, place }: { readonly endpoints: readonly RuleEndpoint[]; readonly place: ProxyPlace },
): Rule {
  const { namespace = '', name = '', uid = '' } = service.metadata ?? {};
  const { spec, status } = service;
  const clusterIPs = spec?.clusterIPs?.length ? spec.clusterIPs : [spec?.clusterIP ?? ''];
  const internalTrafficPolicy = spec?.internalTrafficPolicy === 'Local' ? 'Local' : 'Cluster';
  const externalTrafficPolicy = spec?.externalTrafficPolicy === 'Local' ? 'Local' : 'Cluster';
  const protocol = (port.protocol ?? 'TCP') as RuleProtocol;
  const timeoutSeconds = spec?.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? affinitySecondsDefault;
  const ingress = status?.loadBalancer?.ingress ?? [];
  return {
    key: `${namespace}/${name}:${port.name ?? ''}:${port.port}/${protocol}`,
    namespace,
    serviceName: name,
    serviceUid: uid,
    portName: port.name ?? '',
    protocol,
    clusterIPs,
    port: port.port,
    ...(port.nodePort ? { nodePort: port.nodePort } : {}),
    externalIPs: spec?.externalIPs ?? [],
    loadBalancerIPs: ingress.flatMap(({ ip, ipMode }) => (ip && ipMode !== 'Proxy' ? [ip] : [])),
    loadBalancerSourceRanges: (spec?.loadBalancerSourceRanges ?? []).map((range) => range.trim()),
    ...(spec?.sessionAffinity === 'ClientIP' ? { sessionAffinity: { timeoutSeconds } } : {}),
    internalTrafficPolicy,
    externalTrafficPolicy,
    internalEndpoints: usableEndpoints(endpoints, internalTrafficPolicy, place),
    externalEndpoints: usableEndpoints(endpoints, externalTrafficPolicy, place),
    ...(externalTrafficPolicy === 'Local' && place.nodeName !== undefined
      ? { clusterEndpoints: usableEndpoints(endpoints, 'Cluster', place) }
      : {}),
  };
}
