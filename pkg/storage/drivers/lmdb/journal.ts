/**
 * Where an append is first: two files of fixed length that exist in full, so that a write to them is one sync of the disk and no more, a fifth of what a
 * transaction of lmdb takes. One file is filled while what the other holds comes into the tables.
 *
 * Invariants: a write is on the disk when its promise resolves. A file is begun anew only once all that it holds is in the tables. After a
 * failure nothing more is written.
 */
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { open as openFolder, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  emptySegment,
  encodeFrame,
  frameLength,
  pageBytes,
  saltBytes,
  segmentBytes,
  segmentNames,
} from './journal-frames.ts';
import { lastOf, type WriteRecord } from './write-group.ts';

/** The longest frame: longer ones are as fast in the tables, and there they have to be written anyway. */
const frameBytesMax = segmentBytes / 4;

/** Where systems have it, a write returns once it is on the disk; elsewhere that takes a second call. */
const syncFlag: number | undefined = fs.constants.O_DSYNC;

// Not the file handles of `fs/promises`: one that nobody closed would end the process when its memory is taken back.
const open = promisify(fs.open);
const write = promisify(fs.write);
const datasync = promisify(fs.fdatasync);
const close = promisify(fs.close);

interface Segment {
  /** Its descriptor. */
  readonly file: number;
  readonly salt: Buffer;
  /** Where the next frame goes. */
  at: number;
  /** The last revision in it. */
  last: number;
}

/** The journal of one folder, made new. */
export class Journal {
  readonly #directory: string;
  #filling: Segment;
  #other: Segment;
  /** What a frame is put together in: one is under way at a time. */
  #frame = Buffer.alloc(16 * pageBytes);

  private constructor(directory: string, filling: Segment, other: Segment) {
    this.#directory = directory;
    this.#filling = filling;
    this.#other = other;
  }

  /** Makes the files, on the disk when the promise resolves. There must be none; after an error there is none. */
  static async create(directory: string): Promise<Journal> {
    const made: Segment[] = [];
    try {
      const [one, two] = segmentNames;
      const make = async (name: string): Promise<Segment> => {
        const segment = await createSegment(join(directory, name));
        made.push(segment);
        return segment;
      };
      const journal = new Journal(directory, await make(one), await make(two));
      const folder = await openFolder(directory);
      await folder.sync().finally(() => folder.close());
      return journal;
    } catch (error) {
      for (const { file } of made) await close(file);
      await removeJournal(directory);
      throw error;
    }
  }

  /**
   * Appends one frame of these writes; resolves with its bytes on the disk. Undefined where it is too long, or the files are full of what the tables, which have come
   * to revision `applied`, do not have. The one before must have ended.
   */
  append(records: readonly WriteRecord[], applied: number): Promise<number> | undefined {
    const length = frameLength(records);
    const segment = length <= frameBytesMax ? this.#segmentFor(length, applied) : undefined;
    return segment && this.#write(segment, { records, length });
  }

  async #write(
    segment: Segment,
    { records, length }: { readonly records: readonly WriteRecord[]; readonly length: number },
  ): Promise<number> {
    if (this.#frame.length < length) this.#frame = Buffer.alloc(Math.min(frameBytesMax, length * 2));
    encodeFrame(records, segment.salt, this.#frame);
    const { file, at } = segment;
    segment.at += length;
    segment.last = lastOf(records);
    await writeAll(file, this.#frame.subarray(0, length), at);
    if (syncFlag === undefined) await datasync(file);
    return length;
  }

  /** The file that a frame of this length goes to: the one that is being filled, or the other from its beginning. */
  #segmentFor(length: number, applied: number): Segment | undefined {
    if (this.#filling.at + length > segmentBytes) {
      if (this.#other.last > applied) return undefined;
      [this.#filling, this.#other] = [this.#other, this.#filling];
      this.#filling.at = pageBytes;
    }
    return this.#filling;
  }

  /** Closes the files and leaves them where they are. */
  async close(): Promise<void> {
    for (const { file } of [this.#filling, this.#other]) await close(file);
  }

  /** Closes the files and takes them away: all that they hold is in the tables. */
  async remove(): Promise<void> {
    await this.close();
    await removeJournal(this.#directory);
  }
}

/** Takes the files of a folder's journal away, if there are any. */
export async function removeJournal(directory: string): Promise<void> {
  for (const name of segmentNames) await rm(join(directory, name), { force: true });
}

async function createSegment(path: string): Promise<Segment> {
  const salt = randomBytes(saltBytes);
  const { O_CREAT, O_EXCL, O_WRONLY } = fs.constants;
  const file = await open(path, O_CREAT | O_EXCL | O_WRONLY | (syncFlag ?? 0), 0o600);
  try {
    await writeAll(file, emptySegment(salt), 0);
    await datasync(file);
  } catch (error) {
    await close(file);
    throw error;
  }
  return { file, salt, at: pageBytes, last: 0 };
}

async function writeAll(file: number, bytes: Buffer, at: number): Promise<void> {
  const { bytesWritten } = await write(file, bytes, 0, bytes.length, at);
  if (bytesWritten !== bytes.length) throw new Error(`the system took ${bytesWritten} of ${bytes.length} bytes`);
}
