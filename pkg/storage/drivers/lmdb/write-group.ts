/**
 * How writes lie in the log: those of one transaction together, as one value, under the revision of the first of them. A compaction
 * takes the dead ones out of a group and leaves the rest where it is.
 *
 * | bytes | field |
 * |---|---|
 * | 4 | CRC-32 of all that follows |
 *
 * and then for each write, in revision order:
 *
 * | bytes | field |
 * |---|---|
 * | 1 | 1 for put, 2 for delete |
 * | 8 | revision |
 * | 8 | createRevision; 0 for delete |
 * | 8 | revision of the write that this one replaced; 0 for none |
 * | 2 | bytes of the key |
 * | 4 | bytes of the value |
 * | | key, value |
 *
 * Numbers are little-endian, revisions as 64-bit floats (exact below 2^53). A change of this layout needs a new `logFormat`.
 */
import { crc32 } from 'node:zlib';
import type { StoreEvent } from '../../store.ts';
import { eventRevision } from '../../watch-hub.ts';

/** The version of the layout, kept in the folder; one that is not this cannot be opened. Format 1 had a value per write, without checksum. */
export const logFormat = 2;

const checksumBytes = 4;
const headBytes = 31;
const typePut = 1;
const typeDelete = 2;

/** A write as the log holds it. */
export interface LoggedWrite {
  readonly type: 'put' | 'delete';
  readonly revision: number;
  readonly key: string;
  readonly createRevision: number;
  readonly previousRevision: number;
  /** Shares its memory with the group it was read from, as does `encoded`. */
  readonly value: Buffer;
  /** All of the write as it lies in the group. */
  readonly encoded: Buffer;
}

/** What was read is not what was written. */
export class DamagedGroupError extends Error {}

/** How many bytes the group of these writes has. */
export function groupLength(events: readonly StoreEvent[]): number {
  let length = checksumBytes;
  for (const event of events) {
    const put = event.type === 'put';
    length += headBytes + Buffer.byteLength(put ? event.kv.key : event.key) + (put ? event.kv.value.length : 0);
  }
  return length;
}

/** Writes the group of `events`, which are in revision order, to `target`, which has to have its length. */
export function encodeGroup(events: readonly StoreEvent[], target: Buffer): void {
  let at = checksumBytes;
  for (const event of events) at = encodeWrite(event, target, at);
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

function encodeWrite(event: StoreEvent, target: Buffer, at: number): number {
  const put = event.type === 'put';
  target[at] = put ? typePut : typeDelete;
  target.writeDoubleLE(eventRevision(event), at + 1);
  target.writeDoubleLE(put ? event.kv.createRevision : 0, at + 9);
  target.writeDoubleLE(event.previous?.modRevision ?? 0, at + 17);
  const keyBytes = target.write(put ? event.kv.key : event.key, at + headBytes);
  target.writeUInt16LE(keyBytes, at + 25);
  target.writeUInt32LE(put ? event.kv.value.length : 0, at + 27);
  const valueAt = at + headBytes + keyBytes;
  if (!put) return valueAt;
  target.set(event.kv.value, valueAt);
  return valueAt + event.kv.value.length;
}

/** The writes of a group. Throws `DamagedGroupError` when it is not as it was written. */
export function decodeGroup(group: Buffer): LoggedWrite[] {
  if (group.length < checksumBytes || group.readUInt32LE(0) !== crc32(group.subarray(checksumBytes)))
    throw new DamagedGroupError('the checksum is wrong');
  const writes: LoggedWrite[] = [];
  for (let at = checksumBytes; at < group.length; ) {
    const write = decodeWrite(group, at);
    writes.push(write);
    at += write.encoded.length;
  }
  return writes;
}

function decodeWrite(group: Buffer, at: number): LoggedWrite {
  const keyAt = at + headBytes;
  const valueAt = keyAt + group.readUInt16LE(at + 25);
  const end = valueAt + group.readUInt32LE(at + 27);
  return {
    type: group[at] === typePut ? 'put' : 'delete',
    revision: group.readDoubleLE(at + 1),
    createRevision: group.readDoubleLE(at + 9),
    previousRevision: group.readDoubleLE(at + 17),
    key: group.toString('utf8', keyAt, valueAt),
    value: group.subarray(valueAt, end),
    encoded: group.subarray(at, end),
  };
}
