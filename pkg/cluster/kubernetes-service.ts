/**
 * Publishes where the API servers are as the endpoints of the Service `kubernetes` in the namespace `default`, and keeps them and the Service's port
 * so, also over a start at another port. The Service itself is made with the server's first objects, and anew when it was deleted. A server that is stopped takes itself away before it goes. Upstream counterpart: apiserver `controlplane/controller/kubernetesservice`.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Endpoints } from '#pkg/api/types/core-v1.ts';
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { endpointSlices, endpoints, services } from '#pkg/api/types/refs.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { repeat, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Component } from '#pkg/component/component.ts';
import { StoreUnavailableError } from '#pkg/storage/store.ts';
import type { ServerAddress, ServerPresence } from './server-presence.ts';

/** Where the API server is, and by which client that is written. */
export interface KubernetesServiceOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  /** This server among those of the cluster. */
  readonly presence: ServerPresence;
  /** Port at which this server listens. */
  readonly port: number;
  /** The first address of the Services' range. */
  readonly clusterIp: string;
}

/** Time between two looks. Source: upstream's endpoint reconcile interval. */
const periodMs = 10_000;
const namespace = 'default';
const name = 'kubernetes';

/** How long a server that is stopped tries to say so. */
const leaveMsMax = 5_000;

/** Looks anew at once where another server has written first; there are as many of them as take part. */
const triesMax = 5;

/** Makes the component: it looks every ten seconds and mends what differs. What is refused is logged and tried again. */
export function createKubernetesService(options: KubernetesServiceOptions): Component {
  const { clock, log, presence } = options;
  const leave = async (): Promise<void> => {
    const others = await presence.leave();
    if (others.length > 0) await publishInTurn(options, others);
  };
  return {
    async run(signal) {
      await repeat(clock, { periodMs: () => periodMs, signal }, async () => {
        try {
          await publishInTurn(options, await presence.renew());
        } catch (error) {
          if (!isPassing(error)) throw error;
          if (!signal.aborted) log.warn('Cannot publish the address of the API server', { error });
        }
      });
      const ended = new AbortController();
      const told = leave().catch((error: unknown) => {
        if (!isPassing(error)) throw error;
        log.debug('The API server goes without a word', { error });
      });
      await Promise.race([told.finally(() => ended.abort()), sleep(clock, leaveMsMax, ended.signal)]);
    },
  };
}

function isPassing(error: unknown): boolean {
  return error instanceof StatusError || error instanceof StoreUnavailableError;
}

/** Publishes beside other servers that do so at the same moment, as all of a cluster may when it starts: who was second looks again and says nothing. */
async function publishInTurn(options: KubernetesServiceOptions, servers: readonly ServerAddress[]): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await publish(options, servers);
    } catch (error) {
      if (tries >= triesMax || !(error instanceof StatusError) || !raceReasons.has(error.reason)) throw error;
    }
  }
}

/** What who was second is told: it is there, it was changed, it is gone. */
const raceReasons: ReadonlySet<string> = new Set(['AlreadyExists', 'Conflict', 'NotFound']);

async function publish(options: KubernetesServiceOptions, servers: readonly ServerAddress[]): Promise<void> {
  const { client } = options;
  await ensureService(options, servers);
  const ports = [...new Set(servers.map(({ port }) => port))];
  const groups = ports.map((port) => ({
    port,
    addresses: servers.filter((server) => server.port === port).map(({ address }) => address),
  }));
  await ensure(client, endpoints, wantedEndpoints(groups));
  const slices = groups.map((group, index) => wantedSlice(index === 0 ? name : `${name}-${group.port}`, group));
  for (const slice of slices) await ensure(client, endpointSlices, slice);
  const kept = new Set(slices.map(({ metadata }) => metadata?.name));
  const { items } = await client.resource(endpointSlices).list({ namespace, labelSelector: `${serviceLabel}=${name}` });
  for (const { metadata } of items)
    if (metadata?.name !== undefined && !kept.has(metadata.name))
      await client.resource(endpointSlices).delete(metadata.name, { namespace });
}

/** Servers with one port. */
interface ServerGroup {
  readonly port: number;
  readonly addresses: readonly string[];
}

async function find<T extends KubeObject>(client: Client, ref: ResourceRef<T>, object = name): Promise<T | undefined> {
  try {
    return await client.resource(ref).get(object, { namespace });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Source: `UpdateKubernetesService`, `getMasterServiceUpdateIfNeeded`. */
async function ensureService(
  { client, port, clusterIp }: KubernetesServiceOptions,
  servers: readonly ServerAddress[],
): Promise<void> {
  const current = await find(client, services);
  // Servers with ports of their own do not take turns at it: each leaves that of another.
  const there = servers.find((server) => server.port === current?.spec?.ports?.[0]?.targetPort);
  const targetPort = there?.port ?? servers[0]?.port ?? port;
  const wanted = [{ name: 'https', protocol: 'TCP', port: 443, targetPort } as const];
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
  const current = await find(client, ref, wanted.metadata?.name);
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

function wantedEndpoints(groups: readonly ServerGroup[]): Endpoints {
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name, namespace, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: groups.map(({ port, addresses }) => ({
      addresses: addresses.map((ip) => ({ ip })),
      ports: [{ name: 'https', port, protocol: 'TCP' }],
    })),
  };
}

const serviceLabel = 'kubernetes.io/service-name';

function wantedSlice(sliceName: string, { port, addresses }: ServerGroup): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: sliceName, namespace, labels: { [serviceLabel]: name } },
    addressType: 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  };
}
