/**
 * The writes on disk: a journal, which has each append first (`journal.ts`), and the tables, which have them a moment later, many appends in one transaction.
 * The tables are one of lmdb of write groups by first revision, in which what was overwritten before the last compaction is missing, and the cold ones beside it
 * (`cold-table.ts`). Reading the log from start to end gives the current state of what is not cold, and what of the cold was replaced or deleted when: its creations
 * are not in the log. A compaction rewrites every group that holds something dead (`dead-writes.ts`), so the file is bounded by what is live and what
 * changed since the last two.
 *
 * Invariants: an append is on the disk (synced) when its promise resolves; of a log that does not wait for the disk, it is with the system, and outlives
 * the process. What the tables do not have yet is in the journal and in `unapplied`, and is shown from there. A folder that was closed has no journal; of one that
 * was not, opening it brings the tables what only the journal has.
 */
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { open } from 'lmdb';
import { assert } from '#pkg/base/assert.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { StoreUnavailableError } from '../../store.ts';
import { ColdSpace } from './cold-space.ts';
import { type ColdKey, ColdTable } from './cold-table.ts';
import { ColdView, coldKeyOf } from './cold-view.ts';
import { type DeadRevisions, DeadWrites } from './dead-writes.ts';
import { DiskRoom, freeBytes, fullBytes } from './disk-room.ts';
import { findDamage } from './file-check.ts';
import { causeOf, checkedGroup, damagedError, hasThisLayout, otherFormatError } from './folder-errors.ts';
import { GroupsInPlace } from './groups-in-place.ts';
import { journalledWrites } from './journal-frames.ts';
import { JournalledAppends } from './journalled-appends.ts';
import { Scratch } from './scratch.ts';
import type { Append, Unapplied } from './unapplied.ts';
import {
  coldMark,
  decodeGroup,
  decodeHeads,
  eachValue,
  encodeGroup,
  groupLength,
  type LoggedWrite,
  lastOf,
  logFormat,
  type WriteHead,
  type WriteRecord,
} from './write-group.ts';

/** Which keys are kept in the cold table. */
export interface ColdKeys {
  /** Those that begin so. */
  readonly prefixes: readonly string[];
  /** A text that their values have much in common with: they are compressed with it. At most 64 KiB. */
  readonly sample: string;
}

/** How a log is written. */
export interface LogOptions {
  readonly clock: Clock;
  /** Default true. */
  readonly waitsForDisk?: boolean | undefined;
  /** Default false. */
  readonly waitsForJournal?: boolean;
}

/** The log in one folder, until it is closed. */
export class LmdbLog {
  readonly #root: RootDatabase<Buffer, number>;
  readonly #groups: Database<Buffer, number>;
  readonly #inPlace: GroupsInPlace;
  readonly #meta: Database<number | ColdKeys, string>;
  readonly #directory: string;
  readonly #room: DiskRoom;
  /** Where what a transaction writes is put together. One is under way at a time, so they all use the same. */
  readonly #scratch = new Scratch();
  readonly #dead: DeadWrites;
  #cold: ColdView | undefined;
  readonly #appends: JournalledAppends;
  #isClosed = false;

  /** Opens the log in a folder, which this process must have locked. */
  constructor(directory: string, { clock, waitsForDisk = true, waitsForJournal = false }: LogOptions) {
    this.#directory = directory;
    this.#room = new DiskRoom(() => freeBytes(directory));
    const damage = findDamage(join(directory, 'data.mdb'));
    if (damage !== undefined) throw damagedError(directory, { what: damage });
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
    this.#appends = new JournalledAppends({
      directory,
      clock,
      isJournalled: waitsForDisk,
      waitsForJournal,
      commit: (appends) => this.#commit(appends),
    });
    this.#dead = new DeadWrites({
      group: (revision) => {
        const group = this.#groupAt(revision);
        return group && { key: group.key, writes: this.#decode(group.key, group.value) };
      },
      putGroup: (key, group) => this.#groups.put(key, group),
      removeGroup: (key) => this.#groups.remove(key),
      forgetCold: (revision) => this.cold.table.forget(revision),
      noteCompacted: (revision) => this.#meta.put('compacted', revision),
      transaction: (work) => this.#transaction(work),
    });
  }

  /** What is cold, once `start` has resolved. */
  get cold(): ColdView {
    assert(this.#cold !== undefined, 'the log was used before it was started');
    return this.#cold;
  }

  /**
   * Checks the layout's version, and brings the tables what only the journal has. Writes the version into a new folder, with what is to be cold there and the revision
   * that everything there comes after.
   */
  async start(wanted: ColdKeys, startRevision = 0): Promise<void> {
    const format = this.#meta.get('format');
    if (format === undefined) {
      await this.#transaction(() => [
        this.#meta.put('cold', wanted),
        this.#meta.put('format', logFormat),
        ...(startRevision > 0 ? [this.#meta.put('compacted', startRevision)] : []),
      ]);
    } else if (!hasThisLayout(format)) {
      throw otherFormatError(this.#directory, format);
    } else if (format !== logFormat) await this.#meta.put('format', logFormat);
    const damaged = (what: string): Error => damagedError(this.#directory, { what, action: 'read' });
    const table = new ColdTable(this.#root, { sample: this.#coldKeys.sample, damaged });
    this.#cold = new ColdView(table, this.#appends.unapplied);
    await this.#recover();
    await this.#widenCold(wanted);
  }

  /** Brings the tables what a process that did not close the folder has left in the journal. */
  async #recover(): Promise<void> {
    const applied = Math.max(this.compacted, this.#lastRevision());
    const space = new ColdSpace(this.coldPrefixes);
    const newest = new Map<string, ColdKey | undefined>();
    const appendOf = (record: WriteRecord): Append => {
      const { key } = record;
      const cold = space.has(key) && { previous: newest.has(key) ? newest.get(key) : this.cold.find(key) };
      newest.set(key, record.type === 'delete' ? undefined : coldKeyOf(record));
      return { record, cold };
    };
    const left = journalledWrites(this.#directory, { applied }).map((writes) => writes.map(appendOf));
    await this.#appends.recover(applied, left);
  }

  /** Has keys that are wanted cold be so in a folder that was made without, as long as there is none: where a key is must not change. */
  async #widenCold({ prefixes }: ColdKeys): Promise<void> {
    const cold = this.#coldKeys;
    let missing = prefixes.filter((prefix) => !cold.prefixes.some((one) => prefix.startsWith(one)));
    if (missing.length === 0) return;
    for (const { key } of this.writes()) missing = missing.filter((prefix) => !key.startsWith(prefix));
    if (missing.length > 0) await this.#meta.put('cold', { ...cold, prefixes: [...cold.prefixes, ...missing] });
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

  /** The greatest revision in the tables; 0 when there is nothing. */
  #lastRevision(): number {
    const { lastRevision } = this.cold.table;
    for (const { key, value } of this.#groups.getRange({ reverse: true, limit: 1 }))
      return Math.max(lastOf(this.#decode(key, value)), lastRevision);
    return lastRevision;
  }

  /** All writes of the log that are in the tables from `fromRevision` on, in revision order. */
  *writes(fromRevision = 0): Generator<LoggedWrite> {
    const start = this.#groupAt(fromRevision)?.key ?? fromRevision;
    for (const { key, value } of this.#groups.getRange({ start })) {
      for (const write of this.#decode(key, value)) if (write.revision >= fromRevision) yield write;
    }
  }

  /** Gives all writes of the log without their values, group by group, in revision order, before anything is appended. The callback must read nothing of the store. */
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
  write(revision: number): WriteRecord | undefined {
    const ahead = this.unapplied.write(revision);
    if (ahead !== undefined) return ahead;
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

  /** What is acknowledged and not yet in the tables. */
  get unapplied(): Unapplied {
    return this.#appends.unapplied;
  }

  /** Resolves with why something could not be written, after which nothing is. */
  get failure(): Promise<unknown> {
    return this.#appends.failure;
  }

  /** Does writes, whose revisions follow one another and all before. The one before must have ended. */
  async append(writes: readonly Append[]): Promise<void> {
    this.#room.need(writes);
    await this.#appends.append(writes);
  }

  /** Writes appends to the tables, in one transaction. */
  async #commit(appends: readonly (readonly Append[])[]): Promise<void> {
    const writes = appends.length === 1 ? appends[0]! : appends.flat();
    this.#scratch.reuse();
    try {
      this.#room.need(writes);
      const groups = appends.map(logged).filter(({ records }) => records.length > 0);
      const removal = this.#dead.some(writes.length, this.#appends.applied);
      await this.#transaction(() => {
        // Not appended in lmdb's sense, which makes a write that has to be asked for its outcome; groups mostly have pages of their own anyway.
        const queued = groups.map(({ first, records }) => this.#groups.put(first, this.#encode(records)));
        const scratch = this.#scratch;
        for (const { record, cold } of writes)
          if (cold) this.cold.table.write(record, { previous: cold.previous, scratch, queued });
        for (const change of removal.queue) queued.push(change());
        return queued;
      });
      removal.done();
      for (const { first, records } of groups) this.#dead.added(first, records.length);
    } catch (error) {
      // Who knows what still reads it.
      this.#scratch.abandon();
      throw error;
    }
  }

  #encode(records: readonly WriteRecord[]): Buffer {
    const group = this.#scratch.take(groupLength(records));
    encodeGroup(records, group);
    return group;
  }

  /** Whether there is something left that the next appends take out. */
  get isTakingOut(): boolean {
    return this.#dead.isTakingOut;
  }

  /** Everything before `revision` is forgotten: the appends that come note that and take `dead` out. Nothing may be left of an earlier one. */
  doom(revision: number, dead: DeadRevisions): void {
    this.#dead.doom(revision, dead);
  }

  /** Notes that everything before `revision` is forgotten, then takes the writes out that are of no more use, and what is left of those that were doomed. */
  async compact(revision: number, dead: DeadRevisions): Promise<void> {
    // There must be what is forgotten.
    await this.#appends.applyTo(revision);
    // A reader of the file that was killed would keep all that it saw (`lmdb-snapshot.ts`).
    this.#root.readerCheck();
    let removing: Promise<void> | undefined;
    // What it takes out is settled while no append looks at it; the rest goes beside them.
    await this.#appends.exclusively(async () => {
      removing = this.#dead.compact(revision, dead);
    });
    await removing;
  }

  /** Ends it: the tables get what only the journal has, which goes. After a failure it stays, for who opens the folder. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const removeJournal = await this.#appends.close();
    await this.#root.close();
    await removeJournal();
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

/** What the log has of an append, and the revision at which that begins. */
function logged(writes: readonly Append[]): { readonly first: number; readonly records: readonly WriteRecord[] } {
  const records: WriteRecord[] = [];
  for (const { record, cold } of writes) {
    if (!cold || record.type === 'delete') records.push(record);
    // Of a cold put only that it has replaced another.
    else if (record.previousRevision !== 0) records.push(coldMark(record));
  }
  return { first: records[0]?.revision ?? 0, records };
}
