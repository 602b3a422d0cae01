/** Which ranges hold which addresses and ranges. Source: upstream `pkg/api/servicecidr`. */
import type { ServiceCIDR } from '#pkg/api/types/networking-v1.ts';
import { blockContains, type IpAddress, type IpBlock, parseCidr, parseIp } from '#pkg/apimachinery/ip.ts';

/** The blocks of a range; what is none is passed over. */
export function blocksOf({ spec }: ServiceCIDR): readonly IpBlock[] {
  return (spec?.cidrs ?? []).map(parseCidr).filter((block) => block !== undefined);
}

/** Whether an address is one that a range gives: neither the block's own nor, for IPv4, that for broadcasts. */
export function holdsAddress(range: ServiceCIDR, text: string): boolean {
  const ip = parseIp(text);
  return ip !== undefined && blocksOf(range).some((block) => isGivenBy(block, ip));
}

function isGivenBy(block: IpBlock, ip: IpAddress): boolean {
  if (!blockContains(block, ip)) return false;
  const free = ip.length * 8 - block.prefixBits;
  const ends = [0, 1].filter((bit) => lowBitsAre(ip, free, bit));
  return !ends.includes(0) && (ip.length === 16 || !ends.includes(1));
}

function lowBitsAre(ip: IpAddress, count: number, bit: number): boolean {
  for (let i = 0; i < count; i++) {
    const byte = ip[ip.length - 1 - (i >> 3)] ?? 0;
    if (((byte >> (i & 7)) & 1) !== bit) return false;
  }
  return true;
}

/** Whether a range has all of a block. */
export function holdsBlock(range: ServiceCIDR, { address, prefixBits }: IpBlock): boolean {
  return blocksOf(range).some((own) => own.prefixBits <= prefixBits && blockContains(own, address));
}

/** Whether two ranges have an address in common. */
export function overlap(one: ServiceCIDR, other: ServiceCIDR): boolean {
  return (
    blocksOf(one).some((block) => holdsBlock(other, block)) || blocksOf(other).some((block) => holdsBlock(one, block))
  );
}
