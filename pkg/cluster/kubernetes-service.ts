/**
 * Publishes where the API server is as the endpoints of the Service `kubernetes` in the namespace `default`, and keeps them so. The Service itself
 * is made with the server's first objects. Upstream counterpart: apiserver `controlplane/controller/kubernetesservice`.
 */
import type { Endpoints } from '#pkg/api/types/core-v1.ts';
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { endpointSlices, endpoints } from '#pkg/api/types/refs.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { repeat } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Component } from '#pkg/component/component.ts';

export interface KubernetesServiceOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  /** Address and port at which the API server listens. */
  readonly address: string;
  readonly port: number;
}

/** Time between two looks. Source: upstream's endpoint reconcile interval. */
const periodMs = 10_000;
const namespace = 'default';
const name = 'kubernetes';

export function createKubernetesService(options: KubernetesServiceOptions): Component {
  const { client, clock, log } = options;
  return {
    run: (signal) =>
      repeat(clock, { periodMs: () => periodMs, signal }, async () => {
        try {
          await ensure(client, endpoints, wantedEndpoints(options), 'subsets');
          await ensure(client, endpointSlices, wantedSlice(options), 'endpoints');
        } catch (error) {
          if (!(error instanceof StatusError)) throw error;
          if (!signal.aborted) log.warn('Cannot publish the address of the API server', { error });
        }
      }),
  };
}

/** Creates the object, or replaces it when the field that matters differs. */
async function ensure<T extends KubeObject>(
  client: Client,
  ref: ResourceRef<T>,
  wanted: T,
  field: 'endpoints' | 'subsets',
): Promise<void> {
  const resource = client.resource(ref);
  let current: T;
  try {
    current = await resource.get(name, { namespace });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await resource.create(wanted);
    return;
  }
  const fieldOf = (object: T): string => JSON.stringify((object as Readonly<Record<string, unknown>>)[field]);
  if (fieldOf(current) === fieldOf(wanted)) return;
  await resource.update({
    ...wanted,
    metadata: { ...wanted.metadata, resourceVersion: current.metadata?.resourceVersion ?? '' },
  });
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
