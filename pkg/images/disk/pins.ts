/**
 * What work that is under way relies on, and no name leads to yet: a file for each such work, locked for as long as it goes on, with digests and keys of folders, one a line.
 * What is pinned is not collected. A pin whose process has ended is not locked any more, and is nobody's.
 */
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStoreOptions } from '../content/blob-store.ts';
import { lockFile, tryLockFile } from '../host/file-lock.ts';
import type { StoreLock } from './store-lock.ts';

/** Holds what is added to it until it is disposed of. */
export interface Pin extends AsyncDisposable {
  /** By which others ask whether it is held. */
  readonly name: string;
  /** Digests, or keys of unpacked folders. Once it resolves nothing of that is collected. */
  add(keys: readonly string[]): Promise<void>;
}

/** The pins of one store. */
export class Pins {
  readonly #options: BlobStoreOptions;
  readonly #folder: string;
  readonly #lock: StoreLock;

  constructor(options: BlobStoreOptions, lock: StoreLock) {
    this.#options = options;
    this.#folder = join(options.folder, 'pins');
    this.#lock = lock;
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  async pin(): Promise<Pin> {
    const name = this.#options.random.uuid();
    const path = join(this.#folder, name);
    const held = await lockFile(path, this.#options);
    return {
      name,
      // Under the store's lock, so that who collects has seen it or comes after.
      add: (keys) => this.#lock.run(() => held.file.appendFile(keys.map((key) => `${key}\n`).join(''))),
      [Symbol.asyncDispose]: async () => {
        await rm(path, { force: true });
        await held[Symbol.asyncDispose]();
      },
    };
  }

  /** Whether the work of a pin goes on. */
  async isHeld(name: string): Promise<boolean> {
    const path = join(this.#folder, name);
    if ((await stat(path).catch(() => undefined)) === undefined) return false;
    await using stale = await tryLockFile(path, this.#options.calls);
    if (stale === undefined) return true;
    await rm(path, { force: true });
    return false;
  }

  /** All that is pinned. Under the store's lock. */
  async pinned(): Promise<ReadonlySet<string>> {
    const keys = new Set<string>();
    for (const name of await readdir(this.#folder)) {
      const path = join(this.#folder, name);
      await using stale = await tryLockFile(path, this.#options.calls);
      if (stale !== undefined) await rm(path, { force: true });
      else for (const key of (await readFile(path, 'utf8').catch(() => '')).split('\n')) keys.add(key);
    }
    return keys;
  }
}
