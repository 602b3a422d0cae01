/** What neither names nor roots nor work under way hold is taken away. */
import type { BlobStore } from '../content/blob-store.ts';
import { configBytesMax, manifestBytesMax, parseConfig, parseManifest } from '../content/documents.ts';
import type { MadeFolders } from '../disk/made-folders.ts';
import type { NameIndex } from '../disk/name-index.ts';
import type { Pins } from '../disk/pins.ts';
import type { Snapshotter } from '../snapshots/snapshotter.ts';
import type { Roots } from './roots.ts';

/** The parts of a store that hold on to contents, and those that keep them. */
export interface CollectableParts {
  readonly blobs: BlobStore;
  readonly folders: MadeFolders;
  readonly names: NameIndex;
  readonly pins: Pins;
  readonly roots: Roots;
  readonly snapshotters: readonly Snapshotter[];
}

/** Collects; resolves with the bytes. Under the store's lock. */
export async function collect({ blobs, folders, names, pins, roots, snapshotters }: CollectableParts): Promise<number> {
  const kept = new Set(await pins.pinned());
  const keep = (keys: readonly string[]): void => keys.forEach((key) => void kept.add(key));
  const foldersOf = (diffIds: readonly string[]): void => {
    for (const one of snapshotters) keep(one.folderKeys(diffIds));
  };
  const targets = (await names.entries()).map(({ target }) => target.digest);
  for (const { record } of await roots.list()) {
    targets.push(record.targetDigest);
    foldersOf(record.diffIds);
  }
  for (const digest of new Set(targets)) await follow(digest, { blobs, keep, foldersOf });
  let bytes = await folders.keepOnly((key) => kept.has(key));
  for (const digest of await blobs.list()) if (!kept.has(digest)) bytes += await blobs.remove(digest);
  return bytes + (await blobs.removePartial());
}

/** Keeps all that a manifest or index leads to, as far as it is there: of other platforms' images it is not. */
async function follow(
  digest: string,
  to: {
    readonly blobs: BlobStore;
    readonly keep: (keys: readonly string[]) => void;
    readonly foldersOf: (diffIds: readonly string[]) => void;
  },
): Promise<void> {
  to.keep([digest]);
  // What is there and no image, such as a signature beside one, leads nowhere.
  const manifest = await to.blobs
    .read(digest, manifestBytesMax)
    .then(parseManifest)
    .catch(() => undefined);
  if (manifest === undefined) return;
  if (manifest.kind === 'index') {
    for (const one of manifest.manifests) await follow(one.digest, to);
    return;
  }
  const { config, layers } = manifest;
  to.keep([config.digest, ...layers.map((layer) => layer.digest)]);
  const document = await to.blobs
    .read(config.digest, configBytesMax)
    .then(parseConfig)
    .catch(() => undefined);
  if (document !== undefined) to.foldersOf(document.diffIds);
}
