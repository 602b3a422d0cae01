/**
 * How the journal's files lie on the disk (`journal.ts`), and what is left in them after an end that nobody saw coming.
 *
 * A file is `segmentBytes` long and begins with a page that says whose it is:
 *
 * | bytes | field |
 * |---|---|
 * | 8 | `coxjrnl1` |
 * | 8 | salt: random, of this file alone |
 * | 4 | CRC-32 of what is before |
 *
 * Every frame begins a page after it, the next one where there is room, and after the last one at the first page again. It is the writes of one append:
 *
 * | bytes | field |
 * |---|---|
 * | 4 | CRC-32 of the head: of all between here and the group |
 * | 8 | the salt |
 * | 8 | revision of the first write (64-bit float); the others follow one by one |
 * | 4 | how many writes |
 * | 4 | bytes of the group |
 * | | the writes as a group (`write-group.ts`), cold ones with their values |
 *
 * Numbers are little-endian. No page is written twice before what it holds is in the tables, so a frame that was cut off damages none before it; the
 * salt is told to nobody, so no value that somebody stores is taken for a frame. A change of this layout needs a new `logFormat`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { errorCode } from '#pkg/base/error-code.ts';
import { damagedError } from './folder-errors.ts';
import {
  DamagedGroupError,
  decodeGroup,
  encodeGroup,
  groupLength,
  type LoggedWrite,
  lastOf,
  type WriteRecord,
} from './write-group.ts';

/** What a frame begins at, and is written in multiples of: what a disk writes at once. */
export const pageBytes = 4096;

/** Length of a file. */
export const segmentBytes = 1024 * 1024;

/** The files of a journal, in the store's folder. */
export const segmentNames = ['journal-0', 'journal-1'] as const;

/** Bytes of the salt. */
export const saltBytes = 8;

const magic = Buffer.from('coxjrnl1');
const headBytes = 28;

/** A new file of the journal with nothing in it. */
export function emptySegment(salt: Buffer): Buffer {
  const bytes = Buffer.alloc(segmentBytes);
  magic.copy(bytes, 0);
  salt.copy(bytes, magic.length);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, magic.length + saltBytes)), magic.length + saltBytes);
  return bytes;
}

/** How many bytes the frame of these writes has on the disk. */
export function frameLength(records: readonly WriteRecord[]): number {
  return Math.ceil((headBytes + groupLength(records)) / pageBytes) * pageBytes;
}

/** Writes the frame of `records`, whose revisions follow one another, to the beginning of `target`, which has room for it. */
export function encodeFrame(records: readonly WriteRecord[], salt: Buffer, target: Buffer): void {
  const length = groupLength(records);
  salt.copy(target, 4);
  target.writeDoubleLE(lastOf(records) - records.length + 1, 12);
  target.writeUInt32LE(records.length, 20);
  target.writeUInt32LE(length, 24);
  target.writeUInt32LE(crc32(target.subarray(4, headBytes)), 0);
  encodeGroup(records, target.subarray(headBytes, headBytes + length));
}

/** A frame whose head is sound. */
interface Frame {
  readonly first: number;
  readonly count: number;
  readonly group: Buffer;
}

/**
 * The writes that the journal of a folder has beyond revision `applied`, which the tables have come to, in revision order: those of one append together, as they have to
 * come into the tables. The last frame may have been cut off: nobody was told of it. Throws `StoreUnavailableError` where anything else is missing; with `isWritten`, while another process writes to it, what is
 * whole up to there is all there is.
 */
export function journalledWrites(
  directory: string,
  { applied, isWritten = false }: { readonly applied: number; readonly isWritten?: boolean },
  segments: readonly Buffer[] = readSegments(directory),
): LoggedWrite[][] {
  const frames = segments.flatMap(framesOf).filter(({ first, count }) => first + count - 1 > applied);
  frames.sort((a, b) => a.first - b.first);
  const appends: LoggedWrite[][] = [];
  let next = Math.max(1, applied) + 1;
  for (const [i, frame] of frames.entries()) {
    const found = frame.first === next ? decoded(frame) : undefined;
    if (found === undefined) {
      const isLast = i === frames.length - 1 && frame.first === next;
      if (isLast || isWritten) break;
      const what = `the writes from revision ${next} on are not as they were written`;
      throw damagedError(directory, { what, file: 'the journal' });
    }
    appends.push(found);
    next += frame.count;
  }
  return appends;
}

/** The files of a folder's journal, as they are now: those that exist. */
export function readSegments(directory: string): Buffer[] {
  return segmentNames.flatMap((name) => {
    try {
      return [readFileSync(join(directory, name))];
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
  });
}

/** The frames of a file whose heads are sound; none of one that was not finished. */
function framesOf(segment: Buffer): Frame[] {
  const saltEnd = magic.length + saltBytes;
  const isFinished =
    segment.length >= pageBytes &&
    segment.subarray(0, magic.length).equals(magic) &&
    segment.readUInt32LE(saltEnd) === crc32(segment.subarray(0, saltEnd));
  if (!isFinished) return [];
  const salt = segment.subarray(magic.length, saltEnd);
  const frames: Frame[] = [];
  for (let at = pageBytes; at + headBytes <= segment.length; at += pageBytes) {
    if (segment.readUInt32LE(at) !== crc32(segment.subarray(at + 4, at + headBytes))) continue;
    if (!segment.subarray(at + 4, at + 4 + saltBytes).equals(salt)) continue;
    const groupAt = at + headBytes;
    frames.push({
      first: segment.readDoubleLE(at + 12),
      count: segment.readUInt32LE(at + 20),
      group: segment.subarray(groupAt, groupAt + segment.readUInt32LE(at + 24)),
    });
  }
  return frames;
}

function decoded({ first, count, group }: Frame): LoggedWrite[] | undefined {
  try {
    const writes = decodeGroup(group);
    const isWhole = writes.length === count && writes.every(({ revision }, i) => revision === first + i);
    return isWhole ? writes : undefined;
  } catch (error) {
    if (error instanceof DamagedGroupError) return undefined;
    throw error;
  }
}
