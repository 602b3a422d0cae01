/**
 * The images that a node's machines can begin from: those built in, files, and OCI images of the cluster's store. An OCI image is for riscv64 and has in its uppermost folder what a folder of files has: `kernel.elf`, else `Image`, and
 * as it likes `initrd`, `disk.img` and `cmdline`, in whose place its command may be. What is for another machine, or has no kernel, is refused before anything starts. The store is opened with the first name that is neither built in nor a file.
 */
import type { ImageStore, StoredImage } from '#pkg/images/image-store.ts';
import type { ImageFilesWish } from '#pkg/images/local/image-files.ts';
import { fromStore, imageInfo, imageRemoval } from '../container/images.ts';
import { type ImageInfo, type ImageRemoval, type ImageService, RuntimeError } from '../runtime.ts';
import { builtInImages, fileBytesMax, fileHint, findImage, type GuestImage, guestImage, imagesHint } from './images.ts';

/** The architecture of machines, as images name it. */
export const machineArchitecture = 'riscv64';
const names = ['kernel.elf', 'Image', 'initrd', 'disk.img', 'cmdline'];

/** What machines need of a store. */
export interface MachineImageStore extends Pick<ImageStore, 'find' | 'inUse' | 'list' | 'pull' | 'release' | 'remove'> {
  files(imageId: string, wish: ImageFilesWish): Promise<ReadonlyMap<string, Uint8Array>>;
  hold(key: string, imageId: string): Promise<void>;
  releaseHeld(prefix: string): Promise<void>;
}

/** Where they come from, and for whom. */
export interface MachineImagesOptions {
  /** Opens the store. Absent: there is none. */
  readonly open?: (() => Promise<MachineImageStore>) | undefined;
  /** Of all that is held here: what a process held that was the same node's is let go of. Default: nothing is. */
  readonly holder?: string;
}

/** Images of machines, as the runtime serves them. */
export class MachineImages {
  readonly service: ImageService;
  readonly #options: MachineImagesOptions;
  #store: Promise<MachineImageStore> | undefined;
  #holds = 0;

  constructor(options: MachineImagesOptions) {
    this.#options = options;
    this.service = {
      status: (image) => this.#status(image),
      pull: async (image, { credentials, signal }) => {
        const own = (await findImage(image))?.info;
        if (own !== undefined) return own;
        const store = await this.#opened();
        if (image.startsWith('file:'))
          throw new RuntimeError('imageNotFound', `failed to pull image "${image}": not found: ${fileHint}`);
        if (store === undefined)
          throw new RuntimeError('imageNotFound', `failed to pull image "${image}": not found: ${imagesHint}`);
        const logins = credentials === undefined ? {} : { logins: credentials };
        return imageInfo(
          await fromStore(store.pull(image, { ...logins, ...(signal === undefined ? {} : { signal }) })),
        );
      },
      list: async () => {
        // A node that never asked for one has none of its own.
        const stored = (await (await this.#store)?.list()) ?? [];
        return [...(await builtInImages()), ...stored.filter(isForMachines).map(imageInfo)];
      },
      ...(options.open === undefined ? {} : { removal: this.#removal() }),
    };
  }

  /** Has a stored image stay as long as a machine is made of it: what is returned lets it go. Undefined for the others, which nobody takes away. */
  async hold({ info, isStored }: GuestImage): Promise<(() => Promise<void>) | undefined> {
    const store = isStored === true ? await this.#opened() : undefined;
    if (store === undefined) return undefined;
    const key = `${this.#prefix}${this.#holds++}`;
    await fromStore(store.hold(key, info.id));
    return () => fromStore(store.release(key));
  }

  /** A node that never asked for a stored image has none to take away. */
  #removal(): ImageRemoval {
    const removal = async (): Promise<ImageRemoval | undefined> => {
      const store = await this.#store;
      return store === undefined ? undefined : imageRemoval(store);
    };
    return {
      inUse: async () => {
        const builtIn = (await builtInImages()).map(({ id }) => id);
        return new Set([...builtIn, ...((await (await removal())?.inUse()) ?? [])]);
      },
      remove: async (id) => (await (await removal())?.remove(id)) ?? 0,
    };
  }

  get #prefix(): string {
    return `machine ${this.#options.holder ?? ''} `;
  }

  /** What a machine begins from; undefined where there is no such image. Rejects with `failed` for one that no machine begins from. */
  async find(image: string): Promise<GuestImage | undefined> {
    const own = await findImage(image);
    if (own !== undefined || image.startsWith('file:')) return own;
    const store = await this.#opened();
    const stored = store === undefined ? undefined : await fromStore(store.find(image));
    if (store === undefined || stored === undefined) return undefined;
    const no = (why: string): RuntimeError => new RuntimeError('failed', `image "${image}" cannot run: ${why}`);
    if (!isForMachines(stored))
      throw no(`it is for ${stored.architecture || 'no architecture'}, and machines are ${machineArchitecture}`);
    const files = await fromStore(store.files(stored.id, { names, bytesMax: fileBytesMax }));
    const kernel = files.get('kernel.elf') ?? files.get('Image');
    if (kernel === undefined) throw no('it has neither kernel.elf nor Image in its uppermost folder');
    const { entrypoint, command } = stored.config;
    const line = files.get('cmdline');
    const commandLine =
      line === undefined ? [...entrypoint, ...command].join(' ') : Buffer.from(line).toString().trim();
    const parts = { kernel, initrd: files.get('initrd'), disk: files.get('disk.img'), commandLine };
    return { ...(await guestImage(imageInfo(stored), parts)), isStored: true };
  }

  async #status(image: string): Promise<ImageInfo | undefined> {
    const own = await findImage(image);
    if (own !== undefined || image.startsWith('file:')) return own?.info;
    const store = await this.#opened();
    const stored = store === undefined ? undefined : await fromStore(store.find(image));
    return stored === undefined ? undefined : imageInfo(stored);
  }

  #opened(): Promise<MachineImageStore> | undefined {
    this.#store ??= this.#open();
    return this.#store;
  }

  #open(): Promise<MachineImageStore> | undefined {
    const { open, holder } = this.#options;
    return open?.().then(async (store) => {
      if (holder !== undefined) await fromStore(store.releaseHeld(this.#prefix));
      return store;
    });
  }
}

function isForMachines({ architecture }: StoredImage): boolean {
  return architecture === machineArchitecture;
}
