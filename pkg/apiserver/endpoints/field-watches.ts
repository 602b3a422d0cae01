/**
 * Watches that select by the value of one field, such as the pods of a node, of which there is one for every node: grouped by
 * that value, so that an event is looked at once and not once per watcher.
 *
 * Invariant: a watcher is given every event whose object has or had its value; its own selection decides what that means.
 * Upstream counterpart: `storage/cacher` trigger functions (`IndexerFuncs`).
 */
import type { CacheEvent, CacheSink, CacheWatch, ResourceCache } from '#pkg/storage/cache.ts';
import type { StoredEntry } from '../storage/object-codec.ts';

/** Which value of which field is watched, and from when. */
export interface FieldWatchOptions {
  readonly prefix: string;
  readonly afterRevision: number;
  /** Tells fields of different versions of a resource apart. */
  readonly field: string;
  readonly value: string;
  fieldValue(entry: StoredEntry): string;
}

const groupsOf = new WeakMap<ResourceCache, Map<string, FieldGroup>>();

/** As `ResourceCache.watch`, for one value of a field. */
export function watchField(cache: ResourceCache, options: FieldWatchOptions, sink: CacheSink): CacheWatch {
  const { prefix, afterRevision, field, value } = options;
  // From the future there is nothing to share: the cache itself knows when to begin.
  if (afterRevision > cache.revision) return cache.watch({ prefix, afterRevision }, sink);
  replay(cache, { prefix, afterRevision }, sink);
  let groups = groupsOf.get(cache);
  if (groups === undefined) {
    groups = new Map();
    groupsOf.set(cache, groups);
  }
  const key = `${field} ${prefix}`;
  let group = groups.get(key);
  if (group === undefined) {
    group = new FieldGroup(options.fieldValue, () => groups.delete(key));
    // What came before concerns single watchers only, each from where it begins.
    group.open((shared) => cache.watch({ prefix, afterRevision: cache.revision }, shared));
    groups.set(key, group);
  }
  return group.add(value, sink);
}

/** Gives the sink what has happened since. The cache calls before `watch` returns, so nothing comes in between. */
function replay(cache: ResourceCache, from: { prefix: string; afterRevision: number }, sink: CacheSink): void {
  let open = true;
  const past: CacheSink = {
    onEvents: (events) => {
      if (open) sink.onEvents(events);
    },
    onProgress: () => {},
    onError: () => {},
  };
  const watch = cache.watch(from, past);
  open = false;
  watch.close();
}

class FieldGroup implements CacheSink {
  readonly #fieldValue: (entry: StoredEntry) => string;
  readonly #onEmpty: () => void;
  readonly #sinks = new Map<string, Set<CacheSink>>();
  #watch: CacheWatch | undefined;

  constructor(fieldValue: (entry: StoredEntry) => string, onEmpty: () => void) {
    this.#fieldValue = fieldValue;
    this.#onEmpty = onEmpty;
  }

  open(start: (sink: CacheSink) => CacheWatch): void {
    this.#watch = start(this);
  }

  add(value: string, sink: CacheSink): CacheWatch {
    const sinks = this.#sinks.get(value) ?? new Set();
    sinks.add(sink);
    this.#sinks.set(value, sinks);
    return {
      close: () => {
        sinks.delete(sink);
        if (sinks.size > 0 || this.#sinks.get(value) !== sinks) return;
        this.#sinks.delete(value);
        if (this.#sinks.size === 0) this.#end();
      },
    };
  }

  onEvents(events: readonly CacheEvent[]): void {
    const wanted = new Map<Set<CacheSink>, CacheEvent[]>();
    for (const event of events) {
      const now = this.#fieldValue(event.entry as StoredEntry);
      this.#collect(wanted, now, event);
      const before = event.previous === undefined ? now : this.#fieldValue(event.previous as StoredEntry);
      if (before !== now) this.#collect(wanted, before, event);
    }
    for (const [sinks, list] of wanted) for (const sink of [...sinks]) sink.onEvents(list);
  }

  #collect(wanted: Map<Set<CacheSink>, CacheEvent[]>, value: string, event: CacheEvent): void {
    const sinks = this.#sinks.get(value);
    if (sinks === undefined) return;
    const list = wanted.get(sinks);
    if (list === undefined) wanted.set(sinks, [event]);
    else list.push(event);
  }

  onProgress(revision: number): void {
    for (const sinks of this.#sinks.values()) for (const sink of sinks) sink.onProgress(revision);
  }

  onError(error: Error): void {
    const all = [...this.#sinks.values()].flatMap((sinks) => [...sinks]);
    this.#sinks.clear();
    this.#end();
    for (const sink of all) sink.onError(error);
  }

  #end(): void {
    this.#watch?.close();
    this.#onEmpty();
  }
}
