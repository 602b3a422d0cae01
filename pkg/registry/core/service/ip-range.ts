/** IPv4 ranges as numbers, for allocating addresses. */
import { parseIpv4 } from '#pkg/apimachinery/ipv4-range.ts';
import { assert } from '#pkg/base/assert.ts';

/** An IPv4 network whose addresses are handed out. */
export interface IpRange {
  readonly text: string;
  /** The network's own address as a number. */
  readonly base: number;
  /** Usable addresses: `base + 1` to `base + size`, without the network's and the broadcast address. */
  readonly size: number;
}

/** The range of an IPv4 CIDR of at least four addresses; throws for any other text, as options are checked before. */
export function parseIpRange(cidr: string): IpRange {
  const [address = '', prefix = ''] = cidr.split('/');
  const bits = 32 - Number(prefix);
  const number = parseIpv4(address);
  assert(number !== undefined && bits >= 2 && bits <= 31, `${cidr} is an IPv4 CIDR of at least 4 addresses`);
  const base = Math.floor(number / 2 ** bits) * 2 ** bits;
  return { text: cidr, base, size: 2 ** bits - 2 };
}

/** Whether a Service may have this address: inside the range, neither the network's nor the broadcast address. */
export function isInRange(range: IpRange, number: number): boolean {
  return number > range.base && number <= range.base + range.size;
}
