/** What a store takes on the disk: contents, unpacked layers, and what roots have changed. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStore } from '../content/blob-store.ts';
import type { FolderUsage, MadeFolders } from '../disk/made-folders.ts';
import type { Roots } from './roots.ts';

/** As the file system counts. */
const blockBytes = 512;

/** Adds it all up. Folders of layers are remembered; those of roots are walked, each time. */
export async function usageOf({
  blobs,
  folders,
  roots,
}: {
  readonly blobs: BlobStore;
  readonly folders: MadeFolders;
  readonly roots: Roots;
}): Promise<FolderUsage> {
  let [bytes, inodes] = [0, 0];
  for (const digest of await blobs.list()) {
    bytes += (await blobs.sizeOf(digest)) ?? 0;
    inodes++;
  }
  for (const usage of (await folders.usage()).values()) {
    bytes += usage.bytes;
    inodes += usage.inodes;
  }
  for (const { folder, record } of await roots.list()) {
    const own = await walk(join(folder, record.snapshotter === 'overlay' ? 'changes' : 'root'));
    bytes += own.bytes;
    inodes += own.inodes;
  }
  return { bytes, inodes };
}

/** Files may go while they are counted. */
async function walk(path: string): Promise<FolderUsage> {
  const info = await lstat(path).catch(() => undefined);
  if (info === undefined) return { bytes: 0, inodes: 0 };
  let [bytes, inodes] = [info.blocks * blockBytes, 1];
  if (info.isDirectory()) {
    for (const name of await readdir(path, { encoding: 'buffer' }).catch(() => [])) {
      const below = await walk(join(path, name.toString()));
      bytes += below.bytes;
      inodes += below.inodes;
    }
  }
  return { bytes, inodes };
}
