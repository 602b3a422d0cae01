/** IPv4 addresses and ranges as numbers, for what counts through them. Their text is read by `ip.ts`. */
import { type IpAddress, parseCidr, parseIp } from './ip.ts';

/** A range as its first address and the bits of its prefix. */
export interface Ipv4Range {
  readonly base: number;
  readonly prefixBits: number;
  /** Addresses in the range. */
  readonly size: number;
}

/** The number, below 2^32, of a dotted address; undefined when it is not one. */
export function parseIpv4(text: string): number | undefined {
  const address = parseIp(text);
  return address?.length === 4 ? numberOf(address) : undefined;
}

/** The dotted form of a number. */
export function formatIpv4(address: number): string {
  return [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255].join('.');
}

/** The range that `a.b.c.d/n` names, or undefined when it is not one. Bits beyond the prefix are cleared. */
export function parseIpv4Range(text: string): Ipv4Range | undefined {
  const block = parseCidr(text);
  if (block?.address.length !== 4) return undefined;
  const size = 2 ** (32 - block.prefixBits);
  return { base: Math.floor(numberOf(block.address) / size) * size, prefixBits: block.prefixBits, size };
}

function numberOf(address: IpAddress): number {
  return address.reduce((number, byte) => number * 256 + byte, 0);
}
