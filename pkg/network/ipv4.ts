/** IPv4 addresses and ranges as numbers. */

/** A range as its first address and the bits of its prefix. */
export interface Ipv4Range {
  readonly base: number;
  readonly prefixBits: number;
  /** Addresses in the range. */
  readonly size: number;
}

/** The number of a dotted address, or undefined when it is not one. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

/** The dotted form of a number. */
export function formatIpv4(address: number): string {
  return [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255].join('.');
}

/** The range that `a.b.c.d/n` names, or undefined when it is not one. Bits beyond the prefix are cleared. */
export function parseIpv4Range(text: string): Ipv4Range | undefined {
  const [addressText, bitsText, ...rest] = text.split('/');
  if (addressText === undefined || bitsText === undefined || rest.length > 0) return undefined;
  const address = parseIpv4(addressText);
  if (address === undefined || !/^\d{1,2}$/.test(bitsText) || Number(bitsText) > 32) return undefined;
  const prefixBits = Number(bitsText);
  const size = 2 ** (32 - prefixBits);
  return { base: Math.floor(address / size) * size, prefixBits, size };
}
