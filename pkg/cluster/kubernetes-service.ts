/**
 * Publishes where the API server is as the endpoints of the Service `kubernetes` in the namespace `default`, and keeps them and the Service's port
 * so, also over a start at another port. The Service itself is made with the server's first objects, and anew when it was deleted. Upstream counterpart: apiserver `controlplane/controller/kubernetesservice`.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Endpoints } from '#pkg/api/types/core-v1.ts';
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { endpointSlices, endpoints, services } from '#pkg/api/types/refs.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { repeat } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Component } from '#pkg/component/component.ts';

/** Where the API server is, and by which client that is written. */
export interface KubernetesServiceOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  /** Address and port at which the API server listens. */
  readonly address: string;
  readonly port: number;
  /** The first address of the Services' range. */
  readonly clusterIp: string;
}

/** Time between two looks. Source: upstream's endpoint reconcile interval. */
const periodMs = 10_000;
const namespace = 'default';
const name = 'kubernetes';

/** Makes the component: it looks every ten seconds and mends what differs. What is refused is logged and tried again. */
export function createKubernetesService(options: KubernetesServiceOptions): Component {
  const { client, clock, log } = options;
  return {
    run: (signal) =>
      repeat(clock, { periodMs: () => periodMs, signal }, async () => {
        try {
          await ensureService(options);
          await ensure(client, endpoints, wantedEndpoints(options));
          await ensure(client, endpointSlices, wantedSlice(options));
        } catch (error) {
          if (!(error instanceof StatusError)) throw error;
          if (!signal.aborted) log.warn('Cannot publish the address of the API server', { error });
        }
      }),
  };
}

async function find<T extends KubeObject>(client: Client, ref: ResourceRef<T>): Promise<T | undefined> {
  try {
    return await client.resource(ref).get(name, { namespace });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Source: `UpdateKubernetesService`, `getMasterServiceUpdateIfNeeded`. */
async function ensureService({ client, port, clusterIp }: KubernetesServiceOptions): Promise<void> {
  const wanted = [{ name: 'https', protocol: 'TCP', port: 443, targetPort: port } as const];
  const current = await find(client, services);
  if (current === undefined) {
    await client.resource(services).create({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace, labels: { component: 'apiserver', provider: 'kubernetes' } },
      spec: { type: 'ClusterIP', clusterIP: clusterIp, ports: wanted },
    });
    return;
  }
  const { type, ports } = current.spec ?? {};
  if (type === 'ClusterIP' && isDeepStrictEqual(ports, wanted)) return;
  await client.resource(services).update({ ...current, spec: { ...current.spec, type: 'ClusterIP', ports: wanted } });
}

/** Creates the object, or replaces it when anything but its metadata differs. */
async function ensure<T extends KubeObject>(client: Client, ref: ResourceRef<T>, wanted: T): Promise<void> {
  const resource = client.resource(ref);
  const current = await find(client, ref);
  if (current === undefined) {
    await resource.create(wanted);
    return;
  }
  if (isDeepStrictEqual(withoutMetadata(current), withoutMetadata(wanted))) return;
  await resource.update({
    ...wanted,
    metadata: { ...wanted.metadata, resourceVersion: current.metadata?.resourceVersion ?? '' },
  });
}

function withoutMetadata({ metadata: _, apiVersion: __, kind: ___, ...rest }: KubeObject): object {
  return rest;
}

function wantedEndpoints({ address, port }: KubernetesServiceOptions): Endpoints {
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name, namespace, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: [{ ip: address }], ports: [{ name: 'https', port, protocol: 'TCP' }] }],
  };
}

function wantedSlice({ address, port }: KubernetesServiceOptions): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  };
}
