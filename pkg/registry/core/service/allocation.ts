/**
 * What a Service takes from the cluster: its IPs, its node ports and the port for health checks. Allocation happens in the same
 * step as the write, so a Service is never seen without what it needs and nothing is lost when the write fails.
 *
 * State is in memory and recovered from the Services themselves, on first use where one server has the store. Where several do, what is taken is looked
 * up each time, and each number is claimed before it is given, so that no two servers give the same. Source: upstream `pkg/registry/core/service/storage/alloc.go`.
 */
import type { Service } from '#pkg/api/types/core-v1.ts';
import { services } from '#pkg/api/types/refs.ts';
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import { type FieldError, invalid, invalidObject, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { internalError } from '#pkg/apimachinery/status-error.ts';
import { type RegistryReader, type Reservation, readAll, type StrategyContext } from '#pkg/apiserver/strategy.ts';
import type { IpFamily } from './address-range.ts';
import { type AddressBook, type AddressUse, canonicalIp, IpAllocation } from './ip-allocation.ts';
import { needsClusterIp } from './normalize.ts';
import { type NumberClaims, PortAllocation, type PortRange } from './port-allocation.ts';

const field = pathsOf<Service>();

/** What Services are given of. */
export interface ServiceAllocationOptions {
  readonly nodePortRange: PortRange;
  /** Where several servers give of the same ports. */
  readonly claims?: NumberClaims | undefined;
  /** The objects of addresses that were given. Absent: there are none. */
  readonly addresses?: AddressBook | undefined;
}

/** What one Service holds. */
interface Holdings {
  readonly ips: ReadonlySet<string>;
  readonly ports: ReadonlySet<number>;
}

const nothing: Holdings = { ips: new Set(), ports: new Set() };

type BeginContext = Pick<StrategyContext, 'dryRun' | 'random'>;

/** The ranges of one server. What a Service holds is reserved with its write and released with its deletion. */
export class ServiceAllocation {
  readonly #ips: IpAllocation;
  readonly #ports: PortAllocation;
  readonly #isShared: boolean;
  /** What writes under way have taken or still hold, which no list of Services shows. */
  readonly #underWay = new Set<Holdings>();
  #recovery: Promise<void> | undefined;

  constructor({ nodePortRange, claims, addresses }: ServiceAllocationOptions) {
    this.#ips = new IpAllocation(addresses);
    this.#ports = new PortAllocation(nodePortRange, claims);
    this.#isShared = claims !== undefined;
  }

  /** Takes what `draft` needs beyond what `old` has, writes it into the draft, and releases on commit what is no longer needed. */
  async begin(
    draft: Draft<Service> | undefined,
    old: Given<Service> | undefined,
    context: BeginContext,
    reader: RegistryReader,
  ): Promise<Reservation> {
    await this.#recover(reader);
    const held = old === undefined ? nothing : this.#holdingsOf(old);
    const taken = { ips: new Set<string>(), ports: new Set<number>() };
    this.#underWay.add(taken);
    const { dryRun } = context;
    const giveBack = (): Promise<void> => this.#giveBack(taken, nothing, dryRun);
    if (draft !== undefined) {
      try {
        const { namespace = '', name = '' } = draft.metadata ?? {};
        const use = { owner: { namespace, name }, random: context.random, dryRun, reader };
        await this.#takeClusterIps(draft, { held: held.ips, taken: taken.ips }, use);
        const refuse = (error: FieldError): Error => refused(draft, error);
        await this.#ports.take(draft, { held: held.ports, taken: taken.ports, random: context.random, refuse });
      } catch (error) {
        await giveBack();
        throw error;
      } finally {
        if (!this.#isShared) this.#underWay.delete(taken);
      }
    }
    const kept = draft === undefined ? nothing : this.#holdingsOf(draft);
    return {
      commit: () => {
        this.#underWay.delete(taken);
        return this.#giveBack(held, kept, dryRun);
      },
      rollback: giveBack,
    };
  }

  /** Gives back what is not kept, for other servers too. */
  async #giveBack(held: Holdings, kept: Holdings, dryRun: boolean): Promise<void> {
    this.#underWay.delete(held);
    for (const port of held.ports) if (!kept.ports.has(port)) this.#ports.release(port);
    for (const ip of held.ips) if (!kept.ips.has(ip)) await this.#ips.release(ip, dryRun);
  }

  #recover(reader: RegistryReader): Promise<void> {
    if (this.#isShared) return this.#lookUp(reader);
    this.#recovery ??= this.#lookUp(reader).catch((error: unknown) => {
      this.#recovery = undefined;
      throw error;
    });
    return this.#recovery;
  }

  /** What all servers have given, as far as this one has heard. */
  async #lookUp(reader: RegistryReader): Promise<void> {
    const all = await readAll(reader, services);
    const held = [...all.map((service) => this.#holdingsOf(service)), ...this.#underWay];
    this.#ips.reset(held.flatMap(({ ips }) => [...ips]));
    this.#ports.reset(held.flatMap(({ ports }) => [...ports]));
  }

  #holdingsOf(service: Given<Service>): Holdings {
    const ips = (service.spec?.clusterIPs ?? []).map(canonicalIp).filter((ip) => ip !== undefined);
    return { ips: new Set(ips), ports: new Set(this.#ports.heldBy(service)) };
  }

  async #takeClusterIps(
    draft: Draft<Service>,
    { held, taken }: { readonly held: ReadonlySet<string>; readonly taken: Set<string> },
    use: AddressUse,
  ): Promise<void> {
    const spec = draft.spec;
    if (spec === undefined || !needsClusterIp(draft) || spec.clusterIP === 'None') return;
    const given = spec.clusterIPs ?? [];
    if (given[0] === 'None') return;
    const families = (spec.ipFamilies ?? []).filter((family): family is IpFamily => isFamily(family));
    const ips: string[] = [];
    for (const [index, family] of families.entries()) {
      const wanted = given[index] ?? '';
      const named = canonicalIp(wanted);
      if (named !== undefined && held.has(named)) {
        ips.push(wanted);
        continue;
      }
      const got = wanted === '' ? await this.#ips.takeAny(family, use) : await this.#ips.take(named ?? wanted, use);
      if (typeof got === 'string') {
        taken.add(got);
        ips.push(got);
      } else if (got === undefined) {
        taken.add(named ?? wanted);
        ips.push(wanted);
      } else if (wanted === '') throw internalError(new Error(`failed to allocate a serviceIP: ${got.problem}`));
      else
        throw refused(
          draft,
          invalid(field('spec.clusterIPs'), given, `failed to allocate IP ${wanted}: ${got.problem}`),
        );
    }
    spec.clusterIPs = ips;
    const [first] = ips;
    if (first !== undefined) spec.clusterIP = first;
  }
}

function isFamily(text: string): boolean {
  return text === 'IPv4' || text === 'IPv6';
}

function refused(draft: Given<Service>, error: FieldError): Error {
  return invalidObject({ group: '', kind: 'Service' }, draft.metadata?.name ?? '', [error]);
}
