/**
 * Reads batches of pages. Invariants: a batch is read whole and its check compared before any page of it is used; it names pages of the machine, each once; nothing it says decides
 * about more memory than a batch has.
 */
import { crc32 } from 'node:zlib';
import { PAGE_SIZE } from '../memory-map.ts';
import {
  batchPagesMax,
  classes,
  deltaMaskBytes,
  origins,
  type PageClass,
  type PageOrigin,
  takeStream,
  zeroPage,
} from './page-format.ts';
import { Fields, WireError } from './wire.ts';

/** What a decoder has of its surroundings. */
export interface DecoderDeps {
  readonly pages: number;
  readonly dictionary?: Uint8Array;
  /** A page as it was received last. */
  read(page: number): Uint8Array;
}

/** A page that came. */
export interface ReceivedPage {
  readonly page: number;
  readonly bytes: Uint8Array;
  readonly sum: number;
  readonly isZero: boolean;
}

/** A batch that is right. */
export interface ReceivedBatch {
  readonly round: number;
  readonly origin: PageOrigin;
  readonly pages: readonly ReceivedPage[];
}

interface Streams {
  readonly small: Fields;
  readonly deltas: Fields;
  readonly full: Fields;
}

/** Reads a batch; with `isAlone` it must refer to nothing but itself. Throws a WireError. */
export function decodeBatch(
  payload: Uint8Array,
  { deps, isAlone }: { readonly deps: DecoderDeps; readonly isAlone: boolean },
): ReceivedBatch {
  const fields = new Fields(payload);
  const check = fields.u32();
  const round = fields.u16();
  const origin = origins[fields.u8()];
  if (origin === undefined) throw new WireError('Cannot read pages: they say no reason');
  const told = readRuns(fields, deps.pages);
  const dictionary = deps.dictionary === undefined ? {} : { dictionary: deps.dictionary };
  const streams = {
    small: new Fields(takeStream(fields)),
    deltas: new Fields(takeStream(fields)),
    full: new Fields(takeStream(fields, dictionary)),
  };
  fields.end();
  const fresh = new Map<number, ReceivedPage>();
  const known = (page: number): Uint8Array => fresh.get(page)?.bytes ?? deps.read(page);
  for (const { page, kind } of told) {
    if (isAlone && (kind === 'copy' || kind === 'delta'))
      throw new WireError(`Cannot read page ${page}: it refers to what is not there`);
    const bytes = pageOf(kind, { page, streams, known, pages: deps.pages });
    fresh.set(page, { page, bytes, sum: crc32(bytes), isZero: kind === 'zero' });
  }
  for (const stream of Object.values(streams)) stream.end();
  const pages = [...fresh.values()];
  const sums = Uint32Array.from(pages, ({ sum }) => sum);
  if (crc32(new Uint8Array(sums.buffer)) !== check)
    throw new WireError('Cannot use pages: their check is that of others');
  return { round, origin, pages };
}

function readRuns(fields: Fields, pages: number): readonly { readonly page: number; readonly kind: PageClass }[] {
  const count = fields.u16();
  const told: { page: number; kind: PageClass }[] = [];
  const seen = new Set<number>();
  for (let run = 0; run < count; run++) {
    const kind = classes[fields.u8()];
    const first = fields.u32();
    const length = fields.u16();
    if (kind === undefined) throw new WireError('Cannot read pages of a class that there is not');
    if (told.length + length > batchPagesMax)
      throw new WireError(`Cannot read a batch of more than ${batchPagesMax} pages`);
    if (first + length > pages) throw new WireError(`Cannot take page ${first + length - 1}: the machine has ${pages}`);
    for (let page = first; page < first + length; page++) {
      if (seen.has(page)) throw new WireError(`Cannot take page ${page} twice in a batch`);
      seen.add(page);
      told.push({ page, kind });
    }
  }
  return told;
}

function pageOf(
  kind: PageClass,
  {
    page,
    streams,
    known,
    pages,
  }: { page: number; streams: Streams; known: (page: number) => Uint8Array; pages: number },
): Uint8Array {
  switch (kind) {
    case 'zero':
      return zeroPage;
    case 'word': {
      const bytes = new Uint8Array(PAGE_SIZE);
      new BigUint64Array(bytes.buffer).fill(new BigUint64Array(streams.small.take(8).slice().buffer)[0] ?? 0n);
      return bytes;
    }
    case 'copy': {
      const twin = streams.small.u32();
      if (twin >= pages) throw new WireError(`Cannot copy page ${twin}: the machine has ${pages}`);
      return known(twin);
    }
    case 'delta':
      return changed(known(page), streams.deltas);
    case 'full':
      return streams.full.take(PAGE_SIZE);
    default:
      kind satisfies never;
      throw new WireError('Cannot read a page');
  }
}

function changed(before: Uint8Array, deltas: Fields): Uint8Array {
  const bytes = before.slice();
  const words = new Uint32Array(bytes.buffer);
  const mask = deltas.take(deltaMaskBytes);
  for (let word = 0; word < words.length; word++) {
    if (((mask[word >> 3] ?? 0) & (1 << (word & 7))) !== 0) words[word] = (words[word] ?? 0) ^ deltas.u32();
  }
  return bytes;
}
