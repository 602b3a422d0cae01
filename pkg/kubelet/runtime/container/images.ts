/** The images of a node's store in the terms of the runtime. */
import {
  type ImageStore,
  ImageStoreError,
  type ImageStoreErrorReason,
  type StoredImage,
} from '#pkg/images/image-store.ts';
import {
  type ImageInfo,
  type ImageRemoval,
  type ImageService,
  RuntimeError,
  type RuntimeErrorReason,
} from '../runtime.ts';

const reasons: Readonly<Partial<Record<ImageStoreErrorReason, RuntimeErrorReason>>> = {
  invalidName: 'invalidImage',
  notFound: 'imageNotFound',
};

/** What the store says when it cannot, in the terms of the runtime. */
export async function fromStore<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof ImageStoreError)) throw error;
    throw new RuntimeError(reasons[error.reason] ?? 'failed', error.message, error);
  }
}

/** The service. */
export function imageService(store: ImageStore): ImageService {
  return {
    status: async (image) => infoOf(await fromStore(store.find(image))),
    pull: async (image, { credentials, signal }) => {
      const found = await fromStore(
        store.pull(image, {
          ...(credentials === undefined ? {} : { logins: credentials }),
          ...(signal === undefined ? {} : { signal }),
        }),
      );
      return imageInfo(found);
    },
    list: async () => (await store.list()).map(imageInfo),
    removal: imageRemoval(store),
  };
}

/** Taking images of a store away. */
export function imageRemoval(store: Pick<ImageStore, 'inUse' | 'remove'>): ImageRemoval {
  return {
    inUse: () => fromStore(store.inUse()),
    remove: async (id) => {
      try {
        return await store.remove(id);
      } catch (error) {
        if (error instanceof ImageStoreError && error.reason === 'notFound') return 0;
        return fromStore(Promise.reject(error));
      }
    },
  };
}

function infoOf(image: StoredImage | undefined): ImageInfo | undefined {
  return image === undefined ? undefined : imageInfo(image);
}

/** An image of the store, as runtimes tell of it. */
export function imageInfo({ id, tags, digests, sizeBytes, config }: StoredImage): ImageInfo {
  const [name = ''] = config.user.split(':');
  const user = /^\d+$/.test(name) ? { uid: Number(name) } : { name };
  return { id, repoTags: tags, repoDigests: digests, sizeBytes, ...(name === '' ? {} : { user }) };
}
