/** What an image's documents in the store say of it. They never change, so each is read once. */
import type { BlobStore } from '../content/blob-store.ts';
import {
  type ConfigDocument,
  configBytesMax,
  type Descriptor,
  manifestBytesMax,
  type Platform,
  parseConfig,
  parseManifest,
} from '../content/documents.ts';
import { chooseManifest } from '../content/platform.ts';
import { ImageStoreError } from '../image-store.ts';

/** An image, read from what a name leads to. */
export interface ImageContents {
  /** What the name leads to: the manifest, or an index of several. */
  readonly targetDigest: string;
  readonly manifestDigest: string;
  readonly manifestSize: number;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly document: ConfigDocument;
}

/** Images that are kept as they were read: more than most nodes have, at some kilobytes each. One more makes room by the oldest. */
const keptMax = 500;

/** Reads the images of one store. */
export class ImageReader {
  readonly #blobs: BlobStore;
  readonly #platform: Platform;
  readonly #known = new Map<string, ImageContents>();

  constructor(blobs: BlobStore, platform: Platform) {
    this.#blobs = blobs;
    this.#platform = platform;
  }

  /** Rejects with `notFound` where a document is not there, and `damaged` where it is not an image's. */
  async read(targetDigest: string): Promise<ImageContents> {
    const known = this.#known.get(targetDigest);
    if (known !== undefined) return known;
    const contents = await this.#read(targetDigest);
    const [oldest] = this.#known.keys();
    if (this.#known.size >= keptMax && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(targetDigest, contents);
    return contents;
  }

  /** Takes back what was read: the contents may be gone. */
  forget(): void {
    this.#known.clear();
  }

  async #read(targetDigest: string): Promise<ImageContents> {
    const bytes = await this.#blobs.read(targetDigest, manifestBytesMax);
    const manifest = parseManifest(bytes);
    if (manifest.kind === 'index') {
      const chosen = await this.#choose(manifest.manifests);
      return { ...(await this.#read(chosen.digest)), targetDigest };
    }
    const { config, layers } = manifest;
    const document = parseConfig(await this.#blobs.read(config.digest, configBytesMax));
    if (document.diffIds.length !== layers.length)
      throw new ImageStoreError(
        'damaged',
        `manifest has ${layers.length} layers and the configuration ${document.diffIds.length}`,
      );
    return { targetDigest, manifestDigest: targetDigest, manifestSize: bytes.length, config, layers, document };
  }

  /** The one for this machine; where that is not there, as somebody loaded another, the first that is. */
  async #choose(manifests: readonly Descriptor[]): Promise<Descriptor> {
    const there: Descriptor[] = [];
    for (const one of manifests) if ((await this.#blobs.sizeOf(one.digest)) !== undefined) there.push(one);
    try {
      const own = chooseManifest(manifests, this.#platform);
      if (there.includes(own)) return own;
    } catch (error) {
      if (there.length === 0) throw error;
    }
    const [first] = there;
    if (first === undefined) throw new ImageStoreError('notFound', 'none of the images of the index is there');
    return first;
  }
}
