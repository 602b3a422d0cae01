/**
 * Cluster IPs, of the ranges that the ServiceCIDR objects name. What is given has an IPAddress object that names its Service, made before the Service is and deleted
 * after it: as nobody can make a second one, no two servers give the same address, and a range that is in use is seen to be.
 *
 * Invariant: an address is in `#used` from its reservation until it is released and its object gone. Where one server has the store that is all there is to
 * know; where several do it is only what need not be tried. Source: upstream `pkg/registry/core/service/ipallocator` (`MetaAllocator`), KEP-1880.
 */
import type { ServiceCIDR } from '#pkg/api/types/networking-v1.ts';
import { serviceCIDrs } from '#pkg/api/types/refs.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { formatIp, parseIp } from '#pkg/apimachinery/ip.ts';
import { type RegistryReader, readAll, type StrategyContext } from '#pkg/apiserver/strategy.ts';
import { randomInt } from '#pkg/base/random.ts';
import { type AddressRange, addressAt, type IpFamily, isInAddressRange, parseAddressRange } from './address-range.ts';

/** The Service that an address is for. */
export interface AddressOwner {
  readonly namespace: string;
  readonly name: string;
}

/** The IPAddress objects of Services. */
export interface AddressBook {
  /** Makes the object of an address; false when there is one. */
  create(ip: string, owner: AddressOwner): Promise<boolean>;
  /** Deletes it; does nothing where there is none. */
  delete(ip: string): Promise<void>;
}

/** Why an address was not given. */
export interface NotAllocated {
  readonly problem: string;
}

/** What an address is taken for. */
export interface AddressUse {
  readonly owner: AddressOwner;
  readonly random: StrategyContext['random'];
  /** Whether nothing is to be written: then nobody else sees what was taken. */
  readonly dryRun: boolean;
  readonly reader: RegistryReader;
}

/** The addresses of one server. */
export class IpAllocation {
  readonly #used = new Set<string>();
  readonly #book: AddressBook | undefined;

  /** Without a book there are no objects. */
  constructor(book: AddressBook | undefined) {
    this.#book = book;
  }

  /** Starts over with what is taken. */
  reset(ips: Iterable<string>): void {
    this.#used.clear();
    for (const ip of ips) this.#used.add(ip);
  }

  /** Takes an address that was asked for, in its canonical form. */
  async take(ip: string, use: AddressUse): Promise<NotAllocated | undefined> {
    const address = parseIp(ip);
    const ranges = await readyRanges(use.reader);
    if (address === undefined || !ranges.some((range) => isInAddressRange(range, address)))
      return { problem: 'the provided network does not match the current range' };
    const isTaken = await this.#claim(ip, use);
    return isTaken ? undefined : { problem: 'provided IP is already allocated' };
  }

  /** Takes any free address of a family: of the upper part of a range first. */
  async takeAny(family: IpFamily, use: AddressUse): Promise<NotAllocated | string> {
    for (const range of await readyRanges(use.reader)) {
      if (range.family !== family) continue;
      const { reserved, size } = range;
      const ip =
        (await this.#takeOf(range, { first: reserved, size: size - reserved }, use)) ??
        (await this.#takeOf(range, { first: 0, size: reserved }, use));
      if (ip !== undefined) return ip;
    }
    return { problem: 'range is full' };
  }

  /** Gives an address back, once its object is gone. What cannot be deleted now is found by the repair loop. */
  async release(ip: string, dryRun: boolean): Promise<void> {
    try {
      if (!dryRun) await this.#book?.delete(ip);
    } catch {
      // The Service has been written, or was not: that its address is not free again yet is no reason to say otherwise.
    }
    this.#used.delete(ip);
  }

  /** Looks at each address of a band once, from a random one on. */
  async #takeOf(
    range: AddressRange,
    { first, size }: { readonly first: number; readonly size: number },
    use: AddressUse,
  ): Promise<string | undefined> {
    if (size <= 0) return undefined;
    const start = randomInt(use.random, size);
    for (let i = 0; i < size; i++) {
      const ip = addressAt(range, first + ((start + i) % size));
      if (!this.#used.has(ip) && (await this.#claim(ip, use))) return ip;
    }
    return undefined;
  }

  async #claim(ip: string, { owner, dryRun }: AddressUse): Promise<boolean> {
    if (this.#used.has(ip)) return false;
    this.#used.add(ip);
    if (dryRun || this.#book === undefined) return true;
    let isMade = false;
    try {
      isMade = await this.#book.create(ip, owner);
    } finally {
      if (!isMade) this.#used.delete(ip);
    }
    return isMade;
  }
}

/** The one form of an address; undefined for what is none. */
export function canonicalIp(text: string): string | undefined {
  const ip = parseIp(text);
  return ip && formatIp(ip);
}

/** Ranges that addresses may be taken of now: of a ServiceCIDR that stays and is not said to be unready. */
async function readyRanges(reader: RegistryReader): Promise<readonly AddressRange[]> {
  const objects = await readAll(reader, serviceCIDrs);
  return objects.filter(isReady).flatMap(rangesOf);
}

function isReady({ metadata, status }: Given<ServiceCIDR>): boolean {
  if (metadata?.deletionTimestamp !== undefined) return false;
  const ready = (status?.conditions ?? []).find(({ type }) => type === 'Ready');
  return ready === undefined || ready.status === 'True';
}

/** The ranges of the objects; a later version of one has another entry. */
const known = new WeakMap<object, readonly AddressRange[]>();

function rangesOf(object: Given<ServiceCIDR>): readonly AddressRange[] {
  let ranges = known.get(object);
  if (ranges === undefined) {
    ranges = (object.spec?.cidrs ?? []).map(parseAddressRange).filter((range) => range !== undefined);
    known.set(object, ranges);
  }
  return ranges;
}
