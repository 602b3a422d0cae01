/**
 * A snapshot of a store as one file: what `coxswain snapshot` writes and reads, the same for every driver.
 *
 * | bytes | field |
 * |---|---|
 * | 8 | `CXSNAP`, a carriage return and a line feed, which a transfer as text would change |
 * | 4 | version of the format: 1 |
 * | 4 | bytes of the header |
 * | | header: `SnapshotHeader` as JSON |
 * | | blocks, each: 4 bytes for the length of what follows it, then records, compressed (zstd) |
 * | 4 | 0: no more blocks |
 * | 8 | how many records there are |
 * | 32 | SHA-256 of all before it |
 *
 * A record:
 *
 * | bytes | field |
 * |---|---|
 * | 2, 4 | bytes of the key, of the value |
 * | 8, 8 | revision of its last write; when it expires, in milliseconds since the epoch, 0 for never |
 * | | key (UTF-8), value |
 *
 * Numbers are little-endian, those of 8 bytes are 64-bit floats. Records are in no promised order and have each key once; all are of the header's
 * revision. Values are as the store had them, JSON of the objects without resourceVersion; how keys lie is said by a key of the store itself
 * (`pkg/cluster/key-layout.ts`).
 *
 * Upstream counterpart: etcd's snapshot, a copy of its file with a SHA-256 at the end.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';

/** What the file begins with. */
export const snapshotMagic = Buffer.from('CXSNAP\r\n', 'latin1');

/** The version of the format, which changes with anything that an older reader would misread. */
export const snapshotFormat = 1;

/** Bytes of magic, format and the header's length. */
export const prefaceBytes = 16;

/** Bytes of what follows the last block: the number of records and the checksum. */
export const trailerBytes = 40;

/** Records that are gathered into one block before it is compressed: enough to have much in common, little to hold. */
export const blockBytesWanted = 256 * 1024;

/** A block is larger only when one value is: what a reader takes at once. A store's values have 8 MiB at most. */
export const blockBytesMax = 16 * 1024 * 1024;

/** Bytes of a header: some settings. */
export const headerBytesMax = 1024 * 1024;

const recordHeadBytes = 22;

/** One key and what it held. */
export interface SnapshotItem {
  readonly key: string;
  readonly value: Uint8Array;
  readonly modRevision: number;
  /** In milliseconds since the epoch; 0 for never. */
  readonly expiresMs: number;
}

/** What a snapshot is of. */
export interface SnapshotHeader {
  /** Id of the cluster's store (`store-id` in its folder). */
  readonly clusterId: string;
  /** The revision that all of it is of: every write up to it is there, and none after it. */
  readonly revision: number;
  /** ISO 8601. */
  readonly savedAt: string;
  /** What the cluster was made of, as its `cluster.json` says; absent where there was none. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** What is known to be wrong with a file, or with how it was read. */
export class SnapshotProblem extends Error {}

/** A block of records, with its length before it. */
export function encodeBlock(items: readonly SnapshotItem[]): Buffer {
  const parts = items.flatMap(({ key, value, modRevision, expiresMs }) => {
    const name = Buffer.from(key);
    const head = Buffer.alloc(recordHeadBytes);
    head.writeUInt16LE(name.length, 0);
    head.writeUInt32LE(value.length, 2);
    head.writeDoubleLE(modRevision, 6);
    head.writeDoubleLE(expiresMs, 14);
    return [head, name, value];
  });
  const compressed = zstdCompressSync(Buffer.concat(parts));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(compressed.length);
  return Buffer.concat([length, compressed]);
}

/** The records of a block, without its length. Throws `SnapshotProblem`. */
export function decodeBlock(compressed: Uint8Array): SnapshotItem[] {
  const block = expand(compressed);
  const items: SnapshotItem[] = [];
  for (let at = 0; at < block.length; ) {
    const valueAt = at + recordHeadBytes + (at + recordHeadBytes <= block.length ? block.readUInt16LE(at) : 0);
    const end = valueAt <= block.length ? valueAt + block.readUInt32LE(at + 2) : valueAt;
    if (end > block.length) throw new SnapshotProblem('it is damaged: a record is cut off');
    items.push({
      key: block.toString('utf8', at + recordHeadBytes, valueAt),
      value: block.subarray(valueAt, end),
      modRevision: block.readDoubleLE(at + 6),
      expiresMs: block.readDoubleLE(at + 14),
    });
    at = end;
  }
  return items;
}

function expand(compressed: Uint8Array): Buffer {
  try {
    return zstdDecompressSync(compressed, { maxOutputLength: blockBytesMax });
  } catch (error) {
    throw new SnapshotProblem('it is damaged: a block cannot be expanded', { cause: error });
  }
}
