/** The watch caches of one server, which begin when their resource is first asked for. None outlives the server, and none begins after its end. */
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Store } from '#pkg/storage/store.ts';
import { createResourceCache, type RunningResourceCache } from '#pkg/storage/watch-cache.ts';
import { objectCodec } from './object-codec.ts';

/** Opens and closes the caches of the resources of one server. */
export class OpenCaches {
  readonly #options: { readonly store: Store; readonly clock: Clock; readonly log: Logger };
  readonly #caches = new Set<RunningResourceCache>();
  #isClosed = false;

  constructor(options: { readonly store: Store; readonly clock: Clock; readonly log: Logger }) {
    this.#options = options;
  }

  /** A running cache of all keys that begin with `prefix`; a closed one for a request that comes when all has ended. */
  open(prefix: string): RunningResourceCache {
    const cache = createResourceCache({ ...this.#options, prefix, codec: objectCodec });
    this.#caches.add(cache);
    if (this.#isClosed) cache.close();
    else cache.start();
    return cache;
  }

  /** Ends the cache of a resource that is gone. */
  close(cache: RunningResourceCache): void {
    cache.close();
    this.#caches.delete(cache);
  }

  /** Ends all of them, for good. */
  closeAll(): void {
    this.#isClosed = true;
    for (const cache of this.#caches) cache.close();
  }
}
