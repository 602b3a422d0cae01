/**
 * The writes that the journal has and the tables do not have yet (`lmdb-log.ts`), as the tables will have them. Their revisions follow one another. They are few:
 * what a journal's file holds.
 */
import type { ColdKey } from './cold-table.ts';
import type { WriteRecord } from './write-group.ts';

/** A write to append. */
export interface Append {
  readonly record: WriteRecord;
  /** For a key of the cold table: what exists under it; false for any other key. */
  readonly cold: false | { readonly previous: ColdKey | undefined };
}

/** The revision of the last write of some appends; 0 when there is none. */
export function lastRevision(appends: readonly (readonly Append[])[]): number {
  return appends.at(-1)?.at(-1)?.record.revision ?? 0;
}

/** Of one log. */
export class Unapplied {
  /** In revision order: those of one append together. */
  readonly #appends: (readonly Append[])[] = [];
  #bytes: number[] = [];
  /** The newest write of each cold key. */
  readonly #cold = new Map<string, WriteRecord>();
  /** Revisions of puts in the cold table that are replaced or deleted here. */
  readonly #ended = new Set<number>();
  /** Bytes of the journal that they take. */
  bytes = 0;

  /** Adds the writes of one append, which take so many bytes of the journal. */
  add(appends: readonly Append[], bytes: number): void {
    this.#appends.push(appends);
    this.#bytes.push(bytes);
    this.bytes += bytes;
    for (const { record, cold } of appends) {
      if (!cold) continue;
      this.#cold.set(record.key, record);
      if (cold.previous !== undefined) this.#ended.add(cold.previous.modRevision);
    }
  }

  /** The oldest appends: as many as have `writesMax` writes together, at least one if there is one. */
  oldest(writesMax: number): readonly (readonly Append[])[] {
    let writes = 0;
    let count = 0;
    for (const { length } of this.#appends) {
      writes += length;
      if (count > 0 && writes > writesMax) break;
      count++;
    }
    return this.#appends.slice(0, count);
  }

  /** Takes the oldest `count` appends out: the tables have them. */
  drop(count: number): void {
    for (const bytes of this.#bytes.splice(0, count)) this.bytes -= bytes;
    for (const appends of this.#appends.splice(0, count)) {
      for (const { record, cold } of appends) {
        if (!cold) continue;
        if (this.#cold.get(record.key) === record) this.#cold.delete(record.key);
        if (cold.previous !== undefined) this.#ended.delete(cold.previous.modRevision);
      }
    }
  }

  /** The revision of the oldest; infinite when there is none. */
  get first(): number {
    return this.#appends[0]?.[0]?.record.revision ?? Number.POSITIVE_INFINITY;
  }

  /** The revision of the newest; 0 when there is none. */
  get last(): number {
    return lastRevision(this.#appends);
  }

  /** The write of a revision. */
  write(revision: number): WriteRecord | undefined {
    let at = revision - this.first;
    for (const appends of this.#appends) {
      const found = appends[at];
      if (found !== undefined || at < 0) return found?.record;
      at -= appends.length;
    }
    return undefined;
  }

  /** All writes from `fromRevision` on, in revision order. */
  *writes(fromRevision: number): Generator<WriteRecord> {
    for (const appends of this.#appends)
      for (const { record } of appends) if (record.revision >= fromRevision) yield record;
  }

  /** The cold keys written here, each with its newest write. */
  get coldKeys(): ReadonlyMap<string, WriteRecord> {
    return this.#cold;
  }

  /** Whether a put of the cold table is replaced or deleted here. */
  hasEnded(revision: number): boolean {
    return this.#ended.has(revision);
  }
}
