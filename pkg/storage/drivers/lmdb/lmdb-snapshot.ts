/**
 * The state that a folder has, read beside the process that writes it: as one read transaction of lmdb, which sees the last commit and nothing after it,
 * and for which the writer does nothing. While it lasts the file keeps what it sees, so it grows by what is written meanwhile.
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
import { checkedGroup, damagedError, otherFormatError } from './folder-errors.ts';
import { tryLockFolder } from './folder-lock.ts';
import type { ColdKeys } from './lmdb-log.ts';
import { olderLogs, type ReadGroup, type StoredWrite } from './older-logs.ts';
import { decodeGroup, logFormat } from './write-group.ts';

/** Opens the state of a folder, whether or not another process has it. Throws `StoreUnavailableError` where there is none, or it is damaged. */
export function openLmdbSnapshot(directory: string): SnapshotSource {
  const file = join(directory, 'data.mdb');
  if (!existsSync(file)) throw new StoreUnavailableError(`Cannot read ${directory} as there is no store in it`);
  // A file that nobody writes is looked through, as the library would die of a damaged one; who has it open has done so.
  const lock = tryLockFolder(directory);
  try {
    const damage = lock === undefined ? undefined : findDamage(file);
    if (damage !== undefined) throw damagedError(directory, damage);
    const state = new LmdbState(directory);
    const close = async (): Promise<void> => {
      await state.close();
      lock?.release();
    };
    const older = state.format < logFormat ? { olderFormat: state.format } : {};
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

  constructor(directory: string) {
    this.#directory = directory;
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
      const isCurrent = format === logFormat && typeof cold === 'object';
      const read = isCurrent ? (_: number, group: Buffer) => decodeGroup(group) : olderLogs[Number(format)];
      if (read === undefined) throw otherFormatError(directory, format);
      this.#read = read;
      this.format = Number(format);
      this.#groups = this.#root.openDB<Buffer, number>('log', { encoding: 'binary' });
      const damaged = (what: string): Error => damagedError(directory, what, 'read');
      this.#cold = isCurrent
        ? {
            table: new ColdTable(this.#root, { sample: cold.sample, damaged }),
            space: new ColdSpace(cold.prefixes),
          }
        : undefined;
      this.#transaction = this.#root.useReadTransaction();
      const compacted = meta?.get('compacted', { transaction: this.#transaction });
      this.revision = this.#lastRevision(typeof compacted === 'number' ? compacted : 1);
    } catch (error) {
      void this.#root.close();
      throw error;
    }
  }

  /** What is in the log, then what is cold. Where something is damaged the one who reads is told. */
  async *items(): AsyncGenerator<SnapshotItem> {
    const live = new Map<string, number>();
    for (const { type, key, revision } of this.#writes()) {
      if (this.#cold?.space.has(key)) continue;
      if (type === 'put') live.set(key, revision);
      else live.delete(key);
    }
    for (const write of this.#writes())
      if (write.type === 'put' && live.get(write.key) === write.revision) yield itemOf(write);
    if (this.#cold === undefined) return;
    live.clear();
    const { table } = this.#cold;
    const transaction = this.#transaction;
    for (const { key, modRevision } of table.scan({ prefix: '' }, { transaction })) live.set(key, modRevision);
    for (const put of table.putsFrom(0, { transaction })) if (live.get(put.key) === put.revision) yield itemOf(put);
  }

  async close(): Promise<void> {
    this.#transaction.done();
    await this.#root.close();
  }

  *#writes(): Generator<StoredWrite> {
    for (const { key, value } of this.#groups.getRange({ transaction: this.#transaction }))
      yield* this.#decode(key, value);
  }

  #decode(key: number, group: Buffer): readonly StoredWrite[] {
    return checkedGroup(() => this.#read(key, group), { directory: this.#directory, key, action: 'read' });
  }

  #lastRevision(least: number): number {
    const transaction = this.#transaction;
    let last = least;
    for (const { key, value } of this.#groups.getRange({ reverse: true, limit: 1, transaction }))
      last = Math.max(last, this.#decode(key, value).at(-1)?.revision ?? 0);
    return Math.max(last, this.#cold?.table.newestPut({ transaction }) ?? 0);
  }
}

function itemOf({ key, value, revision, expiresMs }: StoredWrite): SnapshotItem {
  return { key, value, modRevision: revision, expiresMs };
}
