/** Ranges of addresses that Services are given of, of both families, and the addresses in them by number. Source: upstream `ipallocator`, KEP-1880. */
import { formatIp, type IpAddress, parseCidr, parseIp } from '#pkg/apimachinery/ip.ts';
import { reservedBand } from './allocator.ts';

/** A family of addresses. */
export type IpFamily = 'IPv4' | 'IPv6';

/** A network whose addresses are handed out. */
export interface AddressRange {
  readonly text: string;
  readonly family: IpFamily;
  /** The network's own address as a number. */
  readonly base: bigint;
  /** Usable addresses: `base + 1` to `base + size`, without the network's own and, for IPv4, without that for broadcasts. */
  readonly size: number;
  /** How many of the lowest are kept for those who name theirs. */
  readonly reserved: number;
}

/** Addresses of a range that are handed out, of what may be far more: of the first of them, so that numbers stay exact. */
const sizeMax = 2 ** 48;

/** The range of a CIDR; undefined for what is none. */
export function parseAddressRange(cidr: string): AddressRange | undefined {
  const block = parseCidr(cidr);
  if (block === undefined) return undefined;
  const { address, prefixBits } = block;
  const family = familyOfAddress(address);
  const bits = BigInt(address.length * 8 - prefixBits);
  const number = numberOf(address);
  const total = 1n << bits;
  const usable = family === 'IPv4' ? total - 2n : total - 1n;
  const size = Number(usable < 0n ? 0n : usable > BigInt(sizeMax) ? BigInt(sizeMax) : usable);
  return {
    text: cidr,
    family,
    base: number - (number % total),
    size,
    reserved: reservedBand(size, { part: 16, max: 256 }),
  };
}

/** The address that is the `index`th of a range, from 0 on, in the one form that is its name. */
export function addressAt({ base, family }: AddressRange, index: number): string {
  const bytes = new Uint8Array(family === 'IPv4' ? 4 : 16);
  let rest = base + 1n + BigInt(index);
  for (let at = bytes.length - 1; at >= 0; at--) {
    bytes[at] = Number(rest & 255n);
    rest >>= 8n;
  }
  return formatIp(bytes);
}

/** Whether a Service may have this address: in the range, and neither the network's own nor that for broadcasts. */
export function isInAddressRange({ base, size, family }: AddressRange, ip: IpAddress): boolean {
  if (familyOfAddress(ip) !== family) return false;
  const index = numberOf(ip) - base;
  return index > 0n && index <= BigInt(size);
}

/** The family of a text that is an address; undefined for what is none. */
export function familyOf(text: string): IpFamily | undefined {
  const ip = parseIp(text);
  return ip && familyOfAddress(ip);
}

function familyOfAddress(ip: IpAddress): IpFamily {
  return ip.length === 4 ? 'IPv4' : 'IPv6';
}

function numberOf(ip: IpAddress): bigint {
  return ip.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}
