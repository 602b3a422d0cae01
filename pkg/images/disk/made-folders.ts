/**
 * Folders that are made once and then only read, by key: unpacked layers. Each is made beside its place and moved there when it is whole, and a file says which
 * key has which; a folder that the file does not name is what somebody left behind. Names of folders are short numbers, as a mount of many has room for no more.
 */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { BlobStoreOptions } from '../content/blob-store.ts';
import { digestOf, hexOf } from '../digest.ts';
import { lockFile, tryLockFile } from '../host/file-lock.ts';
import { JsonFile } from './json-file.ts';
import type { StoreLock } from './store-lock.ts';

/** What a folder takes on the disk. */
export interface FolderUsage {
  readonly bytes: number;
  readonly inodes: number;
}

interface Made extends FolderUsage {
  readonly number: number;
}

const halfPrefix = 'half-';
const lockSuffix = '.lock';

/** Makes what is in an empty folder. */
export type MakeFolder = (folder: string) => Promise<FolderUsage>;

/** The folders of one kind in one store. */
export class MadeFolders {
  readonly path: string;
  readonly #lock: StoreLock;
  readonly #file: JsonFile<ReadonlyMap<string, Made>>;
  readonly #options: Pick<BlobStoreOptions, 'calls' | 'clock'>;

  constructor(path: string, lock: StoreLock, options: Pick<BlobStoreOptions, 'calls' | 'clock'>) {
    this.path = path;
    this.#options = options;
    this.#lock = lock;
    this.#file = new JsonFile(join(path, 'folders.json'), parseMade);
  }

  async open(): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
  }

  /** The name of a key's folder in `path`; undefined where there is none. */
  async find(key: string): Promise<string | undefined> {
    const made = (await this.#file.read()).get(key);
    return made === undefined ? undefined : String(made.number);
  }

  /** The name of a key's folder, which is made where there is none: once, whoever else asks meanwhile, in this process or another. */
  async ensure(key: string, make: MakeFolder, signal?: AbortSignal): Promise<string> {
    const found = await this.find(key);
    if (found !== undefined) return found;
    const half = join(this.path, `${halfPrefix}${hexOf(digestOf(key))}`);
    await using _lock = await lockFile(`${half}${lockSuffix}`, { ...this.#options, ...(signal && { signal }) });
    const made = await this.find(key);
    try {
      return made ?? (await this.#make(key, half, make));
    } finally {
      await rm(half, { recursive: true, force: true });
      await rm(`${half}${lockSuffix}`, { force: true });
    }
  }

  /** Keys of all folders, and what each takes. */
  async usage(): Promise<ReadonlyMap<string, FolderUsage>> {
    return this.#file.read();
  }

  /** Takes away all folders but those of some keys, and what was left half made; resolves with the bytes. Under the store's lock. */
  async keepOnly(isKept: (key: string) => boolean): Promise<number> {
    const all = await this.#file.read();
    const kept = new Map([...all].filter(([key]) => isKept(key)));
    if (kept.size < all.size) await this.#file.write(Object.fromEntries(kept));
    const numbers = new Set([...kept.values()].map(({ number }) => String(number)));
    for (const name of await readdir(this.path)) {
      if (/^\d+$/.test(name) && !numbers.has(name)) await rm(join(this.path, name), { recursive: true, force: true });
      else if (name.startsWith(halfPrefix) && !name.endsWith(lockSuffix)) await this.#removeHalf(name);
    }
    let bytes = 0;
    for (const [key, usage] of all) if (!kept.has(key)) bytes += usage.bytes;
    return bytes;
  }

  async #make(key: string, half: string, make: MakeFolder): Promise<string> {
    // Somebody may have died over it.
    await rm(half, { recursive: true, force: true });
    await mkdir(half, { mode: 0o755 });
    const usage = await make(half);
    return this.#lock.run(async () => {
      const all = await this.#file.read();
      const number = Math.max(0, ...[...all.values()].map((one) => one.number)) + 1;
      const place = join(this.path, String(number));
      await rm(place, { recursive: true, force: true });
      await rename(half, place);
      await this.#file.write(Object.fromEntries([...all, [key, { number, ...usage }]]));
      return String(number);
    });
  }

  async #removeHalf(name: string): Promise<void> {
    const half = join(this.path, name);
    await using lock = await tryLockFile(`${half}${lockSuffix}`, this.#options.calls);
    if (lock === undefined) return;
    await rm(half, { recursive: true, force: true });
    await rm(`${half}${lockSuffix}`, { force: true });
  }
}

function parseMade(value: unknown): ReadonlyMap<string, Made> {
  if (value === undefined) return new Map();
  if (!isObject(value)) throw new Error('it is no list of folders');
  return new Map(Object.entries(value).map(([key, made]): readonly [string, Made] => [key, madeOf(made, key)]));
}

function madeOf(value: unknown, key: string): Made {
  const { number, bytes, inodes } = isObject(value) ? value : {};
  if (isCount(number) && isCount(bytes) && isCount(inodes)) return { number, bytes, inodes };
  throw new Error(`it says nothing of ${key}`);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
