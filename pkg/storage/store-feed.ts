/**
 * The feed of a resource that has no watch cache: each watch is one of the store's, and what is past comes from the store's own past. Holds
 * nothing of the objects, so it is for resources of which there are many objects and few watchers.
 *
 * Upstream counterpart: a resource with a watch cache size of 0, which is what it has for events (`--watch-cache-sizes`).
 */
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { CacheCodec, CacheEvent, CacheSink, CacheWatch, ResourceFeed } from './cache.ts';
import type { Store, StoreEvent } from './store.ts';

/** How often watchers hear how far an unchanged resource has come, as those of a cache do. */
const progressPeriodMs = 60_000;

/** The store, and what its values become. */
export interface StoreFeedOptions {
  readonly store: Store;
  readonly codec: CacheCodec;
  readonly clock: Clock;
}

/** Makes the feed of all resources that have no cache. */
export function createStoreFeed(options: StoreFeedOptions): ResourceFeed {
  return new StoreFeed(options);
}

class StoreFeed implements ResourceFeed {
  readonly #options: StoreFeedOptions;
  /** The greatest revision heard of, for a store that does not tell at once. */
  #known = 0;

  constructor(options: StoreFeedOptions) {
    this.#options = options;
  }

  get revision(): number {
    return this.#options.store.localRevision?.() ?? this.#known;
  }

  async fresh(): Promise<number> {
    const { store } = this.#options;
    this.#heard(await store.currentRevision());
    return this.revision;
  }

  async reached(revision: number): Promise<boolean> {
    return (await this.fresh()) >= revision;
  }

  watch(
    { prefix, afterRevision }: { readonly prefix: string; readonly afterRevision: number },
    sink: CacheSink,
  ): CacheWatch {
    const { store, clock } = this.#options;
    let timer: Timer | undefined;
    let reached = afterRevision;
    const end = (): void => timer?.cancel();
    const tick = (): void => {
      timer = clock.setTimeout(tick, progressPeriodMs);
      // A local driver has told of everything up to where it is; of another the watch itself knows.
      reached = Math.max(reached, store.localRevision?.() ?? 0);
      if (reached > afterRevision) sink.onProgress(reached);
    };
    timer = clock.setTimeout(tick, progressPeriodMs);
    const watch = store.watch(
      { prefix, fromRevision: afterRevision + 1 },
      {
        onEvents: (events, revision) => {
          reached = Math.max(reached, revision);
          this.#heard(revision);
          if (events.length > 0) sink.onEvents(events.map((event) => this.#told(event)));
        },
        onError: (error) => {
          end();
          sink.onError(error);
        },
      },
    );
    const close = (): void => {
      end();
      watch.close();
    };
    return { close };
  }

  #told(event: StoreEvent): CacheEvent {
    const { codec } = this.#options;
    if (event.type === 'delete') {
      const { previous, revision } = event;
      return {
        type: 'DELETED',
        entry: codec.deletedEntry(previous, revision),
        previous: codec.entry(previous),
        revision,
      };
    }
    const { kv, previous } = event;
    const entry = codec.entry(kv);
    if (previous === undefined) return { type: 'ADDED', entry, revision: kv.modRevision };
    return { type: 'MODIFIED', entry, previous: codec.entry(previous), revision: kv.modRevision };
  }

  #heard(revision: number): void {
    if (revision > this.#known) this.#known = revision;
  }
}
