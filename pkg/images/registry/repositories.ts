/** Which repositories there are, with their tags and manifests: one file, which is replaced at each change. */
import { join } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { BlobStore } from '../content/blob-store.ts';
import { manifestBytesMax, parseManifest } from '../content/documents.ts';
import { JsonFile } from '../disk/json-file.ts';
import type { StoreLock } from '../disk/store-lock.ts';
import { RegistryError } from './registry-errors.ts';

/** One repository. */
export interface Repository {
  /** Media types by digest. */
  readonly manifests: Readonly<Record<string, string>>;
  /** Digests by tag. */
  readonly tags: Readonly<Record<string, string>>;
}

/** The repositories of one registry. */
export class Repositories {
  readonly #file: JsonFile<ReadonlyMap<string, Repository>>;
  readonly #lock: StoreLock;

  constructor(folder: string, lock: StoreLock) {
    this.#file = new JsonFile(join(folder, 'repositories.json'), parseRepositories);
    this.#lock = lock;
  }

  /** In order of their names. */
  async names(): Promise<readonly string[]> {
    return [...(await this.#file.read()).keys()].sort();
  }

  async find(name: string): Promise<Repository> {
    const found = (await this.#file.read()).get(name);
    if (found === undefined) throw new RegistryError('NAME_UNKNOWN', name);
    return found;
  }

  /** The manifest of a tag or digest. */
  async manifest(name: string, reference: string): Promise<{ readonly digest: string; readonly mediaType: string }> {
    const { manifests, tags } = (await this.#file.read()).get(name) ?? emptyRepository;
    const digest = tags[reference] ?? reference;
    const mediaType = manifests[digest];
    if (mediaType === undefined) throw new RegistryError('MANIFEST_UNKNOWN', reference.slice(0, 200));
    return { digest, mediaType };
  }

  /** Notes a manifest, with a tag where it has one. */
  put(
    name: string,
    {
      digest,
      mediaType,
      tag,
    }: { readonly digest: string; readonly mediaType: string; readonly tag: string | undefined },
  ): Promise<void> {
    return this.#change(name, ({ manifests, tags }) => ({
      manifests: { ...manifests, [digest]: mediaType },
      tags: tag === undefined ? tags : { ...tags, [tag]: digest },
    }));
  }

  /** Forgets a tag, or a manifest with all its tags. */
  async remove(name: string, reference: string): Promise<void> {
    const { digest } = await this.manifest(name, reference);
    const isTag = digest !== reference;
    await this.#change(name, ({ manifests, tags }) => ({
      manifests: isTag ? manifests : without(manifests, (key) => key === digest),
      tags: without(tags, (key, value) => (isTag ? key === reference : value === digest)),
    }));
  }

  /** Takes away contents that no manifest leads to. Nobody uploads meanwhile. */
  async collect(blobs: BlobStore): Promise<void> {
    const kept = new Set<string>();
    for (const { manifests } of (await this.#file.read()).values())
      for (const digest of Object.keys(manifests)) {
        kept.add(digest);
        const manifest = await blobs
          .read(digest, manifestBytesMax)
          .then(parseManifest)
          .catch(() => undefined);
        if (manifest?.kind === 'image') for (const one of [manifest.config, ...manifest.layers]) kept.add(one.digest);
      }
    for (const digest of await blobs.list()) if (!kept.has(digest)) await blobs.remove(digest);
    await blobs.removePartial();
  }

  #change(name: string, change: (repository: Repository) => Repository): Promise<void> {
    return this.#lock.run(async () => {
      const all = new Map(await this.#file.read());
      const changed = change(all.get(name) ?? emptyRepository);
      if (Object.keys(changed.manifests).length === 0) all.delete(name);
      else all.set(name, changed);
      await this.#file.write(Object.fromEntries(all));
    });
  }
}

const emptyRepository: Repository = { manifests: {}, tags: {} };

function without(
  record: Readonly<Record<string, string>>,
  isGone: (key: string, value: string) => boolean,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(record).filter(([key, value]) => !isGone(key, value)));
}

function parseRepositories(value: unknown): ReadonlyMap<string, Repository> {
  if (value === undefined) return new Map();
  if (!isObject(value)) throw new Error('it is no list of repositories');
  return new Map(
    Object.entries(value).map(([name, one]): readonly [string, Repository] => {
      const { manifests, tags } = isObject(one) ? one : {};
      if (!isTextMap(manifests) || !isTextMap(tags)) throw new Error(`it says nothing of ${name}`);
      return [name, { manifests, tags }];
    }),
  );
}

function isTextMap(value: unknown): value is Readonly<Record<string, string>> {
  return isObject(value) && Object.values(value).every((one) => typeof one === 'string');
}
