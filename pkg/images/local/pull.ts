/** Pulls the contents of an image into the store: what is whole there is not asked for again, and what was cut off is gone on with. */
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Random } from '#pkg/base/random.ts';
import type { RemoteImage } from '../client/remote-image.ts';
import type { BlobStore } from '../content/blob-store.ts';
import { configBytesMax, type Descriptor, type Platform, parseManifest } from '../content/documents.ts';
import { chooseManifest } from '../content/platform.ts';
import { digestOf } from '../digest.ts';
import type { Pin } from '../disk/pins.ts';
import { Slots } from '../host/slots.ts';
import { type ImagePullOptions, ImageStoreError } from '../image-store.ts';

/** Layers of one pull that come at the same time, as Docker's engine has it; others wait. */
const layersAtOnce = 3;

/** Tries of one blob of which nothing more came. With some more come, it is tried again, up to `triesMax`. */
const fruitlessTriesMax = 4;
const triesMax = 50;
const retryFirstMs = 500;
const retryLastMs = 10_000;

/** What a pull needs of the store. */
export interface PullParts {
  readonly blobs: BlobStore;
  readonly platform: Platform;
  readonly clock: Clock;
  readonly random: Random;
}

/** Brings the documents of an image into the store; resolves with what brings a layer. */
export async function pullDocuments(
  remote: RemoteImage,
  parts: PullParts,
  { pin, options }: { readonly pin: Pin; readonly options: ImagePullOptions },
): Promise<(layer: Descriptor) => Promise<void>> {
  const { blobs, platform } = parts;
  await blobs.put(remote.bytes, pin);
  let manifest = parseManifest(remote.bytes);
  for (let depth = 0; manifest.kind === 'index'; depth++) {
    if (depth > 1) throw new ImageStoreError('unsupported', 'image is an index of indexes of indexes');
    const chosen = chooseManifest(manifest.manifests, platform);
    const bytes = await remote.manifest(chosen);
    if (digestOf(bytes) !== chosen.digest)
      throw new ImageStoreError(
        'damaged',
        `manifest is not what its index says: it has ${digestOf(bytes)}, not ${chosen.digest}`,
      );
    await blobs.put(bytes, pin);
    manifest = parseManifest(bytes);
  }
  const { config, layers } = manifest;
  if (config.size > configBytesMax)
    throw new ImageStoreError('damaged', `configuration has ${config.size} bytes, more than ${configBytesMax}`);
  await pin.add([config.digest, ...layers.map(({ digest }) => digest)]);
  const slots = new Slots(layersAtOnce);
  const bring = (descriptor: Descriptor): Promise<void> =>
    slots.run(() => bringBlob(descriptor, { remote, parts, options }));
  await blobs.removeDamaged(config);
  await bring(config);
  return bring;
}

async function bringBlob(
  descriptor: Descriptor,
  of: { readonly remote: RemoteImage; readonly parts: PullParts; readonly options: ImagePullOptions },
): Promise<void> {
  const { remote, parts, options } = of;
  const { signal, progress } = options;
  const { digest, size: totalBytes } = descriptor;
  let done = 0;
  for (let tries = 1, fruitless = 0; ; tries++) {
    const before = done;
    try {
      return await parts.blobs.receive(descriptor, (offset) => remote.blob(descriptor, offset), {
        progress: (doneBytes) => {
          done = doneBytes;
          progress?.({ digest, doneBytes, totalBytes });
        },
        ...(signal && { signal }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      fruitless = done > before ? 0 : fruitless + 1;
      const isLasting = !(error instanceof ImageStoreError) || error.reason !== 'unreachable';
      if (isLasting || fruitless >= fruitlessTriesMax || tries >= triesMax) throw error;
      // Not all at the same time: a registry that is too busy stays so else.
      const waitMs = Math.min(retryFirstMs * 2 ** fruitless, retryLastMs) * (0.5 + parts.random.next() / 2);
      await sleep(parts.clock, waitMs, signal);
    }
  }
}
