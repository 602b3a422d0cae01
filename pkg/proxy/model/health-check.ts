/**
 * What an external load balancer may ask a node about a Service with the external traffic policy Local: whether it has endpoints there. Pure.
 * Source: API reference, `ServiceSpec.healthCheckNodePort`; kube-proxy `serviceport.go`, `endpointschangetracker.go`.
 */
import type { Service } from '#pkg/api/types/core-v1.ts';
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import type { ProxyPlace } from './rule.ts';

/** What a load balancer is answered about one Service. */
export interface HealthCheck {
  readonly namespace: string;
  readonly serviceName: string;
  readonly serviceUid: string;
  readonly port: number;
  /** Ready endpoints on the node, by address. */
  readonly localEndpoints: number;
}

/** The health check of a Service, or undefined when it has none. All endpoints are local where no node is named. */
export function healthCheckOf(
  service: Service,
  slices: readonly EndpointSlice[],
  options: ProxyPlace,
): HealthCheck | undefined {
  const { type, externalTrafficPolicy, healthCheckNodePort: port = 0 } = service.spec ?? {};
  if (type !== 'LoadBalancer' || externalTrafficPolicy !== 'Local' || port === 0) return undefined;
  const local = new Set<string>();
  for (const { conditions, nodeName, addresses } of slices.flatMap(({ endpoints }) => endpoints ?? [])) {
    if (conditions?.ready === false) continue;
    if (options.nodeName === undefined || nodeName === options.nodeName) local.add(addresses[0] ?? '');
  }
  const { namespace = '', name = '', uid = '' } = service.metadata ?? {};
  return { namespace, serviceName: name, serviceUid: uid, port, localEndpoints: local.size };
}
