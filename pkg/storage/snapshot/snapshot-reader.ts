/**
 * Reads a snapshot from a file. Opening reads all of it and compares checksum and count, so that what is read of it after that is what was written,
 * unless somebody changes the file meanwhile. Holds one block in memory.
 */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { isObject } from '#pkg/apimachinery/json.ts';
import {
  blockBytesMax,
  decodeBlock,
  headerBytesMax,
  prefaceBytes,
  type SnapshotHeader,
  type SnapshotItem,
  SnapshotProblem,
  snapshotFormat,
  snapshotMagic,
  trailerBytes,
} from './snapshot-format.ts';

/** A sound snapshot, until it is closed. */
export class SnapshotFile {
  readonly header: SnapshotHeader;
  readonly records: number;
  readonly #file: FileHandle;
  readonly #start: number;

  private constructor(file: FileHandle, found: { header: SnapshotHeader; records: number; start: number }) {
    this.#file = file;
    this.header = found.header;
    this.records = found.records;
    this.#start = found.start;
  }

  /** Opens a file and looks through all of it. Throws `SnapshotProblem` for one that is no snapshot, of another version, damaged or cut off. */
  static async open(path: string): Promise<SnapshotFile> {
    const file = await open(path, 'r');
    try {
      return new SnapshotFile(file, await check(file));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** All records, in the order of the file. */
  async *items(): AsyncGenerator<SnapshotItem> {
    for await (const block of blocksOf(this.#file, this.#start)) yield* decodeBlock(block);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function check(file: FileHandle): Promise<{ header: SnapshotHeader; records: number; start: number }> {
  const hash = createHash('sha256');
  const { text, start } = await readPreface(file, hash);
  let records = 0;
  let at = start;
  for await (const block of blocksOf(file, start, hash)) {
    at += 4 + block.length;
    records += decodeBlock(block).length;
  }
  const end = await read(file, at + 4, trailerBytes);
  hash.update(end.subarray(0, 8));
  if (!hash.digest().equals(end.subarray(8))) throw damaged('its checksum is wrong');
  if (end.readDoubleLE(0) !== records) throw damaged('its count of records is wrong');
  if ((await file.stat()).size !== at + 4 + trailerBytes) throw damaged('something follows its end');
  const header = headerOf(text);
  if (header === undefined) throw damaged('its header cannot be understood');
  return { header, records, start };
}

/** Reads up to where the blocks begin. What is no snapshot, or one of another version, is told from one that is damaged. */
async function readPreface(file: FileHandle, hash: Hash): Promise<{ text: Buffer; start: number }> {
  const { size } = await file.stat();
  const head = await read(file, 0, Math.min(size, prefaceBytes));
  if (!head.subarray(0, snapshotMagic.length).equals(snapshotMagic)) throw new SnapshotProblem('it is no snapshot');
  if (head.length < prefaceBytes) throw cutOff();
  const format = head.readUInt32LE(8);
  if (format !== snapshotFormat)
    throw new SnapshotProblem(
      `it has format ${format} and this version reads format ${snapshotFormat}: take the version that saved it`,
    );
  const length = head.readUInt32LE(12);
  if (length > headerBytesMax) throw damaged('its header cannot be understood');
  const text = await read(file, prefaceBytes, length);
  hash.update(head);
  hash.update(text);
  return { text, start: prefaceBytes + length };
}

/** Blocks without their lengths, up to the end of them. */
async function* blocksOf(file: FileHandle, start: number, hash?: Hash): AsyncGenerator<Buffer> {
  for (let at = start; ; ) {
    const head = await read(file, at, 4);
    hash?.update(head);
    const length = head.readUInt32LE(0);
    if (length === 0) return;
    if (length > blockBytesMax) throw damaged('a block is longer than any');
    const block = await read(file, at + 4, length);
    hash?.update(block);
    yield block;
    at += 4 + length;
  }
}

async function read(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, at);
  if (bytesRead < length) throw cutOff();
  return buffer;
}

function headerOf(text: Buffer): SnapshotHeader | undefined {
  let header: unknown;
  try {
    header = JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
  if (!isObject(header)) return undefined;
  const { clusterId, revision, savedAt, settings } = header;
  if (typeof clusterId !== 'string' || typeof savedAt !== 'string' || !Number.isSafeInteger(revision)) return undefined;
  if (settings !== undefined && !isObject(settings)) return undefined;
  return { clusterId, savedAt, revision: Number(revision), ...(settings === undefined ? {} : { settings }) };
}

function cutOff(): SnapshotProblem {
  return new SnapshotProblem('it is cut off');
}

function damaged(what: string): SnapshotProblem {
  return new SnapshotProblem(`it is damaged: ${what}`);
}
