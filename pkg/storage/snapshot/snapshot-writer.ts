/**
 * Writes a snapshot to a file, which appears under its name only when all of it is on the disk. What is there of that name already is never replaced.
 * Holds one block in memory.
 */
import { createHash } from 'node:crypto';
import { link, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '#pkg/base/error-code.ts';
import {
  blockBytesWanted,
  encodeBlock,
  prefaceBytes,
  type SnapshotHeader,
  type SnapshotItem,
  SnapshotProblem,
  snapshotFormat,
  snapshotMagic,
} from './snapshot-format.ts';

/** What a file of a snapshot is called until it is whole. */
const unfinished = '.unfinished';

/** What was written. */
export interface WrittenSnapshot {
  readonly records: number;
  readonly bytes: number;
}

/** Writes all `items`. Throws `SnapshotProblem` for a file that is there already, and what the system says. */
export async function writeSnapshot(
  path: string,
  header: SnapshotHeader,
  items: AsyncIterable<SnapshotItem>,
): Promise<WrittenSnapshot> {
  const temporary = `${path}${unfinished}`;
  const file = await open(temporary, 'w', 0o600);
  try {
    const hash = createHash('sha256');
    let bytes = 0;
    const write = async (part: Uint8Array): Promise<void> => {
      hash.update(part);
      bytes += part.length;
      await file.writeFile(part);
    };
    await write(preface(header));
    const records = await writeBlocks(items, write);
    const end = Buffer.alloc(12);
    end.writeDoubleLE(records, 4);
    await write(end);
    await file.writeFile(hash.digest());
    await file.sync();
    await publish(temporary, path);
    return { records, bytes: bytes + 32 };
  } finally {
    await file.close();
    await rm(temporary, { force: true });
  }
}

function preface(header: SnapshotHeader): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(prefaceBytes);
  snapshotMagic.copy(head);
  head.writeUInt32LE(snapshotFormat, 8);
  head.writeUInt32LE(text.length, 12);
  return Buffer.concat([head, text]);
}

async function writeBlocks(
  items: AsyncIterable<SnapshotItem>,
  write: (part: Uint8Array) => Promise<void>,
): Promise<number> {
  let records = 0;
  let block: SnapshotItem[] = [];
  let bytes = 0;
  for await (const item of items) {
    block.push(item);
    records++;
    bytes += item.value.length + item.key.length;
    if (bytes < blockBytesWanted) continue;
    await write(encodeBlock(block));
    block = [];
    bytes = 0;
  }
  if (block.length > 0) await write(encodeBlock(block));
  return records;
}

/** Gives the whole file its name, unless somebody has it, and has the folder keep that. */
async function publish(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') throw new SnapshotProblem('there is such a file');
    throw error;
  }
  const folder = await open(dirname(path));
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
