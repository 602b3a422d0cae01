/**
 * What a Service takes from the cluster: its IP, its node ports and the port for health checks. Allocation happens in the same
 * step as the write, so a Service is never seen without what it needs and nothing is lost when the write fails.
 *
 * State is in memory and recovered from the Services themselves, on first use where one server has the store. Where several do, what is taken is looked
 * up each time, and each number is claimed in the store before it is given, so that no two servers give the same. Source: upstream `pkg/registry/core/service/{ipallocator,portallocator,storage}`.
 */
import type { Service, ServiceSpec } from '#pkg/api/types/core-v1.ts';
import { services } from '#pkg/api/types/refs.ts';
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  invalid,
  invalidObject,
  pathsOf,
} from '#pkg/apimachinery/field-error.ts';
import { formatIpv4, parseIpv4 } from '#pkg/apimachinery/ipv4-range.ts';
import { internalError } from '#pkg/apimachinery/status-error.ts';
import { type RegistryReader, type Reservation, readAll, type StrategyContext } from '#pkg/apiserver/strategy.ts';
import { NumberAllocator, reservedBand } from './allocator.ts';
import { type IpRange, isInRange, parseIpRange } from './ip-range.ts';
import { needsClusterIp, needsHealthCheckPort, needsNodePorts } from './normalize.ts';

const field = pathsOf<Service>();

/** First and last port. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** What Services are given of. */
export interface ServiceAllocationOptions {
  /** IPv4 range of cluster IPs. */
  readonly serviceCidr: string;
  readonly nodePortRange: PortRange;
  /** Where several servers give of the same ranges. */
  readonly claims?: NumberClaims | undefined;
}

/** What keeps two servers from giving the same number while neither sees the other's Service yet. */
export interface NumberClaims {
  /** Takes a name for a while, which is longer than a Service takes to be seen by all servers; false when it is taken. */
  take(name: string): Promise<boolean>;
  release(name: string): Promise<void>;
}

type NumberKind = 'ip' | 'port';

/** The numbers one Service holds. */
interface Holdings {
  readonly ips: ReadonlySet<number>;
  readonly ports: ReadonlySet<number>;
}

const nothing: Holdings = { ips: new Set(), ports: new Set() };

/** The ranges of one server. What a Service holds is reserved with its write and released with its deletion. */
export class ServiceAllocation {
  readonly #range: IpRange;
  readonly #portRange: PortRange;
  readonly #ips: NumberAllocator;
  readonly #ports: NumberAllocator;
  readonly #claims: NumberClaims | undefined;
  /** What writes under way have taken or still hold, which no list of Services shows. */
  readonly #underWay = new Set<Holdings>();
  #recovery: Promise<void> | undefined;

  constructor(options: ServiceAllocationOptions) {
    this.#range = parseIpRange(options.serviceCidr);
    this.#portRange = options.nodePortRange;
    this.#claims = options.claims;
    const { base, size } = this.#range;
    this.#ips = new NumberAllocator({ first: base + 1, size, reserved: reservedBand(size, { part: 16, max: 256 }) });
    const ports = this.#portRange.last - this.#portRange.first + 1;
    this.#ports = new NumberAllocator({
      first: this.#portRange.first,
      size: ports,
      reserved: reservedBand(ports, { part: 32, max: 128 }),
    });
  }

  /** The first address of the range, which the API server's own Service has. */
  get firstIp(): string {
    return formatIpv4(this.#range.base + 1);
  }

  /** Takes what `draft` needs beyond what `old` has, writes it into the draft, and releases on commit what is no longer needed. */
  async begin(
    draft: Draft<Service> | undefined,
    old: Given<Service> | undefined,
    { random }: Pick<StrategyContext, 'random'>,
    reader: RegistryReader,
  ): Promise<Reservation> {
    await this.#recover(reader);
    const held = old === undefined ? nothing : this.#holdingsOf(old);
    const taken = { ips: new Set<number>(), ports: new Set<number>() };
    this.#underWay.add(taken);
    const giveBack = (): void => this.#giveBack(taken, nothing);
    if (draft !== undefined) {
      try {
        await this.#takeClusterIp(draft, { held, taken: taken.ips, random });
        await this.#takePorts(draft, { held, taken: taken.ports, random });
      } catch (error) {
        giveBack();
        throw error;
      } finally {
        if (this.#claims === undefined) this.#underWay.delete(taken);
      }
    }
    const kept = draft === undefined ? nothing : this.#holdingsOf(draft);
    return {
      commit: () => {
        this.#underWay.delete(taken);
        this.#giveBack(held, kept);
      },
      rollback: giveBack,
    };
  }

  /** Gives back what is not kept, for other servers too. A claim that cannot be given back ends by itself. */
  #giveBack(held: Holdings, kept: Holdings): void {
    this.#underWay.delete(held);
    const forget = (kind: NumberKind, number: number): void => {
      (kind === 'ip' ? this.#ips : this.#ports).release(number);
      this.#claims?.release(claimOf(kind, number)).catch(() => {});
    };
    for (const ip of held.ips) if (!kept.ips.has(ip)) forget('ip', ip);
    for (const port of held.ports) if (!kept.ports.has(port)) forget('port', port);
  }

  /** Any free number. One that another server has just claimed stays taken until what there is is looked up again. */
  async #any(kind: NumberKind, random: StrategyContext['random']): Promise<number | undefined> {
    const numbers = kind === 'ip' ? this.#ips : this.#ports;
    for (;;) {
      const number = numbers.takeAny(random);
      if (number === undefined || (await this.#claim(kind, number))) return number;
    }
  }

  async #named(kind: NumberKind, number: number): Promise<boolean> {
    const numbers = kind === 'ip' ? this.#ips : this.#ports;
    return numbers.take(number) && (await this.#claim(kind, number));
  }

  async #claim(kind: NumberKind, number: number): Promise<boolean> {
    return this.#claims === undefined || this.#claims.take(claimOf(kind, number));
  }

  #recover(reader: RegistryReader): Promise<void> {
    if (this.#claims !== undefined) return this.#lookUp(reader);
    this.#recovery ??= this.#recoverOnce(reader).catch((error: unknown) => {
      this.#recovery = undefined;
      throw error;
    });
    return this.#recovery;
  }

  async #recoverOnce(reader: RegistryReader): Promise<void> {
    for (const service of await readAll(reader, services)) {
      const { ips, ports } = this.#holdingsOf(service);
      for (const ip of ips) this.#ips.take(ip);
      for (const port of ports) this.#ports.take(port);
    }
  }

  /** What all servers have given, as far as this one has heard. */
  async #lookUp(reader: RegistryReader): Promise<void> {
    const all = await readAll(reader, services);
    const held = [...all.map((service) => this.#holdingsOf(service)), ...this.#underWay];
    this.#ips.reset(held.flatMap(({ ips }) => [...ips]));
    this.#ports.reset(held.flatMap(({ ports }) => [...ports]));
  }

  #holdingsOf(service: Given<Service>): Holdings {
    const ips = (service.spec?.clusterIPs ?? []).map(parseIpv4);
    const ports = (service.spec?.ports ?? []).map((port) => port.nodePort ?? 0);
    ports.push(service.spec?.healthCheckNodePort ?? 0);
    return {
      ips: new Set(ips.filter((ip): ip is number => ip !== undefined && isInRange(this.#range, ip))),
      ports: new Set(ports.filter((port) => this.#ports.has(port))),
    };
  }

  async #takeClusterIp(draft: Draft<Service>, use: Use): Promise<void> {
    const spec = draft.spec;
    if (spec === undefined || !needsClusterIp(draft)) return;
    const wanted = spec?.clusterIP ?? '';
    if (wanted === 'None') return;
    if (wanted === '') {
      const ip = await this.#any('ip', use.random);
      if (ip === undefined) throw internalError(new Error('failed to allocate a serviceIP: range is full'));
      use.taken.add(ip);
      spec.clusterIP = formatIpv4(ip);
      spec.clusterIPs = [spec.clusterIP];
      return;
    }
    const number = parseIpv4(wanted);
    if (number !== undefined && use.held.ips.has(number)) return;
    const problem = await this.#takeNamedIp(wanted, number);
    if (problem !== undefined) {
      const detail = `failed to allocate IP ${wanted}: ${problem}`;
      throw refused(draft, invalid(field('spec.clusterIPs'), spec?.clusterIPs ?? [], detail));
    }
    use.taken.add(number!);
  }

  async #takeNamedIp(ip: string, number: number | undefined): Promise<string | undefined> {
    if (number === undefined || !isInRange(this.#range, number)) {
      return `the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${this.#range.text}`;
    }
    return (await this.#named('ip', number)) ? undefined : 'provided IP is already allocated';
  }

  async #takePorts(draft: Draft<Service>, use: Use): Promise<void> {
    const spec = draft.spec;
    if (spec === undefined) return;
    if (needsNodePorts(draft)) await this.#takeNodePorts(draft, spec, use);
    if (!needsHealthCheckPort(draft)) return;
    const wanted = spec?.healthCheckNodePort ?? 0;
    if (wanted === 0)
      spec.healthCheckNodePort = await this.#takeAnyPort(use, 'failed to allocate a HealthCheck NodePort');
    else await this.#takeNamedPort(draft, wanted, { ...use, field: field('spec.healthCheckNodePort') });
  }

  async #takeNodePorts(draft: Given<Service>, spec: Draft<ServiceSpec>, use: Use): Promise<void> {
    // Ports with the same number and different protocols share a node port when they can.
    const byPort = new Map<number, Map<string, number>>();
    for (const [index, port] of (spec.ports ?? []).entries()) {
      const number = port.port ?? 0;
      const protocol = port.protocol ?? '';
      const shared = byPort.get(number) ?? new Map<string, number>();
      byPort.set(number, shared);
      const sharable = shared.has(protocol) ? undefined : [...shared.values()][0];
      const wanted = port.nodePort ?? 0;
      if (wanted === 0) port.nodePort = sharable ?? (await this.#takeAnyPort(use, 'failed to allocate a nodePort'));
      else if (wanted !== sharable) {
        await this.#takeNamedPort(draft, wanted, { ...use, field: child(at(field('spec.ports'), index), 'nodePort') });
      }
      shared.set(protocol, port.nodePort ?? 0);
    }
  }

  async #takeAnyPort(use: Use, failure: string): Promise<number> {
    const port = await this.#any('port', use.random);
    if (port === undefined) throw internalError(new Error(`${failure}: range is full`));
    use.taken.add(port);
    return port;
  }

  async #takeNamedPort(draft: Given<Service>, port: number, use: Use & { readonly field: FieldPath }): Promise<void> {
    if (use.held.ports.has(port) || use.taken.has(port)) return;
    const { first, last } = this.#portRange;
    if (!this.#ports.has(port)) {
      const detail = `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
      throw refused(draft, invalid(use.field, port, detail));
    }
    if (!(await this.#named('port', port)))
      throw refused(draft, invalid(use.field, port, 'provided port is already allocated'));
    use.taken.add(port);
  }
}

interface Use {
  readonly held: Holdings;
  readonly taken: Set<number>;
  readonly random: StrategyContext['random'];
}

/** The name of a number among the claims. */
function claimOf(kind: NumberKind, number: number): string {
  return `${kind}/${kind === 'ip' ? formatIpv4(number) : number}`;
}

function refused(draft: Given<Service>, error: FieldError): Error {
  return invalidObject({ group: '', kind: 'Service' }, draft.metadata?.name ?? '', [error]);
}
