/** From blocks of addresses and what is excepted of them to ranges of which none touches another, as interval sets of nftables take them. Pure. */
import { formatIp, type IpAddress, parseCidr } from '#pkg/apimachinery/ip.ts';

/** A block of an `ipBlock`, and blocks within it that do not count. */
export interface ExceptedBlock {
  readonly cidr: string;
  readonly except: readonly string[];
}

interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

/** The ranges of one family (`10.0.0.0-10.0.0.255`) that any of the blocks has. What is no block is left out. */
export function addressRanges(blocks: readonly ExceptedBlock[], family: '4' | '6'): readonly string[] {
  const bytes = family === '4' ? 4 : 16;
  const ranges = blocks.flatMap(({ cidr, except }) => {
    const whole = rangeOf(cidr, bytes);
    if (whole === undefined) return [];
    return except.reduce<readonly Range[]>(
      (left, text) => {
        const hole = rangeOf(text, bytes);
        return hole === undefined ? left : left.flatMap((range) => without(range, hole));
      },
      [whole],
    );
  });
  return joined(ranges).map(({ first, last }) => {
    const text = formatIp(bytesOf(first, bytes));
    return first === last ? text : `${text}-${formatIp(bytesOf(last, bytes))}`;
  });
}

/** At most two parts. */
function without({ first, last }: Range, hole: Range): readonly Range[] {
  if (hole.last < first || hole.first > last) return [{ first, last }];
  return [
    ...(hole.first > first ? [{ first, last: hole.first - 1n }] : []),
    ...(hole.last < last ? [{ first: hole.last + 1n, last }] : []),
  ];
}

function joined(ranges: readonly Range[]): readonly Range[] {
  const sorted = ranges.toSorted((a, b) => (a.first < b.first ? -1 : 1));
  const all: Range[] = [];
  for (const range of sorted) {
    const before = all.at(-1);
    if (before === undefined || range.first > before.last + 1n) all.push(range);
    else if (range.last > before.last) all[all.length - 1] = { first: before.first, last: range.last };
  }
  return all;
}

function rangeOf(cidr: string, bytes: number): Range | undefined {
  const block = parseCidr(cidr);
  if (block?.address.length !== bytes) return undefined;
  const bits = BigInt(bytes * 8 - block.prefixBits);
  const first = (numberOf(block.address) >> bits) << bits;
  return { first, last: first + (1n << bits) - 1n };
}

function numberOf(address: IpAddress): bigint {
  return address.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

function bytesOf(number: bigint, length: number): IpAddress {
  return Uint8Array.from({ length }, (_, index) => Number((number >> BigInt(8 * (length - 1 - index))) & 255n));
}
