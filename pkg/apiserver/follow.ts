/**
 * What a part of the server is told of all objects of a resource: those that there are, then every change, in order and synchronously with the cache, so
 * that on a local store it knows of a write before whoever made it. Goes on by itself after the cache has lost its store: then all are told again.
 *
 * Does not wait for anybody and queues nothing. A resource that is not served has no objects.
 */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { CacheEntry, CacheEvent } from '#pkg/storage/cache.ts';
import type { Catalog } from './catalog.ts';
import type { FollowSink, LazyObject, NamedObject } from './follow-sink.ts';

/** What is followed, and who is told. */
export interface FollowOptions {
  readonly catalog: Catalog;
  readonly resource: { readonly group: string; readonly resource: string };
  readonly sink: FollowSink;
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** How long it waits before it looks again for a cache that has lost its store: the cache itself waits so long at most. */
const retryDelayMs = 1_000;

/** Resolves once the sink was told of everything; rejects when the store cannot be read. */
export async function follow(options: FollowOptions): Promise<void> {
  const store = options.catalog.findAny(options.resource)?.store;
  const cache = store?.cache;
  if (store === undefined || cache === undefined) return;
  const { sink, signal, clock } = options;
  const known = new Map<string, LazyObject>();
  const tell = ({ type, entry, previous }: CacheEvent): void => {
    if (type === 'DELETED') {
      known.delete(entry.key);
      sink.remove(entry.object);
    } else {
      known.set(entry.key, entry);
      sink.set(entry.object, previous);
    }
  };
  const begin = async (): Promise<void> => {
    await cache.fresh();
    const entries = cache.list(store.prefix);
    const gone = new Map(known);
    known.clear();
    for (const entry of entries) {
      gone.delete(entry.key);
      known.set(entry.key, entry);
      sink.set(entry.object);
    }
    for (const { object } of gone.values()) sink.remove(object);
    const watch = cache.watch(
      { prefix: store.prefix, afterRevision: cache.revision },
      { onEvents: (events) => events.forEach(tell), onProgress: () => {}, onError: () => void again() },
    );
    signal.addEventListener('abort', () => watch.close(), { once: true });
  };
  const again = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await sleep(clock, retryDelayMs, signal);
        await begin();
        return;
      } catch {
        // The cache says so itself.
      }
    }
  };
  await begin();
}

/** The objects of a resource as they are now; `changed` is called once, when one of them changes, or the cache has lost its store. Rejects when the store cannot be read. */
export async function peek(
  { catalog, resource, signal }: Pick<FollowOptions, 'catalog' | 'resource' | 'signal'>,
  changed: () => void,
): Promise<readonly NamedObject[]> {
  const store = catalog.findAny(resource)?.store;
  const cache = store?.cache;
  if (store === undefined || cache === undefined) return [];
  await cache.fresh();
  const { prefix } = store;
  const objects = cache.list(prefix).map((entry) => new NamedEntry(entry, prefix.length));
  const tell = (): void => {
    watch.close();
    changed();
  };
  const watch = cache.watch(
    { prefix, afterRevision: cache.revision },
    { onEvents: tell, onProgress: () => {}, onError: tell },
  );
  signal.addEventListener('abort', () => watch.close(), { once: true });
  return objects;
}

class NamedEntry implements NamedObject {
  readonly name: string;
  readonly #entry: CacheEntry;

  constructor(entry: CacheEntry, prefixLength: number) {
    this.name = entry.key.slice(prefixLength);
    this.#entry = entry;
  }

  get object(): KubeObject {
    return this.#entry.object;
  }
}
