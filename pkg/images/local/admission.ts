/**
 * How an image gets into the store: its documents are read, its layers come and are unpacked in turn as they come, and only then it gets its names. What is under
 * way is pinned, so that who collects meanwhile leaves it alone.
 */
import type { BlobStore } from '../content/blob-store.ts';
import type { Descriptor } from '../content/documents.ts';
import { Digester } from '../digest.ts';
import type { NamedContent, NameIndex } from '../disk/name-index.ts';
import type { Pin } from '../disk/pins.ts';
import type { StoreLock } from '../disk/store-lock.ts';
import { ImageStoreError } from '../image-store.ts';
import { digestName, type ImageReference, wholeName } from '../reference.ts';
import type { LayerSource, Snapshotter } from '../snapshots/snapshotter.ts';
import type { ImageContents, ImageReader } from './image-reader.ts';

/** The parts of a store that images get into. */
export interface AdmittingParts {
  readonly blobs: BlobStore;
  readonly names: NameIndex;
  readonly lock: StoreLock;
  readonly reader: ImageReader;
  readonly snapshotter: Snapshotter;
}

/** What an image is admitted by. */
export interface Admission {
  /** The manifest or index, which is in the store with the configuration. */
  readonly target: NamedContent['target'];
  /** By which it is found from then on; with none it is not. */
  readonly references: readonly ImageReference[];
  readonly pin: Pin;
  /** Resolves when a layer is in the store. */
  readonly layerIsThere: (layer: Descriptor) => Promise<void>;
  readonly signal: AbortSignal | undefined;
}

/** Admits one image. Rejects, and leaves no name, where a layer does not come or is not what the image says. */
export async function admit(parts: AdmittingParts, admission: Admission): Promise<ImageContents> {
  const { lock, names, reader, snapshotter } = parts;
  const { target, references, pin, signal } = admission;
  const contents = await reader.read(target.digest);
  await pin.add(snapshotter.folderKeys(contents.document.diffIds));
  const coming = contents.layers.map((layer) => admission.layerIsThere(layer));
  // One that fails is told of when its turn comes.
  for (const one of coming) one.catch(() => {});
  const sources = contents.layers.map((layer, index) =>
    sourceOf(layer, { parts, contents, index, isThere: coming[index] }),
  );
  try {
    await snapshotter.unpack(sources, signal);
  } catch (error) {
    if (isDamage(error)) await removeDamaged(contents.layers, parts.blobs);
    throw error;
  }
  // A layer that was unpacked before need not be opened, and is to be there all the same.
  await Promise.all(coming);
  signal?.throwIfAborted();
  await lock.run(async () => names.replace([...(await names.entries()), ...namesOf(references, target)]));
  return contents;
}

/** Takes away what the disk has made of layers since they came, so that the next try asks for them anew. */
async function removeDamaged(layers: readonly Descriptor[], blobs: BlobStore): Promise<void> {
  for (const { digest } of layers) {
    const digester = new Digester();
    try {
      for await (const chunk of blobs.stream(digest)) digester.update(chunk);
    } catch {
      continue;
    }
    if (digester.digest() !== digest) await blobs.remove(digest);
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof ImageStoreError && error.reason === 'damaged';
}

/** Layers that are in the store, as snapshotters want them. */
export function storedLayers(parts: AdmittingParts, contents: ImageContents): readonly LayerSource[] {
  return contents.layers.map((layer, index) => sourceOf(layer, { parts, contents, index, isThere: Promise.resolve() }));
}

/** The names that references give to contents: each as it is, and by the digest. */
export function namesOf(
  references: readonly ImageReference[],
  target: NamedContent['target'],
): readonly NamedContent[] {
  return references.flatMap((reference) =>
    [wholeName(reference), digestName(reference, target.digest)].map((name) => ({ name, target })),
  );
}

function sourceOf(
  layer: Descriptor,
  of: {
    readonly parts: AdmittingParts;
    readonly contents: ImageContents;
    readonly index: number;
    readonly isThere: Promise<void> | undefined;
  },
): LayerSource {
  const { blobs } = of.parts;
  async function* checked(): AsyncGenerator<Uint8Array> {
    try {
      yield* blobs.stream(layer.digest);
    } catch (error) {
      throw new ImageStoreError('damaged', `layer ${layer.digest} cannot be read from the store`, error);
    }
  }
  return {
    diffId: of.contents.document.diffIds[of.index] ?? '',
    async open() {
      await of.isThere;
      return checked();
    },
  };
}
