/**
 * The writes on disk: one lmdb table of write groups by first revision, in which what was overwritten before the last
 * compaction is missing, and the cold table beside it (`cold-table.ts`), both written in one transaction. Reading the log from start to end
 * gives the current state of what is not cold, and what of the cold was replaced or deleted when: its creations are not in the log. A compaction
 * rewrites every group that holds something dead, so the file is bounded by what is live and what changed since the last two. What is dead goes
 * either at once (`compact`) or with the appends that come (`doom`), which costs least: lmdb goes through all that is free at each commit, and
 * gives to an append what it took out itself.
 *
 * Invariant: an append is on the disk (synced) when its promise resolves; of a log that does not wait for the disk, it is with the system, and outlives
 * the process.
 */
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { open } from 'lmdb';
import { assert } from '#pkg/base/assert.ts';
import { StoreUnavailableError } from '../../store.ts';
import { type ColdKey, ColdTable } from './cold-table.ts';
import { DiskRoom, freeBytes, fullBytes } from './disk-room.ts';
import { findDamage } from './file-check.ts';
import { causeOf, checkedGroup, damagedError, otherFormatError } from './folder-errors.ts';
import { GroupIndex } from './group-index.ts';
import { GroupsInPlace } from './groups-in-place.ts';
import { Scratch } from './scratch.ts';
import {
  coldMark,
  decodeGroup,
  decodeHeads,
  eachValue,
  encodeGroup,
  groupLength,
  joinWrites,
  type LoggedWrite,
  logFormat,
  type WriteHead,
  type WriteRecord,
} from './write-group.ts';

/**
 * Groups that one transaction of a compaction changes, and bytes it writes: keeps the time short during which appends wait for it, and for
 * which the process does nothing else.
 */
const rewriteGroupsMax = 256;
const rewriteBytesMax = 1024 * 1024;

/** Dead writes that an append takes out for each of its own: more than one, so that what is doomed has an end. */
const doomedPerWrite = 2;

/** Which keys are kept in the cold table. */
export interface ColdKeys {
  /** Those that begin so. */
  readonly prefixes: readonly string[];
  /** A text that their values have much in common with: they are compressed with it. At most 64 KiB. */
  readonly sample: string;
}

/** A write to append. */
export interface Append {
  readonly record: WriteRecord;
  /** For a key of the cold table: what exists under it; false for any other key. */
  readonly cold: false | { readonly previous: ColdKey | undefined };
}

/** What a compaction removes, in revision order. */
export interface DeadWrites {
  /** Revisions of writes of the log. */
  readonly log: readonly number[];
  /** Revisions of puts of the cold table. */
  readonly cold: readonly number[];
}

/** What appends take out, and how far they have come. */
interface Doomed {
  readonly revision: number;
  readonly log: Float64Array;
  readonly cold: Float64Array;
  logAt: number;
  coldAt: number;
  /** That everything before `revision` is forgotten is on the disk. */
  isNoted: boolean;
}

/** Changes that belong into one transaction. */
interface Removal {
  readonly queue: readonly (() => Promise<boolean>)[];
  /** Where the next one goes on. */
  readonly at: number;
}

const nothingDoomed = { queue: [], done: () => {} };

/** The log in one folder, until it is closed. */
export class LmdbLog {
  readonly #root: RootDatabase<Buffer, number>;
  readonly #groups: Database<Buffer, number>;
  readonly #inPlace: GroupsInPlace;
  readonly #meta: Database<number | ColdKeys, string>;
  readonly #directory: string;
  readonly #room: DiskRoom;
  /** Where what an append writes is put together. One is under way at a time, so they all use the same. */
  readonly #scratch = new Scratch();
  #appending: Promise<void> | undefined;
  #doomed: Doomed | undefined;
  readonly #index = new GroupIndex();
  #cold: ColdTable | undefined;
  #isClosed = false;

  /** Opens the log in a folder, which this process must have locked. */
  constructor(directory: string, { waitsForDisk = true }: { readonly waitsForDisk?: boolean | undefined } = {}) {
    this.#directory = directory;
    this.#room = new DiskRoom(() => freeBytes(directory));
    const damage = findDamage(join(directory, 'data.mdb'));
    if (damage !== undefined) throw damagedError(directory, damage);
    // Without overlapping syncs a commit is visible and acknowledged only once it is on the disk, with no rules on top of LMDB's own.
    // Without turn batching a transaction starts at once: what belongs together is gathered before it comes here.
    const options = {
      path: directory,
      // A name with a dot in it would else be taken for that of a file.
      noSubdir: false,
      encoding: 'binary',
      maxDbs: 8,
      overlappingSync: false,
      noSync: !waitsForDisk,
      eventTurnBatching: false,
    } as const;
    this.#root = open<Buffer, number>(options);
    this.#groups = this.#root.openDB<Buffer, number>('log', { encoding: 'binary' });
    this.#inPlace = new GroupsInPlace(this.#root);
    this.#meta = this.#root.openDB<number | ColdKeys, string>('meta', { encoding: 'json' });
  }

  /** The cold table, once `start` has resolved. */
  get cold(): ColdTable {
    assert(this.#cold !== undefined, 'the log was used before it was started');
    return this.#cold;
  }

  /** Checks the layout's version. Writes it into a new folder, with what is to be cold there and the revision that everything there comes after. */
  async start(wanted: ColdKeys, startRevision = 0): Promise<void> {
    const format = this.#meta.get('format');
    if (format === undefined) {
      await this.#transaction(() => [
        this.#meta.put('cold', wanted),
        this.#meta.put('format', logFormat),
        ...(startRevision > 0 ? [this.#meta.put('compacted', startRevision)] : []),
      ]);
    } else if (format !== logFormat) {
      throw otherFormatError(this.#directory, format);
    }
    const { sample } = await this.#widenCold(wanted);
    const damaged = (what: string): Error => damagedError(this.#directory, what, 'read');
    this.#cold = new ColdTable(this.#root, { sample, damaged });
  }

  /** Has keys that are wanted cold be so in a folder that was made without, as long as there is none: where a key is must not change. */
  async #widenCold({ prefixes }: ColdKeys): Promise<ColdKeys> {
    const cold = this.#coldKeys;
    let missing = prefixes.filter((prefix) => !cold.prefixes.some((one) => prefix.startsWith(one)));
    if (missing.length === 0) return cold;
    for (const { key } of this.writes()) missing = missing.filter((prefix) => !key.startsWith(prefix));
    const wider = { ...cold, prefixes: [...cold.prefixes, ...missing] };
    if (missing.length > 0) await this.#meta.put('cold', wider);
    return wider;
  }

  get #coldKeys(): ColdKeys {
    return this.#meta.get('cold') as ColdKeys;
  }

  /** Keys that begin so are in the cold table. Decided when the folder was made, or before there was such a key. */
  get coldPrefixes(): readonly string[] {
    return this.#coldKeys.prefixes;
  }

  /** The revision of the last compaction; 0 when there was none. */
  get compacted(): number {
    return (this.#meta.get('compacted') as number | undefined) ?? 0;
  }

  /** The greatest revision on the disk; 0 when there is nothing. */
  get lastRevision(): number {
    for (const { value } of this.#groups.getRange({ reverse: true, limit: 1 }))
      return Math.max(decodeGroup(value).at(-1)!.revision, this.cold.lastRevision);
    return this.cold.lastRevision;
  }

  /** All writes of the log from `fromRevision` on, in revision order. */
  *writes(fromRevision = 0): Generator<LoggedWrite> {
    const start = this.#groupAt(fromRevision)?.key ?? fromRevision;
    for (const { key, value } of this.#groups.getRange({ start })) {
      for (const write of this.#decode(key, value)) if (write.revision >= fromRevision) yield write;
    }
  }

  /** Gives all writes of the log without their values, group by group, in revision order. The callback must read nothing of the store. */
  replay(onGroup: (heads: readonly WriteHead[]) => void): void {
    for (const key of this.#inPlace.keys())
      onGroup(checkedGroup(() => decodeHeads(this.#inPlace.group), { directory: this.#directory, key }));
  }

  /** Gives the values of the writes that lie together with that of a revision, whose bytes are good until the callback returns. */
  valuesWith(revision: number, take: (revision: number, value: Buffer) => void): void {
    if (this.#isClosed) throw new StoreUnavailableError(`Cannot read ${this.#directory} as it was closed`);
    for (const key of this.#inPlace.keys({ start: revision, reverse: true, limit: 1 }))
      checkedGroup(() => eachValue(this.#inPlace.group, take), { directory: this.#directory, key });
  }

  /** The write of a revision, unless it was compacted away. */
  write(revision: number): LoggedWrite | undefined {
    const group = this.#groupAt(revision);
    return group && this.#decode(group.key, group.value).find((write) => write.revision === revision);
  }

  /** The group that a revision is in, if it is in any. */
  #groupAt(revision: number): { readonly key: number; readonly value: Buffer } | undefined {
    for (const group of this.#groups.getRange({ start: revision, reverse: true, limit: 1 })) return group;
    return undefined;
  }

  #decode(key: number, group: Buffer): LoggedWrite[] {
    return checkedGroup(() => decodeGroup(group), { directory: this.#directory, key });
  }

  /** Why a transaction has probably failed, in words: the library only tells of an I/O error. */
  unavailable(action: string, cause: unknown): StoreUnavailableError {
    const free = freeBytes(this.#directory);
    const why = free < fullBytes ? 'disk is full' : 'disk does not take it';
    const message = `Cannot ${action} in ${this.#directory} as the ${why} (${Math.floor(free / 2 ** 20)} MiB are free): make room and start again; what was acknowledged is kept`;
    return new StoreUnavailableError(message, cause);
  }

  /** Does writes, which are in revision order, in one transaction. The one before must have ended. */
  append(writes: readonly Append[]): Promise<void> {
    assert(this.#appending === undefined, 'an append began before the last one ended');
    const appending = this.#append(writes).finally(() => {
      this.#appending = undefined;
    });
    this.#appending = appending;
    return appending;
  }

  async #append(writes: readonly Append[]): Promise<void> {
    this.#scratch.reuse();
    try {
      this.#room.need(writes);
      const records: WriteRecord[] = [];
      for (const { record, cold } of writes) {
        if (!cold || record.type === 'delete') records.push(record);
        // Of a cold put the log has only that it has replaced another.
        else if (record.previousRevision !== 0) records.push(coldMark(record));
      }
      const group = records.length === 0 ? undefined : this.#encode(records);
      const removal = this.#someDoomed(writes.length * doomedPerWrite);
      await this.#transaction(() => {
        // Not appended in lmdb's sense, which makes a write that has to be asked for its outcome; groups mostly have pages of their own anyway.
        const queued = group === undefined ? [] : [this.#groups.put(records[0]!.revision, group)];
        const scratch = this.#scratch;
        for (const { record, cold } of writes)
          if (cold) this.cold.write(record, { previous: cold.previous, scratch, queued });
        for (const change of removal.queue) queued.push(change());
        return queued;
      });
      removal.done();
      if (records.length > 0) this.#index.add(records[0]!.revision, records.length);
    } catch (error) {
      // Who knows what still reads it.
      this.#scratch.abandon();
      throw error;
    }
  }

  /** Some of what is doomed, and what to do once it is gone. */
  #someDoomed(count: number): { readonly queue: Removal['queue']; done(): void } {
    const doomed = this.#doomed;
    if (doomed === undefined) return nothingDoomed;
    const noting = doomed.isNoted ? [] : [() => this.#meta.put('compacted', doomed.revision)];
    // Those of the cold table first, as the log has the only note that they are dead.
    const cold = doomed.cold.subarray(doomed.coldAt, doomed.coldAt + count);
    const coldAt = doomed.coldAt + cold.length;
    const rest = count - cold.length;
    const fromLog = rest > 0 ? this.#removal(doomed.log, doomed.logAt, rest) : { queue: [], at: doomed.logAt };
    const forgotten = Array.from(cold, (revision) => () => this.cold.forget(revision));
    return {
      queue: [...noting, ...forgotten, ...fromLog.queue],
      done: () => {
        doomed.isNoted = true;
        doomed.coldAt = coldAt;
        doomed.logAt = fromLog.at;
        if (coldAt >= doomed.cold.length && fromLog.at >= doomed.log.length) this.#doomed = undefined;
      },
    };
  }

  #encode(records: readonly WriteRecord[]): Buffer {
    const group = this.#scratch.take(groupLength(records));
    encodeGroup(records, group);
    return group;
  }

  /** Whether there is something left that the next appends take out. */
  get isTakingOut(): boolean {
    return this.#doomed !== undefined;
  }

  /** Everything before `revision` is forgotten: the appends that come note that and take `dead` out. Nothing may be left of an earlier one. */
  doom(revision: number, dead: DeadWrites): void {
    assert(this.#doomed === undefined, 'writes were doomed before the last ones were gone');
    const [log, cold] = [sortedOf(dead.log), sortedOf(dead.cold)];
    this.#doomed = { revision, log, cold, logAt: 0, coldAt: 0, isNoted: false };
  }

  /**
   * Notes that everything before `revision` is forgotten, then takes the writes out that are of no more use, and what is left of those that were
   * doomed. In revision order: were a deletion gone before what it deleted, a crash in between would bring that back. Those of the cold table
   * first, as the log has the only note that they are dead.
   */
  async compact(revision: number, dead: DeadWrites): Promise<void> {
    // What it takes out is not to be looked at meanwhile.
    await this.#appending?.catch(() => {});
    // A reader of the file that was killed would keep all that it saw (`lmdb-snapshot.ts`).
    this.#root.readerCheck();
    const doomed = this.#doomed;
    this.#doomed = undefined;
    const log = sortedOf([...(doomed?.log.subarray(doomed.logAt) ?? []), ...dead.log]);
    const cold = sortedOf([...(doomed?.cold.subarray(doomed.coldAt) ?? []), ...dead.cold]);
    await this.#meta.put('compacted', revision);
    for (let at = 0; at < cold.length; at += rewriteGroupsMax) {
      const some = [...cold.subarray(at, at + rewriteGroupsMax)];
      await this.#transaction(() => some.map((each) => this.cold.forget(each)));
    }
    for (let at = 0; at < log.length; ) {
      const removal = this.#removal(log, at);
      await this.#transaction(() => removal.queue.map((change) => change()));
      at = removal.at;
    }
  }

  /** Takes writes out of as many groups as are one transaction, or until `count` of `dead` from `start` on are done. */
  #removal(dead: Float64Array, start: number, count = Number.POSITIVE_INFINITY): Removal {
    const left = new Map<number, readonly LoggedWrite[]>();
    const end = Math.min(dead.length, start + count);
    let at = start;
    for (let bytes = 0; at < end && bytes < rewriteBytesMax && left.size < rewriteGroupsMax; ) {
      const whole = this.#index.wholeAt(dead, at);
      if (whole > 0) {
        left.set(dead[at]!, []);
        at += whole;
        continue;
      }
      const group = this.#groupAt(dead[at]!);
      const writes = group === undefined ? [] : this.#decode(group.key, group.value);
      const kept: LoggedWrite[] = [];
      for (const write of writes) {
        while (at < dead.length && dead[at]! < write.revision) at++;
        if (dead[at] !== write.revision) kept.push(write);
      }
      // What is not there, as an earlier compaction had come so far, is passed over.
      while (at < dead.length && dead[at]! <= (writes.at(-1)?.revision ?? dead[at]!)) at++;
      if (group === undefined || kept.length === writes.length) continue;
      left.set(group.key, kept);
      bytes += kept.reduce((sum, write) => sum + write.encoded.length, 0);
    }
    const queue = [...left].map(
      ([key, kept]) =>
        () =>
          kept.length === 0 ? this.#groups.remove(key) : this.#groups.put(key, joinWrites(kept)),
    );
    return { queue, at };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#root.close();
  }

  /** Does what `work` queues in one transaction. */
  async #transaction(work: () => readonly Promise<boolean>[]): Promise<void> {
    let parts: readonly Promise<boolean>[] = [];
    const whole = this.#groups.batch(() => {
      parts = work();
    });
    const outcomes = await Promise.allSettled(new Set([whole, ...parts]));
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') throw causeOf(outcome.reason);
      if (!outcome.value) throw new Error('Cannot append to a table that has a greater key');
    }
  }
}

function sortedOf(revisions: readonly number[]): Float64Array {
  return Float64Array.from(revisions).sort();
}
