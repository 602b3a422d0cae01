/**
 * Roots that were prepared, by key: a folder each, with a file that says of which image it is made and by which snapshotter. They outlive the process, and are
 * what holds an image's contents when its names are gone.
 */
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { BlobStoreOptions } from '../content/blob-store.ts';
import { digestOf, hexOf } from '../digest.ts';
import { JsonFile } from '../disk/json-file.ts';
import { type HeldLock, lockFile } from '../host/file-lock.ts';
import { ImageStoreError } from '../image-store.ts';

/** What is known of a root. */
export interface RootRecord {
  readonly key: string;
  readonly imageId: string;
  /** What the image was found by: the contents that its names led to. */
  readonly targetDigest: string;
  readonly diffIds: readonly string[];
  readonly snapshotter: string;
}

const recordName = 'root.json';

/** The roots of one store. */
export class Roots {
  readonly #options: BlobStoreOptions;
  readonly #path: string;

  constructor(options: BlobStoreOptions) {
    this.#options = options;
    this.#path = join(options.folder, 'roots');
  }

  async open(): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
  }

  /** The folder of a key's root, whether it is there or not. */
  folderOf(key: string): string {
    return join(this.#path, hexOf(digestOf(key)).slice(0, 32));
  }

  /** Keeps others from preparing or releasing the same root meanwhile. */
  lock(key: string): Promise<HeldLock> {
    return lockFile(`${this.folderOf(key)}.lock`, this.#options);
  }

  find(key: string): Promise<RootRecord | undefined> {
    return recordIn(this.folderOf(key));
  }

  /** Under the store's lock, so that who collects sees it. */
  async add(record: RootRecord): Promise<void> {
    const folder = this.folderOf(record.key);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // Not to the disk at once: a root that a crash of the machine takes along is prepared again.
    await writeFile(join(folder, `${recordName}.new`), JSON.stringify(record), { mode: 0o600 });
    await rename(join(folder, `${recordName}.new`), join(folder, recordName));
  }

  /** Forgets a root of which nothing is left; its lock is held. */
  async remove(folder: string): Promise<void> {
    await rm(folder, { recursive: true, force: true });
    await rm(`${folder}.lock`, { force: true });
  }

  /** All folders of roots, for who takes them away; without a record where that is not there, or cannot be read. */
  async folders(): Promise<readonly { readonly folder: string; readonly record: RootRecord | undefined }[]> {
    const names = (await readdir(this.#path)).filter((name) => !name.endsWith('.lock'));
    return Promise.all(
      names.map(async (name) => {
        const folder = join(this.#path, name);
        return { folder, record: await recordIn(folder).catch(ignoreDamaged) };
      }),
    );
  }

  /** All roots, with their folders. Rejects where it cannot be said of one what it holds. */
  async list(): Promise<readonly { readonly folder: string; readonly record: RootRecord }[]> {
    const roots: { readonly folder: string; readonly record: RootRecord }[] = [];
    for (const name of await readdir(this.#path)) {
      if (name.endsWith('.lock')) continue;
      const folder = join(this.#path, name);
      const record = await recordIn(folder);
      if (record !== undefined) roots.push({ folder, record });
    }
    return roots;
  }
}

function recordIn(folder: string): Promise<RootRecord | undefined> {
  return new JsonFile(join(folder, recordName), recordOf).read();
}

function ignoreDamaged(error: unknown): undefined {
  if (!(error instanceof ImageStoreError && error.reason === 'damaged')) throw error;
}

function recordOf(value: unknown): RootRecord | undefined {
  if (value === undefined) return undefined;
  const { key, imageId, targetDigest, diffIds, snapshotter } = isObject(value) ? value : {};
  const isRecord =
    typeof key === 'string' &&
    typeof imageId === 'string' &&
    typeof targetDigest === 'string' &&
    typeof snapshotter === 'string' &&
    Array.isArray(diffIds) &&
    diffIds.every((one) => typeof one === 'string');
  if (!isRecord) throw new Error('it is no record of a root');
  return { key, imageId, targetDigest, diffIds, snapshotter };
}
