/**
 * The images of one folder, which processes may share. The folder is an OCI image layout (`blobs/`, `index.json`) with unpacked layers (`layers/`) and the roots made of them
 * (`roots/`) beside it. Names change under one lock; what was left half made by a process that died is nobody's, and is taken away by `collect`.
 */
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadArchive } from '../archive/load-archive.ts';
import { savedArchive } from '../archive/save-archive.ts';
import type { BuildStore } from '../build/build-parts.ts';
import type { Registries, RegistryCall } from '../client/remote-image.ts';
import { BlobStore, type BlobStoreOptions } from '../content/blob-store.ts';
import { configBytesMax, type HistoryEntry, manifestBytesMax, type Platform } from '../content/documents.ts';
import { MadeFolders } from '../disk/made-folders.ts';
import { NameIndex } from '../disk/name-index.ts';
import { Pins } from '../disk/pins.ts';
import { StoreLock } from '../disk/store-lock.ts';
import {
  type ImagePullOptions,
  type ImageStore,
  ImageStoreError,
  type PreparedRoot,
  type RootOwner,
  type StoredImage,
} from '../image-store.ts';
import { parseReference } from '../reference.ts';
import { rootlessKind as heldKind } from '../snapshots/checking.ts';
import { chooseSnapshotter, type SnapshotterChoice } from '../snapshots/choose.ts';
import { copySnapshotter } from '../snapshots/copy.ts';
import { overlaySnapshotter } from '../snapshots/overlay.ts';
import type { Snapshotter } from '../snapshots/snapshotter.ts';
import { type AdmittingParts, admit, namesOf, storedLayers } from './admission.ts';
import { referencesOf } from './archive-names.ts';
import { BuildCache } from './build-cache.ts';
import { type BuildingParts, buildStore, type EndCommand, releaseBuilds } from './build-store.ts';
import { type CollectableParts, collect } from './collect.ts';
import { type ImageFilesWish, readImageFiles } from './image-files.ts';
import { type ImageContents, ImageReader } from './image-reader.ts';
import { Lookup } from './lookup.ts';
import { pullDocuments } from './pull.ts';
import { type RootRecord, Roots } from './roots.ts';
import { asStoreErrors } from './store-errors.ts';
import { usageOf } from './usage.ts';

/** What a store is made of. */
export interface ImageStoreOptions extends BlobStoreOptions {
  readonly registries: Registries;
  /** Which images of an index are for this machine. */
  readonly platform: Platform;
  readonly snapshotter: SnapshotterChoice;
  /** Whether this process is root, which alone may unpack images. */
  readonly isRoot: boolean;
}

/** One step of how an image was made. */
export interface ImageStep extends HistoryEntry {
  /** Of the layer in the store, compressed or not; 0 for a step without one. */
  readonly sizeBytes: number;
}

/** A store with what people do beside what kubelets do. */
export interface LocalImages extends ImageStore {
  /** How roots are made here, and why not otherwise. */
  readonly snapshotter: { readonly kind: string; readonly problem: string | undefined };
  /** Files of an image, by id, that lie in its uppermost folder; no root is made for it. */
  files(imageId: string, wish: ImageFilesWish): Promise<ReadonlyMap<string, Buffer>>;
  /** Has an image's contents stay under a key, without a root; `release` lets them go. */
  hold(key: string, imageId: string): Promise<void>;
  /** Lets go of all that is held under keys that begin so: of a process that has ended. */
  releaseHeld(prefix: string): Promise<void>;
  /** How an image was made, last step first. */
  history(reference: string): Promise<readonly ImageStep[]>;
  /** Writes images to one archive, which other engines load too. The names are those that were asked for. */
  save(references: readonly string[], path: string): Promise<void>;
  /** Pushes an image under a name that it has. */
  push(reference: string, call: RegistryCall): Promise<void>;
  /** Takes names away of images that have no tag, or with `all` of those that no root uses, and collects. Resolves with those, and the bytes. */
  prune(options: {
    readonly all: boolean;
  }): Promise<{ readonly images: readonly StoredImage[]; readonly bytes: number }>;
  /** The store for one build, to be disposed of when that is over. */
  forBuild(): Promise<BuildStore>;
  /** Takes the roots away that killed builds have left. What runs in them is ended first, by `end`, which gets the work folder of each. */
  releaseLeft(end: EndCommand): Promise<void>;
  /** Takes all roots away, whoever prepared them. What builds run in theirs is ended by `end`, as above. Default: none is at work. */
  releaseAll(end?: EndCommand): Promise<void>;
}

/** Opens the store of a folder, which is made where it is not there. */
export async function openImageStore(options: ImageStoreOptions): Promise<LocalImages> {
  const { folder, calls, clock } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const lock = new StoreLock(options);
  const parts = {
    blobs: new BlobStore(options),
    folders: new MadeFolders(join(folder, 'layers'), lock, options),
    names: new NameIndex(folder),
    pins: new Pins(options, lock),
    roots: new Roots(options),
    cache: new BuildCache(folder),
    lock,
  };
  for (const part of [parts.blobs, parts.folders, parts.pins, parts.roots]) await part.open();
  await writeLayoutMark(folder);
  const made = { folders: parts.folders, calls, clock };
  const able = { overlay: overlaySnapshotter(made), copy: copySnapshotter(made) };
  const { chosen, problem } = await lock.run(() => chooseSnapshotter(able, options));
  const reader = new ImageReader(parts.blobs, options.platform);
  return new LocalImageStore(
    { ...parts, reader, snapshotter: chosen, snapshotters: Object.values(able) },
    problem,
    options,
  );
}

/** By this file other programs know the folder for what it is. */
async function writeLayoutMark(folder: string): Promise<void> {
  const file = await open(join(folder, 'oci-layout'), 'w', 0o600);
  await file.writeFile(JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await file.close();
}

type Parts = AdmittingParts & BuildingParts & CollectableParts;

class LocalImageStore implements LocalImages {
  readonly snapshotter: LocalImages['snapshotter'];
  readonly #parts: Parts;
  readonly #options: ImageStoreOptions;
  readonly #lookup: Lookup;

  constructor(parts: Parts, problem: string | undefined, options: ImageStoreOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#lookup = new Lookup(parts);
    this.snapshotter = { kind: parts.snapshotter.kind, problem };
  }

  find(reference: string): Promise<StoredImage | undefined> {
    return this.#lookup.image(reference);
  }

  list(): Promise<readonly StoredImage[]> {
    return this.#lookup.images();
  }

  pull(text: string, options: ImagePullOptions = {}): Promise<StoredImage> {
    return asStoreErrors(
      `pull ${text}`,
      async () => {
        const reference = parseReference(text);
        const { signal, logins } = options;
        const remote = await this.#options.registries.find(reference, {
          ...(logins && { logins }),
          ...(signal && { signal }),
        });
        await using pin = await this.#parts.pins.pin();
        const parts = { ...this.#options, blobs: this.#parts.blobs };
        const layerIsThere = await pullDocuments(remote, parts, { pin, options });
        const { target } = remote;
        return await this.#stored(await this.#admit({ target, references: [reference], pin, layerIsThere, signal }));
      },
      options.signal,
    );
  }

  load(
    archivePath: string,
    { name, signal }: { readonly name?: string; readonly signal?: AbortSignal } = {},
  ): Promise<readonly StoredImage[]> {
    return asStoreErrors(
      `load ${archivePath}`,
      async () => {
        const fallback = name === undefined ? undefined : parseReference(name);
        await using pin = await this.#parts.pins.pin();
        const { blobs } = this.#parts;
        const images: StoredImage[] = [];
        for (const { target, names } of await loadArchive(archivePath, { blobs, pin, signal })) {
          const references = referencesOf(names, fallback);
          const layerIsThere = async ({ digest }: { readonly digest: string }): Promise<void> => {
            if ((await blobs.sizeOf(digest)) === undefined)
              throw new ImageStoreError('damaged', `archive lacks the layer ${digest} of ${names[0] ?? 'an image'}`);
          };
          images.push(await this.#stored(await this.#admit({ target, references, pin, layerIsThere, signal })));
        }
        return images;
      },
      signal,
    );
  }

  tag(reference: string, name: string): Promise<void> {
    return asStoreErrors(`tag ${reference}`, async () => {
      const own = parseReference(name);
      if (own.digest !== undefined)
        throw new ImageStoreError('invalidName', `cannot give an image the name ${name}, as digests are not given`);
      const { names, lock } = this.#parts;
      await lock.run(async () => {
        const { target } = await this.#lookup.entry(reference);
        await names.replace([...(await names.entries()), ...namesOf([own], target)]);
      });
    });
  }

  remove(reference: string): Promise<number> {
    return asStoreErrors(`remove ${reference}`, async () => {
      const { names, lock, reader } = this.#parts;
      return lock.run(async () => {
        const gone = new Set(await this.#lookup.namesToRemove(reference));
        await names.replace((await names.entries()).filter((entry) => !gone.has(entry.name)));
        reader.forget();
        return collect(this.#parts);
      });
    });
  }

  files(imageId: string, wish: ImageFilesWish): Promise<ReadonlyMap<string, Buffer>> {
    return asStoreErrors(`read files of ${imageId}`, async () => {
      return readImageFiles(storedLayers(this.#parts, await this.#lookup.byId(imageId)), wish);
    });
  }

  prepare(key: string, imageId: string, owner?: RootOwner): Promise<PreparedRoot> {
    return asStoreErrors(`prepare a root of ${imageId}`, async () => {
      const { roots, lock } = this.#parts;
      await using _lock = await roots.lock(key);
      const record = await roots.find(key);
      if (record !== undefined && record.imageId !== imageId)
        throw new ImageStoreError(
          'failed',
          `cannot prepare a root of ${imageId} as ${key} has one of ${record.imageId}`,
        );
      const { diffIds, snapshotter, targetDigest } = record ?? (await lock.run(() => this.#addRoot(key, imageId)));
      const maker = this.#snapshotter(snapshotter);
      if (!(await this.#isUnpacked(maker.folderKeys(diffIds)))) {
        const contents = await this.#parts.reader.read(targetDigest);
        await maker.unpack(storedLayers(this.#parts, contents));
      }
      // Within the lock, which is given back when this function is left.
      return await maker.prepare(roots.folderOf(key), diffIds, owner);
    });
  }

  hold(key: string, imageId: string): Promise<void> {
    return asStoreErrors(`hold ${imageId}`, async () => {
      const { roots, lock } = this.#parts;
      await using _lock = await roots.lock(key);
      await lock.run(() => this.#addRoot(key, imageId, heldKind));
    });
  }

  async releaseHeld(prefix: string): Promise<void> {
    for (const { record } of await this.#parts.roots.list())
      if (record.snapshotter === heldKind && record.key.startsWith(prefix)) await this.release(record.key);
  }

  release(key: string): Promise<void> {
    return asStoreErrors(`release the root ${key}`, async () => {
      const { roots } = this.#parts;
      if ((await roots.find(key)) === undefined) return;
      await using _lock = await roots.lock(key);
      const record = await roots.find(key);
      if (record !== undefined) await this.#snapshotter(record.snapshotter).release(roots.folderOf(key));
      await roots.remove(roots.folderOf(key));
    });
  }

  inUse(): Promise<ReadonlySet<string>> {
    return asStoreErrors('say which images are used', async () => {
      const roots = await this.#parts.roots.list();
      return new Set(roots.map(({ record }) => record.imageId));
    });
  }

  collect(): Promise<number> {
    this.#parts.reader.forget();
    return asStoreErrors('collect', () => this.#parts.lock.run(() => collect(this.#parts)));
  }

  usage(): Promise<{ readonly bytes: number; readonly inodes: number }> {
    return usageOf(this.#parts);
  }

  async history(reference: string): Promise<readonly ImageStep[]> {
    const { document, layers } = await this.#lookup.contents(reference);
    const sizes = layers.map(({ size }) => size);
    // An image need not say how it was made; its layers are there all the same.
    const unsaid = { created: document.created, createdBy: '', comment: '', emptyLayer: false };
    const said = document.history.filter(({ emptyLayer }) => !emptyLayer).length;
    const steps = said === layers.length ? document.history : layers.map(() => unsaid);
    return steps.map((step) => ({ ...step, sizeBytes: step.emptyLayer ? 0 : (sizes.shift() ?? 0) })).reverse();
  }

  save(references: readonly string[], path: string): Promise<void> {
    return asStoreErrors(`save images to ${path}`, async () => {
      const images = await this.#lookup.imagesToSave(references);
      const file = await open(`${path}.new`, 'w', 0o644);
      try {
        for await (const bytes of savedArchive(images, this.#parts.blobs)) await file.writeFile(bytes);
        await file.close();
        await rename(`${path}.new`, path);
      } catch (error) {
        await file.close().catch(() => {});
        await rm(`${path}.new`, { force: true });
        throw error;
      }
    });
  }

  push(text: string, call: RegistryCall): Promise<void> {
    return asStoreErrors(
      `push ${text}`,
      async () => {
        const { blobs } = this.#parts;
        const reference = parseReference(text);
        const [image] = await this.#lookup.imagesToSave([text]);
        if (image === undefined) return;
        const bytes = await blobs.read(image.manifest.digest, manifestBytesMax);
        await blobs.read(image.config.digest, configBytesMax);
        await this.#options.registries.push(
          reference,
          {
            manifest: { ...image.manifest, bytes },
            blobs: [...image.layers, image.config],
            open: ({ digest }) => blobs.stream(digest),
          },
          call,
        );
      },
      call.signal,
    );
  }

  async #addRoot(key: string, imageId: string, kind = this.#parts.snapshotter.kind): Promise<RootRecord> {
    const { roots } = this.#parts;
    const contents = await this.#lookup.byId(imageId);
    const { diffIds } = contents.document;
    const record = { key, imageId, targetDigest: contents.targetDigest, diffIds, snapshotter: kind };
    await roots.add(record);
    return record;
  }

  async prune({
    all,
  }: {
    readonly all: boolean;
  }): Promise<{ readonly images: readonly StoredImage[]; readonly bytes: number }> {
    const used = new Set((await this.#parts.roots.list()).map(({ record }) => record.imageId));
    const images = (await this.list()).filter(({ id, tags }) => (all ? !used.has(id) : tags.length === 0));
    const { names, lock, cache } = this.#parts;
    await lock.run(async () => {
      await cache.clear();
      const gone = new Set(images.flatMap(({ tags, digests }) => [...tags, ...digests]));
      await names.replace((await names.entries()).filter(({ name }) => !gone.has(name)));
    });
    return { images, bytes: await this.collect() };
  }

  forBuild(): Promise<BuildStore> {
    const { random, calls } = this.#options;
    return buildStore(this.#parts, { lookup: this.#lookup, random, calls });
  }

  releaseLeft(end: EndCommand): Promise<void> {
    return asStoreErrors('release what builds have left', () => this.#releaseBuilds(end, false));
  }

  releaseAll(end: EndCommand = async () => {}): Promise<void> {
    return asStoreErrors('release all roots', async () => {
      await this.#releaseBuilds(end, true);
      const { roots, snapshotters } = this.#parts;
      for (const { folder, record } of await roots.folders()) {
        if (record !== undefined) await this.release(record.key);
        else for (const one of snapshotters) await one.release(folder);
        await roots.remove(folder);
      }
    });
  }

  #releaseBuilds(end: EndCommand, all: boolean): Promise<void> {
    const snapshotter = (kind: string): Snapshotter => this.#snapshotter(kind);
    return releaseBuilds({ ...this.#parts, snapshotter, calls: this.#options.calls }, { end, all });
  }

  async #isUnpacked(keys: readonly string[]): Promise<boolean> {
    const unpacked = await this.#parts.folders.usage();
    return keys.every((key) => unpacked.has(key));
  }

  #snapshotter(kind: string): Snapshotter {
    const { snapshotter, snapshotters } = this.#parts;
    return [snapshotter, ...snapshotters].find((one) => one.kind === kind) ?? snapshotter;
  }

  async #admit(admission: Parameters<typeof admit>[1]): Promise<ImageContents> {
    return admit(this.#parts, admission);
  }

  #stored(contents: ImageContents): Promise<StoredImage> {
    return this.#lookup.stored(contents);
  }
}
