/**
 * How writes lie on the disk: in the log those of one transaction together, as one value, under the revision of the first of them, and in the
 * cold table each by itself. A compaction takes the dead ones out of a group and leaves the rest where it is.
 *
 * | bytes | field |
 * |---|---|
 * | 4 | CRC-32 of all that follows |
 *
 * and then for each write, in revision order:
 *
 * | bytes | field |
 * |---|---|
 * | 1 | 1 for put, 2 for delete, 3 for a put whose value is in the cold table |
 * | 8 | revision |
 * | 8 | createRevision; 0 for delete |
 * | 8 | revision of the write that this one replaced; 0 for none |
 * | 8 | when it expires, in milliseconds since the epoch; 0 for never |
 * | 2 | bytes of the key |
 * | 4 | bytes of the value |
 * | | key, value |
 *
 * Numbers are little-endian, revisions as 64-bit floats (exact below 2^53). A change of this layout needs a new `logFormat`.
 */
import { crc32 } from 'node:zlib';
import type { StoreEvent } from '../../store.ts';

/**
 * The version of the layout, kept in the folder; one that is not this cannot be opened. Those before can be read (`older-logs.ts`).
 */
export const logFormat = 4;

/** Bytes of the checksum of a group, which come first. */
export const checksumBytes = 4;
const headBytes = 39;
const types = ['', 'put', 'delete', 'cold'] as const;
const typeNumbers = { put: 1, delete: 2, cold: 3 } as const;

/** A write that is to be written to the disk. */
export interface WriteRecord {
  readonly type: 'put' | 'delete' | 'cold';
  readonly key: string;
  readonly revision: number;
  readonly createRevision: number;
  readonly previousRevision: number;
  readonly expiresMs: number;
  readonly value: Uint8Array;
}

/** What is told of a write before its value is looked at. */
export interface WriteHead extends Omit<WriteRecord, 'value'> {
  readonly valueBytes: number;
}

/** A write as it lies on the disk. */
export interface LoggedWrite extends WriteRecord {
  /** Shares its memory with the group it was read from, as does `encoded`. */
  readonly value: Buffer;
  /** All of the write as it lies in the group. */
  readonly encoded: Buffer;
}

/** What was read is not what was written. */
export class DamagedGroupError extends Error {}

const noValue = Buffer.alloc(0);

/** The record of an event; `expiresMs` is 0 when it never expires. */
export function recordOf(event: StoreEvent, expiresMs: number): WriteRecord {
  const previousRevision = event.previous?.modRevision ?? 0;
  if (event.type === 'put') {
    const { key, value, createRevision, modRevision } = event.kv;
    return { type: 'put', key, revision: modRevision, createRevision, previousRevision, expiresMs, value };
  }
  const { key, revision } = event;
  return { type: 'delete', key, revision, createRevision: 0, previousRevision, expiresMs: 0, value: noValue };
}

/** The revision of the last of some writes; 0 when there is none. */
export function lastOf(writes: readonly { readonly revision: number }[]): number {
  return writes.at(-1)?.revision ?? 0;
}

/** What the log says of a put whose value is in the cold table. */
export function coldMark(record: WriteRecord): WriteRecord {
  return { ...record, type: 'cold', value: noValue };
}

/** How many bytes the group of these writes has. */
export function groupLength(records: readonly WriteRecord[]): number {
  let length = checksumBytes;
  for (const { key, value } of records) length += headBytes + Buffer.byteLength(key) + value.length;
  return length;
}

/** Writes the group of `records`, which are in revision order, to `target`, which has to have its length. */
export function encodeGroup(records: readonly WriteRecord[], target: Buffer): void {
  let at = checksumBytes;
  for (const record of records) at = encodeWrite(record, target, at);
  seal(target);
}

/** The group of writes that are left of one or more groups. */
export function joinWrites(writes: readonly LoggedWrite[]): Buffer {
  const group = Buffer.concat([Buffer.alloc(checksumBytes), ...writes.map((write) => write.encoded)]);
  seal(group);
  return group;
}

function seal(group: Buffer): void {
  group.writeUInt32LE(crc32(group.subarray(checksumBytes)), 0);
}

function encodeWrite(record: WriteRecord, target: Buffer, at: number): number {
  const { value } = record;
  target[at] = typeNumbers[record.type];
  target.writeDoubleLE(record.revision, at + 1);
  target.writeDoubleLE(record.createRevision, at + 9);
  target.writeDoubleLE(record.previousRevision, at + 17);
  target.writeDoubleLE(record.expiresMs, at + 25);
  const keyBytes = target.write(record.key, at + headBytes);
  target.writeUInt16LE(keyBytes, at + 33);
  target.writeUInt32LE(value.length, at + 35);
  const valueAt = at + headBytes + keyBytes;
  if (value.length > 0) target.set(value, valueAt);
  return valueAt + value.length;
}

/** The writes of a group. Throws `DamagedGroupError` when it is not as it was written. */
export function decodeGroup(group: Buffer): LoggedWrite[] {
  checkGroup(group);
  const writes: LoggedWrite[] = [];
  for (let at = checksumBytes; at < group.length; ) {
    const write = decodeWrite(group, at);
    writes.push(write);
    at += write.encoded.length;
  }
  return writes;
}

/** The same without their values, which are only checked with the rest. */
export function decodeHeads(group: Buffer): WriteHead[] {
  checkGroup(group);
  const heads: WriteHead[] = [];
  for (let at = checksumBytes; at < group.length; ) {
    heads.push(decodeHead(group, at));
    at += lengthAt(group, at);
  }
  return heads;
}

/** Gives the values of a group, as parts of it, with the revisions of their writes. */
export function eachValue(group: Buffer, take: (revision: number, value: Buffer) => void): void {
  checkGroup(group);
  for (let at = checksumBytes; at < group.length; ) {
    const end = at + lengthAt(group, at);
    take(group.readDoubleLE(at + 1), group.subarray(end - group.readUInt32LE(at + 35), end));
    at = end;
  }
}

/** Throws `DamagedGroupError` for a group whose checksum is another. */
export function checkGroup(group: Buffer): void {
  if (group.length < checksumBytes || group.readUInt32LE(0) !== crc32(group.subarray(checksumBytes)))
    throw new DamagedGroupError('the checksum is wrong');
}

/** Bytes of the write at a place. */
function lengthAt(group: Buffer, at: number): number {
  return headBytes + group.readUInt16LE(at + 33) + group.readUInt32LE(at + 35);
}

function decodeHead(group: Buffer, at: number): WriteHead {
  return {
    type: types[group[at]!] as LoggedWrite['type'],
    revision: group.readDoubleLE(at + 1),
    createRevision: group.readDoubleLE(at + 9),
    previousRevision: group.readDoubleLE(at + 17),
    expiresMs: group.readDoubleLE(at + 25),
    key: group.toString('utf8', at + headBytes, at + headBytes + group.readUInt16LE(at + 33)),
    valueBytes: group.readUInt32LE(at + 35),
  };
}

function decodeWrite(group: Buffer, at: number): LoggedWrite {
  const { valueBytes, ...head } = decodeHead(group, at);
  const end = at + lengthAt(group, at);
  return { ...head, value: group.subarray(end - valueBytes, end), encoded: group.subarray(at, end) };
}
