/**
 * What the cluster's zone is made of: Services, their endpoint slices and the names of namespaces, kept as objects come and go, with an index by
 * address for reverse names. Pure: it answers from memory alone. What names mean is `zone-lookup.ts`.
 * Upstream counterpart: CoreDNS `plugin/kubernetes` controller.
 */
import type { Service } from '#pkg/api/types/core-v1.ts';
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { formatIp, parseIp } from '#pkg/apimachinery/ip.ts';

/** One address behind a headless Service. */
export interface ZoneEndpoint {
  readonly ip: string;
  /** First label of its own name: what its pod says, else its address. */
  readonly hostname: string;
  readonly ports: readonly ZonePort[];
}

/** A port as SRV records have it. */
export interface ZonePort {
  /** `''` where it has none. */
  readonly name: string;
  /** Lower case. */
  readonly protocol: string;
  readonly port: number;
}

/** A Service as names see it. */
export interface ZoneService {
  readonly name: string;
  readonly namespace: string;
  /** Of a Service of the type ExternalName. */
  readonly externalName?: string;
  /** None of a headless Service. */
  readonly clusterIps: readonly string[];
  readonly ports: readonly ZonePort[];
}

/** The label by which a slice belongs to a Service. */
const serviceNameLabel = 'kubernetes.io/service-name';

/** Services, endpoints and namespaces of one cluster. */
export class ClusterZone {
  readonly #services = new Map<string, Service>();
  readonly #views = new Map<string, ZoneService>();
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  readonly #namespaces = new Set<string>();
  readonly #serviceByIp = new Map<string, string>();
  /** Services whose endpoints have an address; only headless ones answer for it. */
  readonly #servicesByEndpoint = new Map<string, Set<string>>();

  setNamespace(name: string): void {
    this.#namespaces.add(name);
  }

  removeNamespace(name: string): void {
    this.#namespaces.delete(name);
  }

  setService(service: Service): void {
    this.removeService(service);
    const view = serviceView(service);
    const key = keyOf(view.namespace, view.name);
    this.#services.set(key, service);
    this.#views.set(key, view);
    for (const ip of view.clusterIps) this.#serviceByIp.set(ip, key);
  }

  removeService({ metadata }: Service): void {
    const key = keyOf(metadata?.namespace ?? '', metadata?.name ?? '');
    const view = this.#views.get(key);
    if (view === undefined) return;
    for (const ip of view.clusterIps) if (this.#serviceByIp.get(ip) === key) this.#serviceByIp.delete(ip);
    this.#services.delete(key);
    this.#views.delete(key);
  }

  setSlice(slice: EndpointSlice): void {
    this.removeSlice(slice);
    const key = serviceKeyOf(slice);
    if (key === undefined) return;
    const slices = this.#slices.get(key) ?? new Map<string, EndpointSlice>();
    this.#slices.set(key, slices);
    slices.set(slice.metadata?.name ?? '', slice);
    for (const ip of addressesOf(slice)) {
      const services = this.#servicesByEndpoint.get(ip) ?? new Set<string>();
      this.#servicesByEndpoint.set(ip, services);
      services.add(key);
    }
  }

  removeSlice(slice: EndpointSlice): void {
    const key = serviceKeyOf(slice);
    const slices = key === undefined ? undefined : this.#slices.get(key);
    const old = slices?.get(slice.metadata?.name ?? '');
    if (key === undefined || slices === undefined || old === undefined) return;
    slices.delete(slice.metadata?.name ?? '');
    if (slices.size === 0) this.#slices.delete(key);
    const left = new Set([...slices.values()].flatMap(addressesOf));
    for (const ip of addressesOf(old)) {
      if (left.has(ip)) continue;
      const services = this.#servicesByEndpoint.get(ip);
      services?.delete(key);
      if (services?.size === 0) this.#servicesByEndpoint.delete(ip);
    }
  }

  hasNamespace(name: string): boolean {
    return this.#namespaces.has(name);
  }

  service(namespace: string, name: string): ZoneService | undefined {
    return this.#views.get(keyOf(namespace, name));
  }

  /** The Service whose cluster IP this is. */
  serviceAt(ip: string): ZoneService | undefined {
    const key = this.#serviceByIp.get(ip);
    return key === undefined ? undefined : this.#views.get(key);
  }

  /** Endpoints that have this address, each with its headless Service. */
  endpointsAt(ip: string): readonly { readonly service: ZoneService; readonly endpoint: ZoneEndpoint }[] {
    return [...(this.#servicesByEndpoint.get(ip) ?? [])].flatMap((key) => {
      const service = this.#views.get(key);
      if (service === undefined || !isHeadless(service)) return [];
      return this.endpointsOf(service)
        .filter((endpoint) => endpoint.ip === ip)
        .map((endpoint) => ({ service, endpoint }));
    });
  }

  /** What answers for a headless Service: ready endpoints, or all where the Service says so. Once per address and host name. */
  endpointsOf({ namespace, name }: ZoneService): readonly ZoneEndpoint[] {
    const key = keyOf(namespace, name);
    const takesAll = this.#services.get(key)?.spec?.publishNotReadyAddresses === true;
    const found = new Map<string, ZoneEndpoint>();
    for (const slice of this.#slices.get(key)?.values() ?? []) {
      const ports = (slice.ports ?? []).flatMap(({ name: portName, protocol, port }) =>
        port === undefined ? [] : [{ name: portName ?? '', protocol: (protocol ?? 'TCP').toLowerCase(), port }],
      );
      for (const { addresses, conditions, hostname } of slice.endpoints ?? []) {
        if (conditions?.ready === false && !takesAll) continue;
        for (const address of addresses) {
          const ip = plainIp(address);
          const first = (hostname || dashed(ip)).toLowerCase();
          const known = found.get(`${first} ${ip}`);
          found.set(`${first} ${ip}`, { ip, hostname: first, ports: [...(known?.ports ?? []), ...ports] });
        }
      }
    }
    return [...found.values()];
  }
}

/** Whether it has neither an address nor another name: names of it lead to its endpoints. */
export function isHeadless({ externalName, clusterIps }: ZoneService): boolean {
  return externalName === undefined && clusterIps.length === 0;
}

/** An address as one label. */
function dashed(ip: string): string {
  return ip.replaceAll(/[.:]/g, '-');
}

function serviceView({ metadata, spec }: Service): ZoneService {
  const base = {
    name: (metadata?.name ?? '').toLowerCase(),
    namespace: metadata?.namespace ?? '',
    ports: (spec?.ports ?? []).map(({ name, protocol, port }) => ({
      name: name ?? '',
      protocol: (protocol ?? 'TCP').toLowerCase(),
      port,
    })),
  };
  if (spec?.type === 'ExternalName')
    return { ...base, externalName: (spec.externalName ?? '').replace(/\.$/, ''), clusterIps: [] };
  const ips = spec?.clusterIPs ?? (spec?.clusterIP === undefined ? [] : [spec.clusterIP]);
  return { ...base, clusterIps: ips.filter((ip) => ip !== '' && ip !== 'None').map(plainIp) };
}

/** As `formatIp` writes it, so that one address is one key. */
function plainIp(text: string): string {
  const ip = parseIp(text);
  return ip === undefined ? text : formatIp(ip);
}

function addressesOf(slice: EndpointSlice): readonly string[] {
  return (slice.endpoints ?? []).flatMap(({ addresses }) => addresses.map(plainIp));
}

function serviceKeyOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata?.labels?.[serviceNameLabel];
  return name === undefined ? undefined : keyOf(metadata?.namespace ?? '', name);
}

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
