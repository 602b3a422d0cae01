/**
 * The groups of writes of a log, each read into memory that the library uses again: a tenth of what it takes to make memory for each of a hundred
 * megabytes. A group is good until the next one is read.
 */
import type { Database, RootDatabase } from 'lmdb';

/** Which groups. */
export interface GroupRange {
  readonly start?: number;
  readonly reverse?: boolean;
  readonly limit?: number;
}

const noBytes = Buffer.alloc(0);

/** Reads one group after the other. */
export class GroupsInPlace {
  readonly #groups: Database<number, number>;
  /** The one whose key was given last. */
  group: Buffer = noBytes;

  constructor(root: RootDatabase<Buffer, number>) {
    const decode = (bytes: Buffer, end: number): number => {
      this.group = Buffer.from(bytes.buffer, bytes.byteOffset, end);
      return end;
    };
    // The library's types do not tell of the option.
    const options = { cache: false, encoder: { encode: () => noBytes, decode } };
    this.#groups = root.openDB<number, number>('log', options);
  }

  /** Gives the keys of groups, each as long as its group is good. */
  *keys(range: GroupRange = {}): Generator<number> {
    for (const { key } of this.#groups.getRange(range)) yield key;
  }
}
