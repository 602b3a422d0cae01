/**
 * How a write lies in the log: a fixed head, the key, and the value as it was given.
 *
 * | bytes | field |
 * |---|---|
 * | 1 | 1 for put, 2 for delete |
 * | 8 | createRevision; 0 for delete |
 * | 8 | revision of the write that this one replaced; 0 for none |
 * | 2 | bytes of the key |
 *
 * Numbers are little-endian, revisions as 64-bit floats (exact below 2^53). A change of this layout needs a new `logFormat`.
 */
import type { StoreEvent } from '../../store.ts';

/** The version of the layout, kept in the folder; one that is not this cannot be opened. */
export const logFormat = 1;

const headBytes = 19;
const typePut = 1;
const typeDelete = 2;

/** A write as the log holds it; its revision is its place. */
export interface LogRecord {
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly createRevision: number;
  readonly previousRevision: number;
  readonly value: Uint8Array;
}

/** How many bytes the record of a write has. */
export function recordLength(event: StoreEvent): number {
  const put = event.type === 'put';
  return headBytes + Buffer.byteLength(put ? event.kv.key : event.key) + (put ? event.kv.value.length : 0);
}

/** Writes the record of a write to `target`, which has to have its length. */
export function encodeRecord(event: StoreEvent, target: Buffer): void {
  const put = event.type === 'put';
  const key = put ? event.kv.key : event.key;
  target[0] = put ? typePut : typeDelete;
  target.writeDoubleLE(put ? event.kv.createRevision : 0, 1);
  target.writeDoubleLE(event.previous?.modRevision ?? 0, 9);
  const keyBytes = target.write(key, headBytes);
  target.writeUInt16LE(keyBytes, 17);
  if (put) target.set(event.kv.value, headBytes + keyBytes);
}

/** The inverse of `encodeRecord`. The value shares its memory with `record`. */
export function decodeRecord(record: Buffer): LogRecord {
  const type = record[0];
  if (type !== typePut && type !== typeDelete)
    throw new Error(`Cannot read the log as a record has the unknown type ${type}`);
  const valueStart = headBytes + record.readUInt16LE(17);
  return {
    type: type === typePut ? 'put' : 'delete',
    createRevision: record.readDoubleLE(1),
    previousRevision: record.readDoubleLE(9),
    key: record.toString('utf8', headBytes, valueStart),
    value: record.subarray(valueStart),
  };
}
