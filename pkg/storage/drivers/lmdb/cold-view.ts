/**
 * The cold table together with what the journal is ahead of it (`unapplied.ts`): what has been acknowledged, and besides that what an append that is
 * not yet told of has brought.
 */
import type { Expiring, ExpirySource } from '../../expiry.ts';
import type { KeyValue } from '../../store.ts';
import { type ColdKey, type ColdTable, keyValueOf } from './cold-table.ts';
import type { Unapplied } from './unapplied.ts';
import type { WriteRecord } from './write-group.ts';

/** Reads the cold keys of one log. */
export class ColdView implements ExpirySource {
  readonly table: ColdTable;
  readonly #unapplied: Unapplied;

  constructor(table: ColdTable, unapplied: Unapplied) {
    this.table = table;
    this.#unapplied = unapplied;
  }

  /** What exists under a key, but for its value. */
  find(key: string): ColdKey | undefined {
    const newest = this.#unapplied.coldKeys.get(key);
    if (newest === undefined) return this.table.find(key);
    return newest.type === 'delete' ? undefined : coldKeyOf(newest);
  }

  get(key: string): KeyValue | undefined {
    const found = this.find(key);
    return found && this.value(found.modRevision);
  }

  /** What the put of a revision wrote. It must not have been compacted away. */
  value(revision: number): KeyValue {
    const newest = this.#unapplied.write(revision);
    return newest === undefined ? this.table.value(revision) : keyValueOf(newest);
  }

  /** The put of a revision; undefined when there is none. */
  put(revision: number): WriteRecord | undefined {
    return this.#unapplied.write(revision) ?? this.table.put(revision);
  }

  /** The keys of which the table has not the newest, with what they hold. */
  *ahead(): Generator<[string, KeyValue | undefined]> {
    for (const [key, newest] of this.#unapplied.coldKeys)
      yield [key, newest.type === 'delete' ? undefined : keyValueOf(newest)];
  }

  nextMs(): number | undefined {
    let next = this.table.nextMs((revision) => !this.#unapplied.hasEnded(revision)) ?? Number.POSITIVE_INFINITY;
    for (const { expiresMs } of this.#unapplied.coldKeys.values())
      if (expiresMs > 0 && expiresMs < next) next = expiresMs;
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  due(nowMs: number, limit: number): readonly Expiring[] {
    const due = this.table.due(nowMs, limit, (revision) => !this.#unapplied.hasEnded(revision));
    const known = new Set(due.map(({ revision }) => revision));
    for (const { key, revision, expiresMs } of this.#unapplied.coldKeys.values()) {
      if (due.length >= limit) break;
      if (expiresMs > 0 && expiresMs <= nowMs && !known.has(revision)) due.push({ key, revision });
    }
    return due;
  }

  /** The write of the deletion has taken it out. */
  settle(): void {}
}

/** What a put leaves under its key. */
export function coldKeyOf({ key, revision, createRevision, expiresMs }: WriteRecord): ColdKey {
  return { key, modRevision: revision, createRevision, expiresMs };
}
