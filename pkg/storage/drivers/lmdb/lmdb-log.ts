/**
 * The log of writes on disk: one lmdb database from revision to record, in which the record of what was overwritten before the last
 * compaction is missing. Reading it from start to end gives the current state, so nothing else needs to be written.
 *
 * Invariant: an append is on the disk (synced) when its promise resolves.
 */
import { closeSync, openSync, readSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { open } from 'lmdb';
import { assert } from '#pkg/base/assert.ts';
import type { StoreEvent } from '../../store.ts';
import { StoreUnavailableError } from '../../store.ts';
import { eventRevision } from '../../watch-hub.ts';
import { decodeRecord, encodeRecord, type LogRecord, logFormat, recordLength } from './record.ts';

/** Records removed in one transaction: keeps the time short during which appends wait for a compaction. */
const removeBatch = 1_000;

/** Memory for records that is kept from one transaction to the next: what some hundred objects need. Larger ones get their own. */
const scratchBytesMax = 1024 * 1024;

/** Where an LMDB file has its magic number, and which one. Source: LMDB `mdb.c`, `MDB_meta` after the page header. */
const magicOffset = 24;
const magic = 0xbeefc0de;

export class LmdbLog {
  readonly #root: RootDatabase<Buffer, number>;
  readonly #records: Database<Buffer, number>;
  readonly #meta: Database<number, string>;
  readonly #directory: string;
  /**
   * Where records are put together. One transaction is under way at a time, so they all use the same memory: a buffer for each record
   * would cost more than filling it, and a busy server makes thousands a second.
   */
  #scratch = Buffer.alloc(0);
  #appending = false;

  /** Opens the log in a folder, which this process must have locked. */
  constructor(directory: string) {
    this.#directory = directory;
    checkFile(directory);
    // Without overlapping syncs a commit is visible and acknowledged only once it is on the disk, with no rules on top of LMDB's own.
    // Without turn batching a transaction starts at once: what belongs together is gathered before it comes here.
    const options = {
      path: directory,
      encoding: 'binary',
      maxDbs: 4,
      overlappingSync: false,
      eventTurnBatching: false,
    } as const;
    this.#root = open<Buffer, number>(options);
    this.#records = this.#root.openDB<Buffer, number>('log', { encoding: 'binary' });
    this.#meta = this.#root.openDB<number, string>('meta', { encoding: 'json' });
  }

  /** Checks the layout's version, and writes it into a new folder. */
  async checkFormat(): Promise<void> {
    const format = this.#meta.get('format');
    if (format === undefined) await this.#meta.put('format', logFormat);
    else if (format !== logFormat) {
      throw new StoreUnavailableError(
        `Cannot open ${this.#directory} as it has format ${format} and this version reads format ${logFormat}`,
      );
    }
  }

  /** The revision of the last compaction; 0 when there was none. */
  get compacted(): number {
    return this.#meta.get('compacted') ?? 0;
  }

  /** The greatest revision in the log; 0 when it is empty. */
  get lastRevision(): number {
    for (const revision of this.#records.getKeys({ reverse: true, limit: 1 })) return revision;
    return 0;
  }

  /** All records from `fromRevision` on, in revision order. */
  *records(fromRevision = 0): Generator<{ readonly revision: number; readonly record: LogRecord }> {
    for (const { key, value } of this.#records.getRange({ start: fromRevision })) {
      yield { revision: key, record: decodeRecord(value) };
    }
  }

  record(revision: number): LogRecord | undefined {
    const bytes = this.#records.get(revision);
    return bytes === undefined ? undefined : decodeRecord(bytes);
  }

  /** Why a transaction has probably failed, in words: the library only tells of an I/O error. */
  unavailable(action: string, cause: unknown): StoreUnavailableError {
    const { bavail, bsize } = statfsSync(this.#directory);
    const freeMebibytes = Math.floor((bavail * bsize) / 2 ** 20);
    const message = `Cannot ${action} in ${this.#directory} as the disk does not take it: ${freeMebibytes} MiB are free`;
    return new StoreUnavailableError(message, cause);
  }

  /** Writes events, which are in revision order, in one transaction. The one before must have ended. */
  async append(events: readonly StoreEvent[]): Promise<void> {
    assert(!this.#appending, 'an append began before the last one ended');
    this.#appending = true;
    try {
      const records = this.#encode(events);
      await this.#transaction(() => events.map((event, i) => this.#records.put(eventRevision(event), records[i]!)));
    } catch (error) {
      // Who knows what still reads it.
      this.#scratch = Buffer.alloc(0);
      throw error;
    } finally {
      this.#appending = false;
    }
  }

  #encode(events: readonly StoreEvent[]): readonly Buffer[] {
    const lengths = events.map(recordLength);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    if (total > this.#scratch.length) {
      const scratch = Buffer.allocUnsafeSlow(total > scratchBytesMax ? total : scratchBytesMax);
      if (total <= scratchBytesMax) this.#scratch = scratch;
      return fill(scratch, events, lengths);
    }
    return fill(this.#scratch, events, lengths);
  }

  /** Notes that everything before `revision` is forgotten, then removes records that are of no more use. */
  async compact(revision: number, dead: readonly number[]): Promise<void> {
    await this.#meta.put('compacted', revision);
    for (let i = 0; i < dead.length; i += removeBatch) {
      await this.#transaction(() => dead.slice(i, i + removeBatch).map((each) => this.#records.remove(each)));
    }
  }

  async close(): Promise<void> {
    await this.#root.close();
  }

  /** Does what `work` queues in one transaction. */
  async #transaction(work: () => readonly Promise<boolean>[]): Promise<void> {
    let parts: readonly Promise<boolean>[] = [];
    const whole = this.#records.batch(() => {
      parts = work();
    });
    const outcomes = await Promise.allSettled([whole, ...new Set(parts)]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw causeOf(outcome.reason);
  }
}

/** The records of `events`, one after the other in `scratch`. */
function fill(scratch: Buffer, events: readonly StoreEvent[], lengths: readonly number[]): Buffer[] {
  let at = 0;
  return events.map((event, i) => {
    const record = scratch.subarray(at, at + lengths[i]!);
    encodeRecord(event, record);
    at += lengths[i]!;
    return record;
  });
}

/** The library ends the process when it is given a file that is not a database, so that is found out beforehand. */
function checkFile(directory: string): void {
  const path = join(directory, 'data.mdb');
  // The two meta pages that every database begins with.
  const head = Buffer.alloc(8192);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  try {
    const bytes = readSync(file, head);
    // An empty file is what a first start leaves that was killed at once.
    if (bytes === 0 || (bytes === head.length && head.readUInt32LE(magicOffset) === magic)) return;
  } finally {
    closeSync(file);
  }
  throw new StoreUnavailableError(
    `Cannot open ${directory} as data.mdb is not a database: restore it or choose another data folder`,
  );
}

/** The library's error of a failed commit holds a promise that rejects with the reason, which nobody else would handle. */
function causeOf(error: unknown): unknown {
  if (error instanceof Error && 'commitError' in error && error.commitError instanceof Promise)
    error.commitError.catch(() => {});
  return error;
}
