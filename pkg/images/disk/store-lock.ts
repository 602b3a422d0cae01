/** One change of a store at a time, among the tasks of a process and among processes. What is done under it is short, and waits for nothing outside. */
import { join } from 'node:path';
import type { BlobStoreOptions } from '../content/blob-store.ts';
import { lockFile } from '../host/file-lock.ts';

/** The lock of a store's folder. Tasks of this process wait in line, so that only one of them asks the system. */
export class StoreLock {
  readonly #options: Pick<BlobStoreOptions, 'calls' | 'clock' | 'folder'>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: Pick<BlobStoreOptions, 'calls' | 'clock' | 'folder'>) {
    this.#options = options;
  }

  /** Does something under the lock; resolves and rejects as that does. It must not ask for the lock again. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      await using _lock = await lockFile(join(this.#options.folder, 'lock'), this.#options);
      return await work();
    });
    this.#last = turn.catch(() => {});
    return turn;
  }
}
