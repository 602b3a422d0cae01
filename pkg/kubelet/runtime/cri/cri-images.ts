/** The images of a CRI runtime. */
import { parseImageName } from '../image-name.ts';
import { type ImageInfo, type ImageService, type PullOptions, RuntimeError } from '../runtime.ts';
import {
  imageDiskOf,
  imageStatusOf,
  imagesOf,
  pinnedImagesOf,
  runtimeStatusOf,
  stringOf,
  usedImagesOf,
} from './answers.ts';
import { type CriClient, nothing } from './cri-client.ts';
import { emptyRequest, imageRequest, pullRequest, statusRequest } from './requests.ts';

/** Longest time for a pull: the runtime has times of its own for pulls that stand still. */
const pullTimeoutMs = 60 * 60_000;

/** The service. */
export function criImages(client: CriClient): ImageService {
  const status = async (image: string): Promise<ImageInfo | undefined> => {
    parseImageName(image);
    return client.images('ImageStatus', { message: imageRequest(image), read: imageStatusOf });
  };
  return {
    status,
    list: () => client.images('ListImages', { message: emptyRequest, read: imagesOf }),
    pull: async (image, options) => {
      parseImageName(image);
      const ref = await pullAny(client, image, options);
      const found = await status(ref);
      if (found === undefined) throw new RuntimeError('failed', `image "${image}" was pulled and is not there`);
      return found;
    },
    removal: {
      inUse: () => usedImages(client, status),
      remove: async (id) => {
        const found = await status(id);
        if (found === undefined) return 0;
        await client.images('RemoveImage', { message: imageRequest(id), read: nothing });
        // The interface says no more: layers that other images have too are counted, as by upstream's kubelet.
        return found.sizeBytes;
      },
      disk: () => client.images('ImageFsInfo', { message: emptyRequest, read: imageDiskOf }),
    },
  };
}

/** Ids of those that containers are made of, whoever made those, and of what the runtime needs itself: it may not say of its sandboxes' image that it is needed. */
async function usedImages(client: CriClient, status: ImageService['status']): Promise<ReadonlySet<string>> {
  const read = (bytes: Uint8Array) => ({ all: imagesOf(bytes), pinned: pinnedImagesOf(bytes) });
  const [{ all, pinned }, used, { sandboxImage }] = await Promise.all([
    client.images('ListImages', { message: emptyRequest, read }),
    client.runtime('ListContainers', { message: emptyRequest, read: usedImagesOf }),
    client.runtime('Status', { message: statusRequest, read: runtimeStatusOf }),
  ]);
  const ofSandboxes = sandboxImage === undefined ? undefined : await status(sandboxImage);
  const names = new Set(used);
  const isUsed = ({ id, repoTags, repoDigests }: ImageInfo): boolean =>
    [id, ...repoTags, ...repoDigests].some((name) => names.has(name));
  const needed = ofSandboxes === undefined ? pinned : [...pinned, ofSandboxes.id];
  return new Set([...needed, ...all.filter(isUsed).map(({ id }) => id)]);
}

/** With each of the credentials in turn, then with none; what the last try said is told. */
async function pullAny(client: CriClient, image: string, { credentials = [], signal }: PullOptions): Promise<string> {
  for (const one of credentials) {
    const ref = await pull(client, pullRequest(image, one), signal).catch((error: unknown) => {
      if (signal?.aborted === true) throw error;
      return undefined;
    });
    if (ref !== undefined) return ref;
  }
  return pull(client, pullRequest(image, undefined), signal);
}

async function pull(client: CriClient, message: Uint8Array, signal: AbortSignal | undefined): Promise<string> {
  try {
    return await client.images('PullImage', { message, read: stringOf, timeoutMs: pullTimeoutMs, signal });
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.reason !== 'notFound') throw error;
    throw new RuntimeError('imageNotFound', error.message, error);
  }
}
