/** Ranges of addresses, of either family, cut into equal blocks. Pure. */
import { formatIp, parseCidr } from '#pkg/apimachinery/ip.ts';
import { UserError } from '#pkg/component/user-error.ts';

/** A range in blocks, by index from 0. */
export interface CidrBlocks {
  /** How many there are. */
  readonly count: number;
  /** The block at an index, such as `127.128.3.0/24`. */
  block(index: number): string;
  /** The index of a block; undefined when it is not one of them. */
  indexOf(block: string): number | undefined;
}

/** Longest prefix of a block: a node has an address or two of its own in it. */
const prefixMax = { 4: 30, 16: 126 } as const;

/** Most bits by which a block of IPv6 may be longer than the range: there are more of them than anybody counts. Source: `clusterSubnetMaxDiff`. */
const ipv6BitsMax = 16;

/** Blocks of `maskSize` within `range`. Throws `UserError` for what is no range, is smaller than a block, or has more blocks than are counted. */
export function cidrBlocks(range: string, maskSize: number): CidrBlocks {
  const cut = parse(range);
  const isTooFine = cut === undefined || maskSize > prefixMax[cut.bytes];
  if (isTooFine || cut.size > maskSize || (cut.bytes === 16 && maskSize - cut.size > ipv6BitsMax))
    throw new UserError(`Cannot cut ${range} into blocks of /${maskSize}`);
  const { bytes } = cut;
  const count = 2 ** (maskSize - cut.size);
  const step = 1n << BigInt(bytes * 8 - maskSize);
  const start = cut.address - (cut.address % (1n << BigInt(bytes * 8 - cut.size)));
  return {
    count,
    block: (index) => `${format(start + BigInt(index) * step, bytes)}/${maskSize}`,
    indexOf: (block) => {
      const found = parse(block);
      if (found === undefined || found.bytes !== bytes || found.size !== maskSize) return undefined;
      const from = found.address - start;
      const index = Number(from / step);
      return from % step === 0n && from >= 0n && index < count ? index : undefined;
    },
  };
}

interface Range {
  readonly address: bigint;
  /** Of an address of the family. */
  readonly bytes: 4 | 16;
  readonly size: number;
}

function parse(cidr: string): Range | undefined {
  const block = parseCidr(cidr);
  if (block === undefined) return undefined;
  const bytes = block.address.length === 4 ? 4 : 16;
  return { address: BigInt(`0x${Buffer.from(block.address).toString('hex')}`), bytes, size: block.prefixBits };
}

function format(address: bigint, bytes: number): string {
  return formatIp(Uint8Array.from(Buffer.from(address.toString(16).padStart(bytes * 2, '0'), 'hex')));
}
