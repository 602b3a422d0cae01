/**
 * Keys whose values stay on the disk: objects of which there are many and which few read, such as events. Three lmdb tables:
 *
 * | table | key | value |
 * |---|---|---|
 * | `cold` | revision of a put | the put, as a group of one (`write-group.ts`), compressed with a sample of such values |
 * | `coldKeys` | key of the store that exists | CRC-32 of it all; modRevision, createRevision, time of expiry (64-bit floats) |
 * | `coldExpiry` | time of expiry, revision (64-bit floats, big-endian) | – |
 *
 * Invariants: `coldKeys` and `coldExpiry` name exactly what exists; `cold` also has what was replaced or deleted until it is compacted.
 * The log says what ended when (`lmdb-log.ts`), so opening the store reads nothing here. Memory holds nothing: what is read is the
 * system's file cache. A put's revision is greater than all before it, so its table is only ever appended to and its pages are full.
 *
 * It shows what it has on the disk: what the journal is ahead of it is the view's (`cold-view.ts`), and that a write under way shows nowhere the caller's (`lmdb-store.ts`).
 */
import { crc32 } from 'node:zlib';
import type { Database, RootDatabase, Transaction } from 'lmdb';
import type { Expiring } from '../../expiry.ts';
import { endOfPrefix } from '../../prefix.ts';
import { compareKeys } from '../../sorted-map.ts';
import type { KeyValue, RangeOptions } from '../../store.ts';
import { append } from './append.ts';
import { Lz4Compressor } from './lz4.ts';
import type { Scratch } from './scratch.ts';
import {
  DamagedGroupError,
  decodeGroup,
  encodeGroup,
  groupLength,
  type LoggedWrite,
  type WriteRecord,
} from './write-group.ts';

/** What exists under a key. */
export interface ColdKey {
  readonly key: string;
  readonly modRevision: number;
  readonly createRevision: number;
  /** 0 for never. */
  readonly expiresMs: number;
}

/** The moment of which something is read. Default: now. */
export interface AsOf {
  readonly transaction?: Transaction;
}

/** How a write of the table is done. */
export interface ColdWriting {
  /** What exists under its key. */
  readonly previous: ColdKey | undefined;
  readonly scratch: Scratch;
  readonly queued: Promise<boolean>[];
}

const entryBytes = 28;

const noBytes = Buffer.alloc(0);

/** Smaller puts are left as they are. Larger ones are compressed (LZ4): an event to a third or less. */
const compressedBytesMin = 256;

/** The three tables of one store. */
export class ColdTable {
  readonly #puts: Database<Buffer, number>;
  /** The same, for values that are compressed already. */
  readonly #compressedPuts: Database<Buffer, number>;
  readonly #compressor: Lz4Compressor;
  readonly #keys: Database<Buffer, Buffer>;
  readonly #expiry: Database<Buffer, Buffer>;
  /** Makes the error of a place that is not as it was written. */
  readonly #damaged: (what: string) => Error;

  /** `sample` is a text that values have much in common with; it must be the same each time. */
  constructor(root: RootDatabase<Buffer, number>, options: { sample: string; damaged: (what: string) => Error }) {
    const { sample, damaged } = options;
    const dictionary = Buffer.from(sample);
    const compression = { threshold: compressedBytesMin, dictionary };
    this.#compressor = new Lz4Compressor(dictionary, compressedBytesMin);
    this.#puts = root.openDB<Buffer, number>('cold', { encoding: 'binary', compression });
    this.#compressedPuts = root.openDB<Buffer, number>('cold', { encoding: 'binary' });
    this.#keys = root.openDB<Buffer, Buffer>('coldKeys', { encoding: 'binary', keyEncoding: 'binary' });
    this.#expiry = root.openDB<Buffer, Buffer>('coldExpiry', { encoding: 'binary', keyEncoding: 'binary' });
    this.#damaged = damaged;
  }

  /** The greatest revision of a put; 0 when there is none. */
  get lastRevision(): number {
    return this.newestPut();
  }

  /** The same, of a moment. */
  newestPut(of: AsOf = {}): number {
    for (const revision of this.#puts.getKeys({ reverse: true, limit: 1, ...of })) return revision;
    return 0;
  }

  find(key: string): ColdKey | undefined {
    const name = Buffer.from(key);
    const entry = this.#keys.get(name);
    return entry && this.#decode(name, entry);
  }

  get(key: string): KeyValue | undefined {
    const found = this.find(key);
    return found && this.value(found.modRevision);
  }

  /** What the put of a revision wrote. It must not have been compacted away. */
  value(revision: number): KeyValue {
    const put = this.put(revision);
    if (put === undefined) throw this.#damaged(`the put of revision ${revision} is missing`);
    return keyValueOf(put);
  }

  /** The put of a revision; undefined when there is none. */
  put(revision: number): LoggedWrite | undefined {
    const record = this.#puts.get(revision);
    return record && this.#decodePut(revision, record);
  }

  /** The keys that exist of a range, in order, without a limit; it must be read to where it is wanted before anything else runs. */
  *scan({ prefix, startKey }: RangeOptions, of: AsOf = {}): Generator<ColdKey> {
    const range = { ...bounds(prefix, startKey), ...of };
    for (const { key, value } of this.#keys.getRange(range)) yield this.#decode(key, value);
  }

  /** How many keys exist of a range: some 0.2 µs each. */
  count({ prefix, startKey }: RangeOptions): number {
    return this.#keys.getKeysCount(bounds(prefix, startKey));
  }

  /** The puts from `fromRevision` on, in revision order. */
  *putsFrom(fromRevision: number, of: AsOf = {}): Generator<LoggedWrite> {
    for (const { key, value } of this.#puts.getRange({ start: fromRevision, ...of })) yield this.#decodePut(key, value);
  }

  /**
   * Queues a write, and adds what comes of it to `queued`; `previous` is what exists under its key. To be called within a batch, and nobody may
   * use the scratch for something else until that is on the disk.
   */
  write(record: WriteRecord, { previous, scratch, queued }: ColdWriting): void {
    const { key, revision, expiresMs } = record;
    const name = Buffer.from(key);
    if (previous !== undefined && previous.expiresMs > 0) {
      queued.push(this.#expiry.remove(expiryKey(previous.expiresMs, previous.modRevision)));
    }
    if (record.type === 'delete') {
      queued.push(this.#keys.remove(name));
      return;
    }
    queued.push(this.#append(record, scratch));
    queued.push(this.#keys.put(name, encodeEntry(name, record, scratch.take(entryBytes))));
    if (expiresMs > 0) queued.push(this.#expiry.put(expiryKey(expiresMs, revision), noBytes));
  }

  #append(record: WriteRecord, scratch: Scratch): Promise<boolean> {
    const { revision } = record;
    const group = [record];
    const length = groupLength(group);
    const compressor = this.#compressor;
    if (length > compressor.valueBytesMax) {
      const bytes = scratch.take(length);
      encodeGroup(group, bytes);
      return append(this.#puts, revision, bytes);
    }
    encodeGroup(group, compressor.place(length));
    const bytes = scratch.take(compressor.bound(length));
    const compressed = scratch.shorten(bytes, compressor.compress(length, bytes));
    return append(this.#compressedPuts, revision, compressed);
  }

  /** Queues the removal of a put that was replaced or deleted. To be called within a batch. */
  forget(revision: number): Promise<boolean> {
    return this.#puts.remove(revision);
  }

  /** The earliest time of expiry of the puts that count. */
  nextMs(counts: (revision: number) => boolean): number | undefined {
    for (const key of this.#expiry.getKeys()) if (counts(key.readDoubleBE(8))) return key.readDoubleBE(0);
    return undefined;
  }

  /** Up to `limit` of the puts that count and are due. */
  due(nowMs: number, limit: number, counts: (revision: number) => boolean): Expiring[] {
    const due: Expiring[] = [];
    for (const key of this.#expiry.getKeys({ end: expiryKey(nowMs, Number.MAX_SAFE_INTEGER) })) {
      if (due.length >= limit) break;
      const revision = key.readDoubleBE(8);
      if (counts(revision)) due.push({ key: this.value(revision).key, revision });
    }
    return due;
  }

  #decode(name: Buffer, entry: Buffer): ColdKey {
    const isSound = entry.length === entryBytes && entry.readUInt32LE(0) === checksum(name, entry);
    if (!isSound) throw this.#damaged(`the entry of key ${name} is not as it was written`);
    return {
      key: name.toString(),
      modRevision: entry.readDoubleLE(4),
      createRevision: entry.readDoubleLE(12),
      expiresMs: entry.readDoubleLE(20),
    };
  }

  #decodePut(revision: number, record: Buffer): LoggedWrite {
    try {
      const [put] = decodeGroup(record);
      if (put?.revision === revision) return put;
    } catch (error) {
      if (!(error instanceof DamagedGroupError)) throw error;
    }
    throw this.#damaged(`the put of revision ${revision} is not as it was written`);
  }
}

/** What a put left. Its value is that of the put: part of what was read, which is little more. */
export function keyValueOf({ key, value, createRevision, revision }: WriteRecord): KeyValue {
  return { key, value, createRevision, modRevision: revision };
}

function encodeEntry(name: Buffer, { revision, createRevision, expiresMs }: WriteRecord, entry: Buffer): Buffer {
  entry.writeDoubleLE(revision, 4);
  entry.writeDoubleLE(createRevision, 12);
  entry.writeDoubleLE(expiresMs, 20);
  entry.writeUInt32LE(checksum(name, entry), 0);
  return entry;
}

function checksum(name: Buffer, entry: Buffer): number {
  return crc32(entry.subarray(4), crc32(name));
}

function expiryKey(expiresMs: number, revision: number): Buffer {
  const key = Buffer.allocUnsafe(16);
  key.writeDoubleBE(expiresMs, 0);
  key.writeDoubleBE(revision, 8);
  return key;
}

/** lmdb's form of a range. */
function bounds(prefix: string, startKey: string | undefined): { start?: Buffer; end?: Buffer } {
  const start = startKey !== undefined && compareKeys(startKey, prefix) > 0 ? startKey : prefix;
  const end = endOfPrefix(prefix);
  return { ...(start !== '' && { start: Buffer.from(start) }), ...(end && { end }) };
}
