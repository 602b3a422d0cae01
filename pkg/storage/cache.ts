/**
 * The watch cache: the current state of one resource, and its recent past, in memory, so that reads and watches do not reach the
 * store. One per resource, filled on first use by a range and kept by one watch on the store.
 *
 * Laws:
 * 1. `fresh()` then `get` or `list` never misses a write that was acknowledged before `fresh()` was called. On local drivers it is
 *    immediate, as their watches run before the write resolves; on etcd it asks for the current revision and waits to have reached it.
 * 2. Watchers get every event of the resource after their revision, each once, in order, at once. A sink that queues them ends its
 *    watch rather than skip any (limit: `watcherBacklogMax` events waiting).
 * 3. A watch from a revision older than the history (`eventHistoryLimitsDefault`) fails with `CompactedError`.
 * 4. An entry is decoded lazily and shared by all readers: it must not be changed. An entry that is no longer news (`settle`) may drop
 *    what it decoded and decode it again when it is asked for.
 *
 * Upstream counterpart: apiserver `storage/cacher`.
 */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { KeyValue } from './store.ts';

/** A stored object, decoded and encoded on demand. Both carry the resourceVersion. */
export interface CacheEntry {
  readonly key: string;
  readonly modRevision: number;
  readonly createRevision: number;
  /** Decoded and deeply shared. */
  readonly object: KubeObject;
  /** JSON as it is served. */
  readonly bytes: Uint8Array;
  /** Called once those who follow changes have seen this one: what can be made again from the stored bytes need not be held. */
  settle?(): void;
  /** Called when there is a newer state, or none any more: few will still read this one. */
  replaced?(): void;
}

/** Makes entries of what the store holds. Given by the layer above, which knows the encoding. */
export interface CacheCodec {
  entry(kv: KeyValue): CacheEntry;
  /** The last state of a deleted object, with the revision of the deletion as its resourceVersion. */
  deletedEntry(previous: KeyValue, revision: number): CacheEntry;
}

/** One change, as watchers are told of it. */
export interface CacheEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** The new state; the last one for DELETED. */
  readonly entry: CacheEntry;
  /** The state before, for MODIFIED and DELETED: selectors need it to tell whether an object entered or left a selection. */
  readonly previous?: CacheEntry;
  readonly revision: number;
}

/** Called synchronously, in order; must not throw. */
export interface CacheSink {
  onEvents(events: readonly CacheEvent[]): void;
  /** Whether `onProgress` is of any use. Default true. */
  readonly wantsProgress?: boolean;
  /** The resource is unchanged up to this revision, which has moved on because of other resources. For bookmarks. */
  onProgress(revision: number): void;
  onError(error: Error): void;
}

/** A watch that has begun. */
export interface CacheWatch {
  close(): void;
}

/** What happens to the objects of one resource. A cache is one; `store-feed.ts` is the one of a resource that has no cache. */
export interface ResourceFeed {
  /** Waits until everything acknowledged before the call was told; returns the revision reached. */
  fresh(): Promise<number>;
  /** Waits until the feed has reached `revision`; false when `timeoutMs` passes before, or it is known to lie in the future. */
  reached(revision: number, timeoutMs: number): Promise<boolean>;
  /** Revision up to which it is complete. Reads of a cache throw `StoreUnavailableError` until a first `fresh()` has resolved. */
  readonly revision: number;
  /**
   * Events after `afterRevision` whose keys start with `prefix`. A cache gives those that have already happened before this returns, and throws
   * `CompactedError` when its history does not reach back that far, `StoreUnavailableError` while it is not filled; without a cache the sink
   * is told of both.
   */
  watch(options: { readonly prefix: string; readonly afterRevision: number }, sink: CacheSink): CacheWatch;
}

/** The cache of one resource; see the laws above. */
export interface ResourceCache extends ResourceFeed {
  /** Whether a read now is as good as one after `fresh()`: so on a local driver, once the cache is filled. */
  readonly isFresh: boolean;
  /** Whether a read now is as good as one after `settled()`. */
  readonly isSettled: boolean;
  /**
   * Waits until a read misses no write that this process acknowledged before the call; those of other servers may be missed for as long as their
   * events take. For what the server decides by, where upstream's has informers: on etcd it mostly costs no request. Throws as `fresh()`.
   */
  settled(): Promise<void>;
  get(key: string): CacheEntry | undefined;
  /** Entries whose keys start with `prefix`, in key order; from `startKey` (inclusive) when given, at most `limit` when given. */
  list(prefix: string, options?: { readonly startKey?: string; readonly limit?: number }): readonly CacheEntry[];
  /** How many entries `list` would return without a limit. */
  count(prefix: string): number;
}
