/** Ranges of IPv4 addresses cut into equal blocks. Pure. */

/** A range in blocks, by index from 0. */
export interface CidrBlocks {
  /** How many there are. */
  readonly count: number;
  /** The block at an index, such as `127.128.3.0/24`. */
  block(index: number): string;
  /** The index of a block; undefined when it is not one of them. */
  indexOf(block: string): number | undefined;
}

/** Blocks of `maskSize` within `range`. Throws for a range that is not IPv4 or smaller than a block. */
export function cidrBlocks(range: string, maskSize: number): CidrBlocks {
  const parsed = parse(range);
  if (parsed === undefined || parsed.size > maskSize || maskSize > 30)
    throw new Error(`Cannot cut ${range} into blocks of /${maskSize}`);
  const count = 2 ** (maskSize - parsed.size);
  const step = 2 ** (32 - maskSize);
  const start = parsed.address - (parsed.address % 2 ** (32 - parsed.size));
  return {
    count,
    block: (index) => `${format(start + index * step)}/${maskSize}`,
    indexOf: (block) => {
      const found = parse(block);
      if (found === undefined || found.size !== maskSize) return undefined;
      const index = (found.address - start) / step;
      return Number.isInteger(index) && index >= 0 && index < count ? index : undefined;
    },
  };
}

function parse(cidr: string): { readonly address: number; readonly size: number } | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr);
  if (match === null) return undefined;
  const [a, b, c, d, size] = match.slice(1).map(Number) as [number, number, number, number, number];
  if (size > 32 || [a, b, c, d].some((octet) => octet > 255)) return undefined;
  return { address: a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d, size };
}

function format(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}
