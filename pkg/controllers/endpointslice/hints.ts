/**
 * Which zone and node an endpoint is best used from, as the `trafficDistribution` of its Service asks. Pure; which of the endpoints a client
 * gets is for the proxies to say. Upstream counterpart: `staging/src/k8s.io/endpointslice/trafficdist`.
 */
import type { Service } from '#pkg/api/types/core-v1.ts';
import type { Endpoint, EndpointHints } from '#pkg/api/types/discovery-v1.ts';

/** Zones in proportion to their processors are asked for by one of these, which then goes before `trafficDistribution`. */
const topologyAnnotations = ['service.kubernetes.io/topology-mode', 'service.kubernetes.io/topology-aware-hints'];

/** Whether the Service asks for zones in proportion to their processors. */
export function isByProcessors({ metadata }: Service): boolean {
  return topologyAnnotations.some((name) => /^[Aa]uto$/.test(metadata?.annotations?.[name] ?? ''));
}

/** The endpoint with its hints: only a ready one has them. By node, the zone is named too, for proxies to fall back to. Source: KEP-4444, KEP-3015. */
export function withHints(endpoint: Endpoint, service: Service): Endpoint {
  const { conditions, zone, nodeName } = endpoint;
  const { spec } = service;
  if (isByProcessors(service) || conditions?.ready !== true) return endpoint;
  const forZones = zone === undefined ? {} : { forZones: [{ name: zone }] };
  const forNodes = nodeName === undefined ? {} : { forNodes: [{ name: nodeName }] };
  const hints = hintsBy(spec?.trafficDistribution, { forZones, forNodes });
  return Object.keys(hints).length === 0 ? endpoint : { ...endpoint, hints };
}

function hintsBy(
  wish: string | undefined,
  { forZones, forNodes }: { readonly forZones: EndpointHints; readonly forNodes: EndpointHints },
): EndpointHints {
  if (wish === 'PreferClose' || wish === 'PreferSameZone') return forZones;
  return wish === 'PreferSameNode' ? { ...forZones, ...forNodes } : {};
}
