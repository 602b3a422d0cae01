/**
 * What a name of the cluster's zone stands for. `undefined` is a name that is none of ours; a name that is there but has nothing of the type asked for is an
 * answer without records. Case does not matter: names come in lower case.
 *
 * Source: `kubernetes/dns` `docs/specification.md` 1.1.0; names of pods as CoreDNS' `pods insecure` has them.
 */
import { formatIp, parseIp } from '#pkg/apimachinery/ip.ts';
import { type ClusterZone, isHeadless, type ZonePort, type ZoneService } from './zone.ts';

/** One record; `name` and names in `data` are whole and without the last dot. */
export type ZoneRecord =
  | { readonly name: string; readonly type: 'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR'; readonly data: string }
  | { readonly name: string; readonly type: 'TXT'; readonly data: string }
  | {
      readonly name: string;
      readonly type: 'SRV';
      readonly data: {
        readonly priority: number;
        readonly weight: number;
        readonly port: number;
        readonly target: string;
      };
    };

/** What there is at a name. */
export interface ZoneAnswer {
  readonly answers: readonly ZoneRecord[];
  /** Addresses of the names in the answers. */
  readonly additionals: readonly ZoneRecord[];
}

/** `unknown`: the name would be ours and is not there. `foreign`: it is somebody else's. */
export type ZoneResult = ZoneAnswer | 'foreign' | 'unknown';

/** The version of the specification that names keep to. */
const specificationVersion = '1.1.0';

const nothing: ZoneAnswer = { answers: [], additionals: [] };

/** Answers questions for one zone. */
export class ZoneLookup {
  readonly #zone: ClusterZone;
  readonly #domain: string;

  /** `domain`: such as `cluster.local`, in lower case and without the last dot. */
  constructor(zone: ClusterZone, domain: string) {
    this.#zone = zone;
    this.#domain = domain;
  }

  /** `name` in lower case and without the last dot; `type` such as `A`. */
  find(name: string, type: string): ZoneResult {
    if (name.endsWith('.in-addr.arpa') || name.endsWith('.ip6.arpa')) return this.#reverse(name, type);
    if (name === this.#domain) return only(type, { name, type: 'NS', data: this.nameServer });
    if (!name.endsWith(`.${this.#domain}`)) return 'foreign';
    const labels = name.slice(0, -this.#domain.length - 1).split('.');
    const kind = labels.pop();
    if (kind === 'svc') return this.#ofServices(labels, name, type);
    if (kind === 'pod') return this.#ofPods(labels, name, type);
    if (labels.length > 0) return name === this.nameServer ? nothing : 'unknown';
    if (kind === 'dns-version') return only(type, { name, type: 'TXT', data: specificationVersion });
    return kind === 'dns' ? nothing : 'unknown';
  }

  /** The name that the zone's NS and SOA records say. */
  get nameServer(): string {
    return `ns.dns.${this.#domain}`;
  }

  #nameOf({ name, namespace }: ZoneService): string {
    return `${name}.${namespace}.svc.${this.#domain}`;
  }

  #ofServices(labels: readonly string[], name: string, type: string): ZoneResult {
    const namespace = labels.at(-1);
    if (namespace === undefined) return nothing;
    const serviceName = labels.at(-2);
    if (serviceName === undefined) return this.#zone.hasNamespace(namespace) ? nothing : 'unknown';
    const service = this.#zone.service(namespace, serviceName);
    if (service === undefined) return 'unknown';
    const before = labels.slice(0, -2);
    if (service.externalName !== undefined) {
      if (before.length > 0) return 'unknown';
      return { answers: [{ name, type: 'CNAME', data: service.externalName }], additionals: [] };
    }
    const [first, second] = before;
    if (first === undefined) return this.#ofService(service, name, type);
    if (second === undefined)
      return first.startsWith('_') ? protocolName(service, first) : this.#ofEndpoint(service, first, type);
    if (before.length > 2 || !first.startsWith('_') || !second.startsWith('_')) return 'unknown';
    return this.#ofPort(service, { name, type, port: first.slice(1), protocol: second.slice(1) });
  }

  /** A name of the Service itself. */
  #ofService(service: ZoneService, name: string, type: string): ZoneAnswer {
    if (type === 'SRV') return this.#srv(service, name, () => true);
    const ips = isHeadless(service) ? this.#zone.endpointsOf(service).map(({ ip }) => ip) : service.clusterIps;
    return { answers: addresses(name, type, ips), additionals: [] };
  }

  /** A name of one endpoint of a headless Service. */
  #ofEndpoint(service: ZoneService, hostname: string, type: string): ZoneResult {
    if (!isHeadless(service)) return 'unknown';
    const found = this.#zone.endpointsOf(service).filter((endpoint) => endpoint.hostname === hostname);
    if (found.length === 0) return 'unknown';
    const name = `${hostname}.${this.#nameOf(service)}`;
    if (type === 'SRV') {
      const records = this.#srv(service, name, () => true);
      const isOwn = (record: ZoneRecord): boolean => record.type === 'SRV' && record.data.target === name;
      return {
        answers: records.answers.filter(isOwn),
        additionals: records.additionals.filter((one) => one.name === name),
      };
    }
    return {
      answers: addresses(
        name,
        type,
        found.map(({ ip }) => ip),
      ),
      additionals: [],
    };
  }

  /** `_port._protocol.service`. */
  #ofPort(
    service: ZoneService,
    asked: { readonly name: string; readonly type: string; readonly port: string; readonly protocol: string },
  ): ZoneResult {
    const matches = ({ name, protocol }: ZonePort): boolean =>
      name !== '' && name.toLowerCase() === asked.port && protocol === asked.protocol;
    const found = this.#srv(service, asked.name, matches);
    if (found.answers.length === 0) return 'unknown';
    return asked.type === 'SRV' ? found : nothing;
  }

  /** Those of a Service with an address lead to it, those of a headless one to each endpoint. */
  #srv(service: ZoneService, name: string, wants: (port: ZonePort) => boolean): ZoneAnswer {
    const targets = isHeadless(service)
      ? this.#zone.endpointsOf(service).map(({ hostname, ip, ports }) => ({
          target: `${hostname}.${this.#nameOf(service)}`,
          ips: [ip],
          ports,
        }))
      : [{ target: this.#nameOf(service), ips: service.clusterIps, ports: service.ports }];
    const pairs = targets.flatMap(({ target, ports }) => ports.filter(wants).map(({ port }) => ({ target, port })));
    const weight = Math.max(1, Math.floor(100 / Math.max(1, pairs.length)));
    return {
      answers: pairs.map(({ target, port }) => ({
        name,
        type: 'SRV' as const,
        data: { priority: 0, weight, port, target },
      })),
      additionals: targets.flatMap(({ target, ips, ports }) =>
        ports.some(wants) ? [...addresses(target, 'A', ips), ...addresses(target, 'AAAA', ips)] : [],
      ),
    };
  }

  /** `10-0-0-1.namespace.pod`: the name says the address, and every namespace has all of them. */
  #ofPods(labels: readonly string[], name: string, type: string): ZoneResult {
    const namespace = labels.at(-1);
    if (namespace === undefined) return nothing;
    if (!this.#zone.hasNamespace(namespace)) return 'unknown';
    const [address] = labels;
    if (labels.length === 1) return nothing;
    if (labels.length > 2 || address === undefined) return 'unknown';
    const ip = parseIp(address.replaceAll('-', '.')) ?? parseIp(address.replaceAll('-', ':'));
    return ip === undefined ? 'unknown' : { answers: addresses(name, type, [formatIp(ip)]), additionals: [] };
  }

  #reverse(name: string, type: string): ZoneResult {
    const ip = addressOfReverse(name);
    if (ip === undefined) return 'foreign';
    const service = this.#zone.serviceAt(ip);
    const names =
      service === undefined
        ? this.#zone.endpointsAt(ip).map(({ service: of, endpoint }) => `${endpoint.hostname}.${this.#nameOf(of)}`)
        : [this.#nameOf(service)];
    if (names.length === 0) return 'foreign';
    if (type !== 'PTR') return nothing;
    return { answers: names.map((data) => ({ name, type: 'PTR', data })), additionals: [] };
  }
}

/** A name that is only there for those below it. */
function protocolName(service: ZoneService, label: string): ZoneResult {
  return service.ports.some(({ protocol }) => `_${protocol}` === label) ? nothing : 'unknown';
}

function only(type: string, record: ZoneRecord): ZoneAnswer {
  return type === record.type ? { answers: [record], additionals: [] } : nothing;
}

function addresses(name: string, type: string, ips: readonly string[]): readonly ZoneRecord[] {
  if (type !== 'A' && type !== 'AAAA') return [];
  return ips.filter((ip) => ip.includes(':') === (type === 'AAAA')).map((data) => ({ name, type, data }));
}

/** The address of a whole name below `in-addr.arpa` or `ip6.arpa`; undefined for what is no such name. */
function addressOfReverse(name: string): string | undefined {
  const labels = name.split('.').slice(0, -2).reverse();
  const text = name.endsWith('.in-addr.arpa') ? labels.join('.') : labels.join('').replaceAll(/(.{4})(?=.)/g, '$1:');
  if (labels.length !== (name.endsWith('.in-addr.arpa') ? 4 : 32)) return undefined;
  const ip = parseIp(text);
  return ip === undefined ? undefined : formatIp(ip);
}
