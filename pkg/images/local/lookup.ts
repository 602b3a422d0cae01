/** Finds images by names, digests and ids. */
import type { ImageToSave } from '../archive/save-archive.ts';
import { mediaTypes } from '../content/documents.ts';
import { digestOfHex, isDigest } from '../digest.ts';
import type { NamedContent, NameIndex } from '../disk/name-index.ts';
import { ImageStoreError, type StoredImage } from '../image-store.ts';
import { type ImageReference, parseReference, repositoryOf, wholeName } from '../reference.ts';
import type { ImageContents, ImageReader } from './image-reader.ts';

/** An entry, and what it leads to. */
interface Found extends NamedContent {
  readonly contents: ImageContents;
}

/** Digits by which an id may be cut off, as engines do for people. */
const shortId = /^[0-9a-f]{12,63}$/;
const wholeId = /^[0-9a-f]{64}$/;

/** Looks into the names of one store. */
export class Lookup {
  readonly #names: NameIndex;
  readonly #reader: ImageReader;

  constructor({ names, reader }: { readonly names: NameIndex; readonly reader: ImageReader }) {
    this.#names = names;
    this.#reader = reader;
  }

  /** Rejects with `invalidName` for what cannot be a name. */
  async image(reference: string): Promise<StoredImage | undefined> {
    const entries = await this.#entries();
    const [found] = matching(entries, reference);
    return found === undefined ? undefined : storedImage(found.contents, entries);
  }

  async images(): Promise<readonly StoredImage[]> {
    const entries = await this.#entries();
    const byId = new Map(entries.map(({ contents }) => [contents.config.digest, contents]));
    return [...byId.values()].map((contents) => storedImage(contents, entries));
  }

  async stored(contents: ImageContents): Promise<StoredImage> {
    return storedImage(contents, await this.#entries());
  }

  /** Rejects with `notFound`, as the others below do. */
  async entry(reference: string): Promise<NamedContent> {
    const [found] = matching(await this.#entries(), reference);
    return found ?? notFound(reference);
  }

  async contents(reference: string): Promise<ImageContents> {
    const [found] = matching(await this.#entries(), reference);
    return (found ?? notFound(reference)).contents;
  }

  async byId(imageId: string): Promise<ImageContents> {
    const found = (await this.#entries()).find(({ contents }) => contents.config.digest === imageId);
    return (found ?? notFound(imageId)).contents;
  }

  /** All names of an image by its id; by a name that one, and the digest of its repository once no tag of that leads there any more. */
  async namesToRemove(reference: string): Promise<readonly string[]> {
    const entries = await this.#entries();
    const found = matching(entries, reference);
    const [first] = found;
    if (first === undefined) return notFound(reference);
    if (isId(reference, first)) return found.map(({ name }) => name);
    const { target } = first;
    const repository = repositoryOf(parseReference(first.name));
    const others = entries.filter(
      (entry) =>
        entry.target.digest === target.digest &&
        entry.name !== first.name &&
        repositoryOf(parseReference(entry.name)) === repository,
    );
    return others.some(({ name }) => isTagged(name)) ? [first.name] : [first.name, ...others.map(({ name }) => name)];
  }

  /** Images for an archive, each once, with the tags that were asked for. */
  async imagesToSave(references: readonly string[]): Promise<readonly ImageToSave[]> {
    const entries = await this.#entries();
    const images = new Map<string, ImageToSave & { readonly names: string[] }>();
    for (const reference of references) {
      const [found] = matching(entries, reference);
      const { name, contents } = found ?? notFound(reference);
      const { manifestDigest: digest, manifestSize: size, config, layers } = contents;
      const isOci = config.mediaType !== mediaTypes.dockerConfig;
      const mediaType = isOci ? mediaTypes.ociManifest : mediaTypes.dockerManifest;
      const image = images.get(digest) ?? { manifest: { mediaType, digest, size }, config, layers, names: [] };
      images.set(digest, image);
      if (isTagged(name) && !isIdText(reference) && !image.names.includes(name)) image.names.push(name);
    }
    return [...images.values()];
  }

  /** What the disk has lost is not there. */
  async #entries(): Promise<readonly Found[]> {
    const entries = await this.#names.entries();
    const found = await Promise.all(
      entries.map(async (entry): Promise<readonly Found[]> => {
        try {
          return [{ ...entry, contents: await this.#reader.read(entry.target.digest) }];
        } catch (error) {
          if (error instanceof ImageStoreError) return [];
          throw error;
        }
      }),
    );
    return found.flat();
  }
}

/** Entries that a text means: one for a name, all of an image for an id. */
function matching(entries: readonly Found[], text: string): readonly Found[] {
  const id = wholeId.test(text) ? digestOfHex(text) : text;
  if (isDigest(id)) {
    const byId = entries.filter(({ contents }) => contents.config.digest === id);
    return byId.length > 0 ? byId : entries.filter(({ contents }) => isDigestOf(id, contents));
  }
  const byName = named(entries, parseReference(text));
  if (byName.length > 0 || !shortId.test(text)) return byName;
  const byShortId = entries.filter(({ contents }) => contents.config.digest.startsWith(digestOfHex(text)));
  const ids = new Set(byShortId.map(({ contents }) => contents.config.digest));
  if (ids.size > 1) throw new ImageStoreError('invalidName', `"${text}" is the beginning of several images' ids`);
  return byShortId;
}

function named(entries: readonly Found[], reference: ImageReference): readonly Found[] {
  const { digest } = reference;
  const name = wholeName(reference);
  const exact = entries.filter((entry) => entry.name === name);
  if (exact.length > 0 || digest === undefined) return exact;
  // Of an index that was pulled the manifest has a digest too.
  const ofRepository = entries.filter((entry) => repositoryOf(parseReference(entry.name)) === repositoryOf(reference));
  return ofRepository.filter(({ contents }) => isDigestOf(digest, contents)).slice(0, 1);
}

function isDigestOf(digest: string, { targetDigest, manifestDigest }: ImageContents): boolean {
  return targetDigest === digest || manifestDigest === digest;
}

function isId(reference: string, { contents, name }: Found): boolean {
  return (
    isIdText(reference) ||
    (shortId.test(reference) &&
      contents.config.digest.includes(reference) &&
      wholeName(parseReference(reference)) !== name)
  );
}

function isIdText(reference: string): boolean {
  return wholeId.test(reference) || isDigest(reference);
}

function isTagged(name: string): boolean {
  return !name.includes('@');
}

function storedImage(contents: ImageContents, entries: readonly Found[]): StoredImage {
  const { config, layers, manifestSize, document } = contents;
  const names = entries.filter((entry) => entry.contents.config.digest === config.digest).map(({ name }) => name);
  return {
    id: config.digest,
    tags: names.filter(isTagged),
    digests: names.filter((name) => !isTagged(name)),
    sizeBytes: [config, ...layers].reduce((total, { size }) => total + size, manifestSize),
    architecture: document.platform.architecture,
    config: document.config,
    diffIds: document.diffIds,
  };
}

function notFound(reference: string): never {
  throw new ImageStoreError('notFound', `no such image: ${reference.slice(0, 300)}`);
}
