/**
 * Which endpoints serve one port of a Service, from its endpoint slices.
 * Source: KEP-1669 (terminating endpoints), KEP-2086 (internal traffic policy), KEP-2433 (zones), KEP-3015 (same node); kube-proxy `topology.go`.
 */
import type { ServicePort } from '#pkg/api/types/core-v1.ts';
import type { Endpoint, EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import type { ProxyPlace, RuleEndpoint } from './rule.ts';

/** Every endpoint of the slices for this port, once per address, in a fixed order. */
export function endpointsOfPort(slices: readonly EndpointSlice[], port: ServicePort): readonly RuleEndpoint[] {
  const found = new Map<string, RuleEndpoint>();
  for (const slice of slices) {
    const match = (slice.ports ?? []).find(
      ({ name, protocol }) => (name ?? '') === (port.name ?? '') && (protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    );
    if (match?.port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const ip = endpoint.addresses[0];
      if (ip === undefined) continue;
      const key = `${ip}:${match.port}`;
      const now = ruleEndpoint(endpoint, ip, match.port);
      const known = found.get(key);
      // While an address moves from one slice to another it may be in both; the ready one is the newer truth.
      if (known === undefined || (!known.ready && now.ready)) found.set(key, now);
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}

/** Those that traffic goes to under a policy (all are local where no node is named): ready ones; where none is ready, those that still serve while they end. */
export function usableEndpoints(
  all: readonly RuleEndpoint[],
  policy: 'Cluster' | 'Local',
  place: ProxyPlace,
): readonly RuleEndpoint[] {
  const { nodeName } = place;
  const isLocalOnly = policy === 'Local' && nodeName !== undefined;
  const candidates = isLocalOnly ? all.filter((endpoint) => endpoint.nodeName === nodeName) : all;
  const ready = candidates.filter((endpoint) => endpoint.ready);
  if (ready.length > 0) return policy === 'Local' ? ready : preferredOf(ready, place);
  return candidates.filter((endpoint) => endpoint.serving && endpoint.terminating);
}

/** Those meant for this node, else for its zone: where every one says for which it is meant, and some are meant for this one. Else all. */
function preferredOf(ready: readonly RuleEndpoint[], { nodeName, zone }: ProxyPlace): readonly RuleEndpoint[] {
  if (nodeName === undefined) return ready;
  return (
    meantFor(ready, nodeName, ({ forNodes }) => forNodes) ?? meantFor(ready, zone, ({ forZones }) => forZones) ?? ready
  );
}

function meantFor(
  ready: readonly RuleEndpoint[],
  place: string | undefined,
  hintsOf: (endpoint: RuleEndpoint) => readonly string[] | undefined,
): readonly RuleEndpoint[] | undefined {
  if (place === undefined || !ready.every((endpoint) => hintsOf(endpoint) !== undefined)) return undefined;
  const found = ready.filter((endpoint) => hintsOf(endpoint)?.includes(place));
  return found.length > 0 ? found : undefined;
}

/** Conditions that are not known: ready counts as true, serving as ready. Source: API reference, `EndpointConditions`. */
function ruleEndpoint({ conditions, nodeName, hints }: Endpoint, ip: string, port: number): RuleEndpoint {
  const ready = conditions?.ready ?? true;
  return {
    ip,
    port,
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(hints?.forNodes?.length ? { forNodes: hints.forNodes.map(({ name }) => name) } : {}),
    ...(hints?.forZones?.length ? { forZones: hints.forZones.map(({ name }) => name) } : {}),
    ready,
    serving: conditions?.serving ?? ready,
    terminating: conditions?.terminating ?? false,
  };
}
