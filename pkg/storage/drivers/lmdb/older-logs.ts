/**
 * How writes lay in the log in the formats before `logFormat`, for who reads a folder that is of one: nothing is written so any more.
 *
 * Format 1 had a value for each write, under its revision and without a checksum: 1 byte for put (1) or delete (2), 8 each for the createRevision and the revision of the write that
 * was replaced, 2 for the length of the key, then key and value. Format 2 had groups with a checksum as format 3 has, whose writes say nothing of times. Neither had a cold
 * table, so all that there is lies in the log.
 */
import { checkGroup, checksumBytes, DamagedGroupError, type LoggedWrite } from './write-group.ts';

/** What a log of any format says of a write. */
export type StoredWrite = Pick<LoggedWrite, 'expiresMs' | 'key' | 'revision' | 'type' | 'value'>;

/** The writes that lie under one key of the log. Throws `DamagedGroupError`. */
export type ReadGroup = (key: number, value: Buffer) => readonly StoredWrite[];

const types = ['', 'put', 'delete'] as const;

/** By format. */
export const olderLogs: Readonly<Record<number, ReadGroup>> = { 1: readRecord, 2: readGroup };

function typeOf(number: number | undefined): 'delete' | 'put' {
  const type = types[number ?? 0];
  if (type === undefined || type === '') throw new DamagedGroupError(`there is no type ${number} of writes`);
  return type;
}

const recordHeadBytes = 19;

function readRecord(revision: number, record: Buffer): readonly StoredWrite[] {
  if (record.length < recordHeadBytes) throw new DamagedGroupError('a write is cut off');
  const valueAt = recordHeadBytes + record.readUInt16LE(17);
  if (valueAt > record.length) throw new DamagedGroupError('a key is cut off');
  const key = record.toString('utf8', recordHeadBytes, valueAt);
  return [{ type: typeOf(record[0]), key, revision, expiresMs: 0, value: record.subarray(valueAt) }];
}

const groupHeadBytes = 31;

function readGroup(_: number, group: Buffer): readonly StoredWrite[] {
  checkGroup(group);
  const writes: StoredWrite[] = [];
  for (let at = checksumBytes; at < group.length; ) {
    const keyAt = at + groupHeadBytes;
    const valueAt = keyAt + group.readUInt16LE(at + 25);
    const end = valueAt + group.readUInt32LE(at + 27);
    const revision = group.readDoubleLE(at + 1);
    const key = group.toString('utf8', keyAt, valueAt);
    writes.push({ type: typeOf(group[at]), key, revision, expiresMs: 0, value: group.subarray(valueAt, end) });
    at = end;
  }
  return writes;
}
