/**
 * Cluster DNS: answers for the names of Services and pods, and publishes where it is as the Service `kube-dns`, as other clusters have it. It listens at that
 * Service's own address, so that no proxy is between: the Service says so to proxies by the label that gives it to another one.
 * Upstream counterpart: CoreDNS as kubeadm installs it, and its Service `kube-dns`.
 */

import type { Service } from '#pkg/api/types/core-v1.ts';
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { endpointSlices, namespaces, services } from '#pkg/api/types/refs.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { isAlreadyExists, StatusError } from '#pkg/apimachinery/status-error.ts';
import { repeat } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { mirrorObjects } from '#pkg/client/mirror.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { loopbackDnsPort } from '#pkg/network/loopback/dns-port.ts';
import { Answerer } from './answerer.ts';
import { type DnsServer, serveDns } from './dns-server.ts';
import { Forwarder, type NameServer } from './forwarder.ts';
import { ClusterZone } from './zone.ts';
import { ZoneLookup } from './zone-lookup.ts';

/** Port of DNS. */
const dnsPort = 53;

const namespace = 'kube-system';
const name = 'kube-dns';
/** Time to the next try to publish the Service, or to listen at a port that somebody holds. */
const periodMs = 10_000;

/** Whose names, where, and whom to ask about others. */
export interface ClusterDnsOptions {
  readonly deps: ComponentDeps;
  /** Such as `cluster.local`. */
  readonly domain: string;
  /** Cluster IP of the Service, at which the server listens. */
  readonly address: string;
  /** Name servers for all other names. None: these are refused. */
  readonly upstreams: readonly NameServer[];
}

/** Runs until the signal; its informers are those of `deps`, which the composition runs. */
export function createClusterDns(options: ClusterDnsOptions): Component {
  return { run: (signal) => run(options, signal) };
}

async function run({ deps, domain, address, upstreams }: ClusterDnsOptions, signal: AbortSignal): Promise<void> {
  const { informers, clock, random, log } = deps;
  const zone = new ClusterZone();
  const forwarder = upstreams.length === 0 ? undefined : new Forwarder({ servers: upstreams, clock, random });
  const answerer = new Answerer({
    lookup: new ZoneLookup(zone, domain),
    domain,
    random,
    ...(forwarder === undefined ? {} : { forwarder }),
  });
  followObjects(deps, zone, answerer);
  const open = new Map<number, DnsServer>();
  try {
    if (!(await informers.synced(signal))) return;
    const refused = new Set<number>();
    await repeat(clock, { periodMs: () => periodMs, signal }, async () => {
      for (const port of [dnsPort, loopbackDnsPort]) {
        if (open.has(port)) continue;
        try {
          open.set(port, await serveDns({ answerer, address, port, clock }));
        } catch (error) {
          if (!refused.has(port))
            log.warn('Cannot answer questions about names', { address, port, why: errorText(error) });
          refused.add(port);
        }
      }
      await publish(deps, address, signal);
    });
  } finally {
    await Promise.all([...[...open.values()].map((server) => server.close()), forwarder?.close()]);
  }
}

function followObjects({ informers }: ComponentDeps, zone: ClusterZone, answerer: Answerer): void {
  const onChange = (): void => answerer.changed();
  const nameOf = ({ metadata }: KubeObject): string => metadata?.name ?? '';
  mirrorObjects(informers, {
    ref: namespaces,
    mirror: { set: (one) => zone.setNamespace(nameOf(one)), remove: (one) => zone.removeNamespace(nameOf(one)) },
    onChange,
  });
  mirrorObjects(informers, {
    ref: services,
    mirror: { set: (service) => zone.setService(service), remove: (service) => zone.removeService(service) },
    onChange,
  });
  mirrorObjects(informers, {
    ref: endpointSlices,
    mirror: { set: (slice) => zone.setSlice(slice), remove: (slice) => zone.removeSlice(slice) },
    onChange,
  });
}

/** Makes the Service and its endpoints where they are missing; what people have made of them stays. */
async function publish({ client, informers, log }: ComponentDeps, address: string, signal: AbortSignal): Promise<void> {
  const isThere = informers.informer(services).lister.get(`${namespace}/${name}`) !== undefined;
  const hasSlice = informers.informer(endpointSlices).lister.get(`${namespace}/${name}`) !== undefined;
  try {
    if (!isThere) await create(() => client.resource(services).create(serviceAt(address)));
    if (!hasSlice) await create(() => client.resource(endpointSlices).create(sliceAt(address)));
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    if (!signal.aborted) log.warn('Cannot publish the Service of cluster DNS', { error });
  }
}

async function create(make: () => Promise<unknown>): Promise<void> {
  try {
    await make();
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

const ports = [
  { name: 'dns', protocol: 'UDP', port: dnsPort },
  { name: 'dns-tcp', protocol: 'TCP', port: dnsPort },
] as const;

/** Source: kubeadm's manifest of `kube-dns`; the label is KEP-2447's. */
function serviceAt(clusterIP: string): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace,
      labels: {
        'k8s-app': 'kube-dns',
        'kubernetes.io/cluster-service': 'true',
        'kubernetes.io/name': 'CoreDNS',
        'service.kubernetes.io/service-proxy-name': 'cluster-dns',
      },
    },
    spec: { clusterIP, ports: ports.map((port) => ({ ...port, targetPort: dnsPort })) },
  };
}

function sliceAt(address: string): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: ports.map((port) => ({ ...port })),
  };
}
