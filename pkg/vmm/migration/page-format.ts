/**
 * What a batch of pages looks like on the wire, for its encoder and its decoder. In order: a check over the pages as they are (CRC-32 of their CRC-32s), round, why it was
 * sent, how many runs; the runs (class, first page, number of pages that follow each other); then three streams, each compressed whole or as it is: words and
 * references of the runs, differences, pages in full. All is little-endian.
 */
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { errorText } from '#pkg/base/error-text.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import { type Fields, WireError } from './wire.ts';

/** How a page is told: all zeros; one word of eight bytes throughout; what another page is; how it differs from its last version; its bytes. */
export const classes = ['zero', 'word', 'copy', 'delta', 'full'] as const;

/** Index into `classes`. */
export type PageClass = (typeof classes)[number];

/** Why a batch is sent: part of a round, asked for by a fault, or pushed. */
export const origins = ['round', 'demand', 'push'] as const;

/** One of `origins`. */
export type PageOrigin = (typeof origins)[number];

/** Pages of a batch at most: a quarter of a MiB, which takes a millisecond or two to compress. */
export const batchPagesMax = 64;
/** The same of a round that is sent while the guest runs, which stands still for it: few in the first, which has most; more in those that are to be over before it has written as much again. */
export function roundPagesMax(round: number): number {
  return round === 0 ? 16 : 32;
}
/** A changed word of a difference has a bit here. */
export const deltaMaskBytes = PAGE_SIZE / 4 / 8;
/** With more changed words the page is sent in full. */
export const deltaWordsMax = 512;

const streamBytesMax = batchPagesMax * PAGE_SIZE;
const worthBytes = 64;

/** A page of nothing. */
export const zeroPage = new Uint8Array(PAGE_SIZE);
/** Its check. */
export const zeroSum = crc32(zeroPage);

/** How many pages are not zeros, by their sums. */
export function filledPages(sums: Uint32Array): number {
  // Signed they are no objects to the engine, of which there would be one for each page.
  const signed = new Int32Array(sums.buffer, sums.byteOffset, sums.length);
  const zero = zeroSum | 0;
  let filled = 0;
  for (let page = 0; page < signed.length; page++) if (signed[page] !== zero) filled++;
  return filled;
}

/** Appends fields to a payload. */
export class FieldWriter {
  private bytes = new Uint8Array(256);
  private length = 0;

  u8(value: number): void {
    this.view(1).setUint8(this.length++, value);
  }

  u16(value: number): void {
    this.view(2).setUint16(this.length, value, true);
    this.length += 2;
  }

  u32(value: number): void {
    this.view(4).setUint32(this.length, value, true);
    this.length += 4;
  }

  put(bytes: Uint8Array): void {
    this.view(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  take(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  private view(more: number): DataView {
    if (this.length + more > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more));
      grown.set(this.bytes);
      this.bytes = grown;
    }
    return new DataView(this.bytes.buffer);
  }
}

/** How a stream is compressed: not at all without `isCompressing`; `dictionary` is what both ends have. */
export interface StreamOptions {
  readonly isCompressing: boolean;
  readonly dictionary?: Uint8Array;
}

/** Appends a stream; says how many bytes it took and whether it became smaller. */
export function putStream(
  writer: FieldWriter,
  bytes: Uint8Array,
  options: StreamOptions,
): { readonly sentBytes: number; readonly isSmaller: boolean } {
  const packed = options.isCompressing && bytes.length >= worthBytes ? compress(bytes, options.dictionary) : bytes;
  const isSmaller = packed.length < bytes.length;
  const sent = isSmaller ? packed : bytes;
  writer.u32(bytes.length);
  writer.u32(sent.length);
  writer.put(sent);
  return { sentBytes: sent.length, isSmaller };
}

/** Reads a stream of at most `bytesMax`. */
export function takeStream(
  fields: Fields,
  options: { readonly dictionary?: Uint8Array; readonly bytesMax?: number } = {},
): Uint8Array {
  const length = fields.u32();
  const sentLength = fields.u32();
  const bytesMax = options.bytesMax ?? streamBytesMax;
  if (length > bytesMax || sentLength > length) {
    throw new WireError(`Cannot read a stream of ${length} bytes in ${sentLength}: it has ${bytesMax} at most`);
  }
  const sent = fields.take(sentLength);
  return sentLength === length ? sent : expand(sent, { length, dictionary: options.dictionary });
}

function compress(bytes: Uint8Array, dictionary: Uint8Array | undefined): Uint8Array {
  const params = { [constants.ZSTD_c_compressionLevel]: 1 };
  return zstdCompressSync(bytes, { params, ...(dictionary === undefined ? {} : { dictionary }) });
}

function expand(
  bytes: Uint8Array,
  { length, dictionary }: { readonly length: number; readonly dictionary: Uint8Array | undefined },
): Uint8Array {
  try {
    const whole = zstdDecompressSync(bytes, {
      maxOutputLength: Math.max(1, length),
      ...(dictionary === undefined ? {} : { dictionary }),
    });
    // As a Buffer's `slice` is no copy.
    if (whole.length === length) return new Uint8Array(whole.buffer, whole.byteOffset, length);
  } catch (error) {
    throw new WireError(`Cannot expand a stream: ${errorText(error)}`);
  }
  throw new WireError('Cannot expand a stream: it has another length than was said');
}
