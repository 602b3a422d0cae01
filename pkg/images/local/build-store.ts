/** The store, as builds use it. */
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { Random } from '#pkg/base/random.ts';
import type { BuildRoot, BuildStore, BuiltLayer } from '../build/build-parts.ts';
import type { BlobStore } from '../content/blob-store.ts';
import { configBytesMax, mediaTypes, parseObject } from '../content/documents.ts';
import { Digester } from '../digest.ts';
import type { Pin, Pins } from '../disk/pins.ts';
import { unmountBelow } from '../host/mounts.ts';
import type { SystemCalls } from '../host/system-calls.ts';
import { ImageStoreError } from '../image-store.ts';
import type { Snapshotter } from '../snapshots/snapshotter.ts';
import { type AdmittingParts, admit, layerSources } from './admission.ts';
import type { BuildCache } from './build-cache.ts';
import { changedLayer } from './changed-layer.ts';
import type { Lookup } from './lookup.ts';
import type { Roots } from './roots.ts';

/** The parts of a store that a build needs. */
export type BuildingParts = AdmittingParts & { readonly pins: Pins; readonly roots: Roots; readonly cache: BuildCache };

const buildPrefix = 'build/';
/** In a root's folder. */
const workName = 'command';

/** Ends what runs in a root of a build, by its work folder. */
export type EndCommand = (workPath: string) => Promise<void>;

/** Takes roots of builds away: of those that were killed, and where `all` of those at work too. What ran in them is ended first, by `end`, which gets their work folders. */
export async function releaseBuilds(
  {
    roots,
    pins,
    snapshotter,
    calls,
  }: Pick<BuildingParts, 'pins' | 'roots'> & {
    readonly snapshotter: (kind: string) => Snapshotter;
    readonly calls: SystemCalls;
  },
  { end, all }: { readonly end: EndCommand; readonly all: boolean },
): Promise<void> {
  for (const { folder, record } of await roots.folders()) {
    // No killed build leaves a record that cannot be read.
    if (record?.key.startsWith(buildPrefix) !== true) continue;
    const [pin = ''] = record.key.slice(buildPrefix.length).split('/');
    if (!all && (await pins.isHeld(pin))) continue;
    await using _lock = await roots.lock(record.key);
    const workPath = join(folder, workName);
    await end(workPath);
    await unmountBelow(workPath, calls);
    await snapshotter(record.snapshotter).release(folder);
    await roots.remove(folder);
  }
}

/** Makes the store of one build. */
export async function buildStore(
  parts: BuildingParts,
  { lookup, random, calls }: { readonly lookup: Lookup; readonly random: Random; readonly calls: SystemCalls },
): Promise<BuildStore> {
  const { blobs, pins, lock, cache, snapshotter } = parts;
  const pin = await pins.pin();
  const noNews = (): Promise<void> => Promise.resolve();
  return {
    [Symbol.asyncDispose]: () => pin[Symbol.asyncDispose](),
    async base(reference) {
      if ((await lookup.image(reference)) === undefined) return undefined;
      const { config, layers, document } = await lookup.contents(reference);
      await pin.add([config.digest, ...layers.map(({ digest }) => digest)]);
      const raw = parseObject(await blobs.read(config.digest, configBytesMax), 'configuration');
      return {
        id: config.digest,
        platform: document.platform,
        config: isObject(raw.config) ? raw.config : {},
        history: Array.isArray(raw.history) ? raw.history : [],
        layers: layers.map((descriptor, index) => ({ descriptor, diffId: document.diffIds[index] ?? '' })),
      };
    },
    addLayer: (archive) => addLayer(archive, { blobs, pin }),
    prepare: (layers) => prepareRoot(layers, parts, `${buildPrefix}${pin.name}/${random.uuid()}`),
    changes(root, modified) {
      if (snapshotter.kind !== 'overlay')
        throw new ImageStoreError(
          'unsupported',
          'cannot tell what a command changed, as there are no overlay mounts here',
        );
      return changedLayer(root.changesPath, modified, calls);
    },
    async addImage(config, layers, references) {
      const put = async (value: object, mediaType: string) => {
        const claim = await blobs.put(Buffer.from(JSON.stringify(value)), pin);
        return { mediaType, ...claim };
      };
      const manifest = {
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        config: await put(config, mediaTypes.ociConfig),
        layers: layers.map(({ descriptor: { mediaType, digest, size } }) => ({ mediaType, digest, size })),
      };
      const target = await put(manifest, mediaTypes.ociManifest);
      return lookup.stored(await admit(parts, { target, references, pin, layerIsThere: noNews, signal: undefined }));
    },
    async cached(key) {
      const layer = (await cache.entries()).get(key);
      if (layer === undefined) return undefined;
      await pin.add([layer.descriptor.digest]);
      return (await blobs.sizeOf(layer.descriptor.digest)) === layer.descriptor.size ? layer : undefined;
    },
    remember: (key, layer: BuiltLayer) => lock.run(() => cache.add(key, layer)),
  };
}

async function addLayer(
  archive: AsyncIterable<Uint8Array>,
  { blobs, pin }: { readonly blobs: BlobStore; readonly pin: Pin },
): Promise<BuiltLayer> {
  const digester = new Digester();
  let failure: unknown;
  async function* digested(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of archive) {
        digester.update(chunk);
        yield chunk;
      }
    } catch (error) {
      failure = error;
      throw error;
    }
  }
  const gzip = createGzip();
  // What fails comes out at the end of the pipe.
  pipeline(Readable.from(digested(), { objectMode: false }), gzip, () => {});
  try {
    const claim = await blobs.putStream(gzip, ({ digest }) => pin.add([digest]));
    return { descriptor: { mediaType: mediaTypes.ociLayerGzip, ...claim }, diffId: digester.digest() };
  } catch (error) {
    throw failure ?? error;
  }
}

async function prepareRoot(
  layers: readonly BuiltLayer[],
  parts: BuildingParts,
  key: string,
): Promise<BuildRoot & AsyncDisposable> {
  const { roots, lock, snapshotter } = parts;
  const folder = roots.folderOf(key);
  const diffIds = layers.map(({ diffId }) => diffId);
  const release = async (): Promise<void> => {
    await snapshotter.release(folder);
    await roots.remove(folder);
  };
  await using _lock = await roots.lock(key);
  const record = { key, imageId: '', targetDigest: '', diffIds, snapshotter: snapshotter.kind };
  await lock.run(() => roots.add(record));
  try {
    await snapshotter.unpack(layerSources(parts, layers));
    const root = await snapshotter.prepare(folder, diffIds);
    return { ...root, workPath: join(folder, workName), [Symbol.asyncDispose]: release };
  } catch (error) {
    await release();
    throw error;
  }
}
