/**
 * The state that a folder has, read beside the process that writes it: as one read transaction of lmdb, which sees the last commit and nothing after it,
 * and for which the writer does nothing, and what the journal had beyond that. While it lasts the file keeps what it sees, so it grows by what is written meanwhile.
 *
 * Invariant: nothing is written, but for the reader's place in lmdb's own lock file; what a killed reader leaves there the store clears
 * (`lmdb-log.ts`). Costs a number for each key that exists, and reads the log twice. Folders of formats before this one are read too.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase, type Transaction } from 'lmdb';
import type { SnapshotItem } from '../../snapshot/snapshot-format.ts';
import type { SnapshotSource } from '../../snapshot/snapshot-source.ts';
import { StoreUnavailableError } from '../../store.ts';
import { ColdSpace } from './cold-space.ts';
import { ColdTable } from './cold-table.ts';
import { findDamage } from './file-check.ts';
import { checkedGroup, damagedError, hasThisLayout, otherFormatError } from './folder-errors.ts';
import { tryLockFolder } from './folder-lock.ts';
import { journalledWrites, readSegments } from './journal-frames.ts';
import type { ColdKeys } from './lmdb-log.ts';
import { olderLogs, type ReadGroup, type StoredWrite } from './older-logs.ts';
import { decodeGroup, type LoggedWrite, lastOf } from './write-group.ts';

/** Opens the state of a folder, whether or not another process has it. Throws `StoreUnavailableError` where there is none, or it is damaged. */
export function openLmdbSnapshot(directory: string): SnapshotSource {
  const file = join(directory, 'data.mdb');
  if (!existsSync(file)) throw new StoreUnavailableError(`Cannot read ${directory} as there is no store in it`);
  // A file that nobody writes is looked through, as the library would die of a damaged one; who has it open has done so.
  const lock = tryLockFolder(directory);
  try {
    const damage = lock === undefined ? undefined : findDamage(file);
    if (damage !== undefined) throw damagedError(directory, { what: damage });
    const state = new LmdbState(directory, { isWritten: lock === undefined });
    const close = async (): Promise<void> => {
      await state.close();
      lock?.release();
    };
    const older = hasThisLayout(state.format) ? {} : { olderFormat: state.format };
    return { revision: state.revision, ...older, items: () => state.items(), close };
  } catch (error) {
    lock?.release();
    throw error;
  }
}

/** What is in the cold table of a folder that has one. */
interface Cold {
  readonly table: ColdTable;
  readonly space: ColdSpace;
}

class LmdbState {
  readonly revision: number;
  readonly format: number;
  readonly #directory: string;
  readonly #root: RootDatabase<Buffer, number>;
  readonly #groups: Database<Buffer, number>;
  readonly #read: ReadGroup;
  readonly #cold: Cold | undefined;
  readonly #transaction: Transaction;
  /** What comes after all that the transaction sees. */
  readonly #journalled: readonly LoggedWrite[];

  /** With `isWritten` another process has the folder open. */
  constructor(directory: string, { isWritten }: { readonly isWritten: boolean }) {
    this.#directory = directory;
    // Before the transaction: what goes out of it meanwhile is in the tables then.
    const segments = readSegments(directory);
    this.#root = open<Buffer, number>({
      path: directory,
      noSubdir: false,
      encoding: 'binary',
      maxDbs: 8,
      readOnly: true,
    });
    try {
      // Tables are opened before the transaction that is to see them. In a file that a first start left at once there are none.
      const meta: Database<number | ColdKeys, string> | undefined = this.#root.openDB('meta', { encoding: 'json' });
      const cold = meta?.get('cold');
      const format = meta?.get('format');
      const isCurrent = hasThisLayout(format) && typeof cold === 'object';
      const read = isCurrent ? (_: number, group: Buffer) => decodeGroup(group) : olderLogs[Number(format)];
      if (read === undefined) throw otherFormatError(directory, format);
      this.#read = read;
      this.format = Number(format);
      this.#groups = this.#root.openDB<Buffer, number>('log', { encoding: 'binary' });
      const damaged = (what: string): Error => damagedError(directory, { what, action: 'read' });
      this.#cold = isCurrent
        ? {
            table: new ColdTable(this.#root, { sample: cold.sample, damaged }),
            space: new ColdSpace(cold.prefixes),
          }
        : undefined;
      this.#transaction = this.#root.useReadTransaction();
      const compacted = meta?.get('compacted', { transaction: this.#transaction });
      const applied = this.#lastRevision(typeof compacted === 'number' ? compacted : 1);
      this.#journalled = isCurrent ? journalledWrites(directory, { applied, isWritten }, segments).flat() : [];
      this.revision = lastOf(this.#journalled) || applied;
    } catch (error) {
      void this.#root.close();
      throw error;
    }
  }

  /** What is in the log, then what is cold. Where something is damaged the one who reads is told. */
  async *items(): AsyncGenerator<SnapshotItem> {
    const live = new Map<string, number>();
    for (const write of this.#writes()) if (!this.#cold?.space.has(write.key)) note(live, write);
    for (const write of this.#writes()) if (isLive(live, write)) yield itemOf(write);
    if (this.#cold === undefined) return;
    live.clear();
    const { table, space } = this.#cold;
    const transaction = this.#transaction;
    for (const { key, modRevision } of table.scan({ prefix: '' }, { transaction })) live.set(key, modRevision);
    const ahead = this.#journalled.filter(({ key }) => space.has(key));
    for (const write of ahead) note(live, write);
    for (const put of table.putsFrom(0, { transaction })) if (isLive(live, put)) yield itemOf(put);
    for (const write of ahead) if (isLive(live, write)) yield itemOf(write);
  }

  async close(): Promise<void> {
    this.#transaction.done();
    await this.#root.close();
  }

  *#writes(): Generator<StoredWrite> {
    for (const { key, value } of this.#groups.getRange({ transaction: this.#transaction }))
      yield* this.#decode(key, value);
    yield* this.#journalled;
  }

  #decode(key: number, group: Buffer): readonly StoredWrite[] {
    return checkedGroup(() => this.#read(key, group), { directory: this.#directory, key, action: 'read' });
  }

  #lastRevision(least: number): number {
    const transaction = this.#transaction;
    let last = least;
    for (const { key, value } of this.#groups.getRange({ reverse: true, limit: 1, transaction }))
      last = Math.max(last, lastOf(this.#decode(key, value)));
    return Math.max(last, this.#cold?.table.newestPut({ transaction }) ?? 0);
  }
}

function note(live: Map<string, number>, { type, key, revision }: StoredWrite): void {
  if (type === 'put') live.set(key, revision);
  else live.delete(key);
}

function isLive(live: ReadonlyMap<string, number>, { type, key, revision }: StoredWrite): boolean {
  return type === 'put' && live.get(key) === revision;
}

function itemOf({ key, value, revision, expiresMs }: StoredWrite): SnapshotItem {
  return { key, value, modRevision: revision, expiresMs };
}
