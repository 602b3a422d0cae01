/**
 * Roots as copies, for machines without overlay mounts: the layers of an image are unpacked one upon the other into one folder, which each root is a copy of. File systems
 * that can share contents between files make that cheap, others do not. What a root has of its own cannot be told from the rest.
 */
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FolderUsage } from '../disk/made-folders.ts';
import { ImageStoreError } from '../image-store.ts';
import { copyTree } from '../layers/copy-tree.ts';
import { chainIdsOf, type Snapshotter, type SnapshotterOptions, unpackLayer } from './snapshotter.ts';

/** A snapshotter of copies. */
export function copySnapshotter({ folders, calls, clock }: SnapshotterOptions): Snapshotter {
  const folderKey = (diffIds: readonly string[]): string => `tree ${chainIdsOf(diffIds).at(-1) ?? 'empty'}`;
  return {
    kind: 'copy',
    folderKeys: (diffIds) => [folderKey(diffIds)],
    async unpack(layers, signal) {
      const make = async (root: string): Promise<FolderUsage> => {
        const total = { bytes: 0, inodes: 1 };
        for (const layer of layers) {
          const { bytes, inodes } = await unpackLayer(
            layer,
            { root, form: 'tree', lowers: [], calls },
            { clock, signal },
          );
          total.bytes += bytes;
          total.inodes += inodes;
        }
        return total;
      };
      await folders.ensure(folderKey(layers.map(({ diffId }) => diffId)), make, signal);
    },
    async prepare(folder, diffIds, owner) {
      if (owner !== undefined)
        throw new ImageStoreError('unsupported', 'roots that are copies cannot be those of a user namespace');
      const path = join(folder, 'root');
      const root = { path, changesPath: path };
      if ((await stat(path).catch(() => undefined)) !== undefined) return root;
      const name = await folders.find(folderKey(diffIds));
      if (name === undefined) throw new ImageStoreError('failed', 'layers of the image are not unpacked');
      const half = join(folder, 'half');
      await rm(half, { recursive: true, force: true });
      await mkdir(half, { mode: 0o700 });
      await copyTree(join(folders.path, name), half);
      await rename(half, path);
      return root;
    },
    async release(folder) {
      for (const name of ['half', 'root']) await rm(join(folder, name), { recursive: true, force: true });
    },
  };
}
