/** The images of a CRI runtime. */
import { parseImageName } from '../image-name.ts';
import { type ImageInfo, type ImageService, type PullOptions, RuntimeError } from '../runtime.ts';
import { imageStatusOf, imagesOf, stringOf } from './answers.ts';
import type { CriClient } from './cri-client.ts';
import { emptyRequest, imageRequest, pullRequest } from './requests.ts';

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
  };
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
