/**
 * The objects of one resource, all versions together: reads from the watch cache, or from the store where the resource has none, and
 * compare-and-swap writes to the store.
 *
 * The resource's cache begins with its first use and lives until `run` of the server ends or the resource is removed (`close`): from then on
 * watches have ended and whoever is still at it is told that there is no such resource.
 * Keys are upstream's (`storage-key.ts`); values are JSON of our own layout.
 */

import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type ErrorSubject, internalError, StatusError, tooLarge } from '#pkg/apimachinery/status-error.ts';
import { TurnsByKey } from '#pkg/base/turns.ts';
import type { CacheEntry, ResourceCache, ResourceFeed } from '#pkg/storage/cache.ts';
import { ValueGuardError } from '#pkg/storage/encryption/value-guard.ts';
import { keyBytesMax } from '#pkg/storage/operation.ts';
import { Slabs } from '#pkg/storage/slabs.ts';
import {
  type PutOperation,
  type RangeOptions,
  type RangeResult,
  StoreUnavailableError,
  type WritableBytes,
  type WriteResult,
} from '#pkg/storage/store.ts';
import type { RunningResourceCache } from '#pkg/storage/watch-cache.ts';
import type { KeepingRules } from '../keeping-rules.ts';
import { noSuchResource } from '../responses.ts';
import type { Strategy } from '../strategy.ts';
import { type EncodeOptions, encodeForWrite, lateForWrite, objectCodec, StoredEntry } from './object-codec.ts';
import type { ObjectKeeper } from './object-keeper.ts';
import type { OpenCaches } from './open-caches.ts';
import { storagePrefix } from './storage-key.ts';

/** What a write came to: the new state, or the state that was in the way (undefined: the object does not exist). */
export type PutResult =
  | { readonly ok: true; readonly entry: StoredEntry }
  | { readonly ok: false; readonly current: StoredEntry | undefined };

/**
 * Largest object stored, the same for every store: what an etcd takes in one request by default (1.5 MiB), less its key and what the request says
 * beside. A store that took more could not be moved to one. Source: etcd's `--max-request-bytes`.
 */
const objectBytesMax = 1536 * 1024 - 4096;

/** Entries whose sizes stand for all. */
const sampledEntries = 32;

const noBytes = new Uint8Array(0);

/** Of values that nobody keeps for long, as their resource has no cache: they are written one after the other, and soon forgotten. */
const passingSizes = { slabBytes: 64 * 1024, sharedBytesMax: 4 * 1024 };

/** What is known of a draft's JSON: some of its fields, and the state that it was made of. */
type KnownParts = Pick<EncodeOptions, 'before' | 'texts'>;

/** Where the objects of one resource are, and how long they live. */
export interface ResourceStoreOptions {
  readonly subject: ErrorSubject;
  readonly namespaced: boolean;
  readonly store: ObjectKeeper;
  /** Where the resource's watch cache is opened, once, and closed. */
  readonly caches: Pick<OpenCaches, 'close' | 'open'>;
  /** What happens to the objects of a resource without a cache. */
  readonly storeFeed: ResourceFeed;
  readonly keeping: KeepingRules;
}

/** The objects of one resource. */
export class ResourceStore {
  readonly subject: ErrorSubject;
  readonly prefix: string;
  readonly namespaced: boolean;
  /** Of those who change an object and have lost to others who do. */
  readonly turns = new TurnsByKey();
  readonly #store: ObjectKeeper;
  readonly #options: ResourceStoreOptions;
  readonly #takesLate: boolean;
  readonly #allocate: ((bytes: number) => WritableBytes) | undefined;
  readonly #ttlMs: number | undefined;
  readonly #isCached: boolean;
  #cache: RunningResourceCache | undefined;
  #isOpen: boolean;
  #averageBytes = 0;
  /** Objects that there were when the average was taken. */
  #averageOf = 0;
  #isClosed = false;
  readonly #ends = new Set<() => void>();
  #lastKey: { readonly namespace: string; readonly name: string; readonly key: string } | undefined;

  constructor(options: ResourceStoreOptions) {
    this.subject = options.subject;
    this.namespaced = options.namespaced;
    this.prefix = storagePrefix(options.subject, options.keeping);
    this.#store = options.store;
    this.#takesLate = options.store.takesLate === true;
    this.#options = options;
    this.#ttlMs = options.keeping.ttlMs;
    this.#isCached = options.keeping.watchCache !== 'none';
    this.#allocate = options.store.allocate?.bind(options.store) ?? (this.#isCached ? undefined : passing());
    this.#isOpen = !this.#isCached;
  }

  /** Objects that there are, where a cache that was opened knows it; nothing is opened for it. */
  get openCount(): number | undefined {
    const cache = this.#cache;
    // One that is being filled for the first time knows nothing yet.
    return cache === undefined || cache.revision === 0 ? undefined : cache.count(this.prefix);
  }

  /** Bytes of an object on the average, by a sample of those that a cache has; undefined where there is none. */
  get averageBytes(): number | undefined {
    const count = this.openCount ?? 0;
    if (count === 0) return undefined;
    // Sizes change slowly: looked at again when there are half as many, or twice.
    if (this.#averageBytes === 0 || count > 2 * this.#averageOf || 2 * count < this.#averageOf) {
      const sample = this.#cache?.list(this.prefix, { limit: sampledEntries }) ?? [];
      const sizeOf = (entry: CacheEntry): number => (entry instanceof StoredEntry ? entry.size : 0);
      this.#averageBytes = sample.reduce((sum, entry) => sum + sizeOf(entry), 0) / Math.max(1, sample.length);
      this.#averageOf = count;
    }
    return this.#averageBytes;
  }

  /** The watch cache; undefined for a resource that has none. */
  get cache(): ResourceCache | undefined {
    if (this.#cache === undefined && this.#isCached) {
      if (this.#isClosed) throw noSuchResource();
      this.#cache = this.#options.caches.open(this.prefix);
    }
    return this.#cache;
  }

  /** What happens to the objects. */
  get feed(): ResourceFeed {
    return this.cache ?? this.#options.storeFeed;
  }

  /** Has `end` called when the resource is removed; returns what forgets that again. */
  whenClosed(end: () => void): () => void {
    this.#ends.add(end);
    return () => this.#ends.delete(end);
  }

  /** Ends watches and gives back what memory the objects take. What is stored stays. */
  close(): void {
    this.#isClosed = true;
    for (const end of [...this.#ends]) end();
    if (this.#cache !== undefined) this.#options.caches.close(this.#cache);
    this.#cache = undefined;
  }

  /** Key of an object; `namespace` is ignored for cluster-scoped resources. The same text again for the same object, which is asked for several times in a row. */
  key(namespace: string, name: string): string {
    const last = this.#lastKey;
    if (last !== undefined && last.name === name && last.namespace === namespace) return last.key;
    const key = this.namespaced ? `${this.prefix}${namespace}/${name}` : this.prefix + name;
    this.#lastKey = { namespace, name, key };
    return key;
  }

  /** Keys of a namespace, or of the whole resource. */
  scope(namespace: string): string {
    return this.namespaced && namespace !== '' ? `${this.prefix}${namespace}/` : this.prefix;
  }

  /** The state that the cache has, which may be old; undefined before the first write, and without a cache. */
  peek(key: string): StoredEntry | undefined {
    return this.#isOpen ? cached(this.#cache, key) : undefined;
  }

  /** Whether the cache is known to have the newest states, as on a local driver: else only a write, or a question, tells whether one of it is. */
  get isFresh(): boolean {
    return this.#cache?.isFresh === true;
  }

  /** The newest state: at once where the cache is known to have it. */
  get(key: string): Promise<StoredEntry | undefined> | StoredEntry | undefined {
    const cache = this.#cache;
    return cache?.isFresh === true ? cached(cache, key) : this.#getFresh(key);
  }

  async #getFresh(key: string): Promise<StoredEntry | undefined> {
    const { cache } = this;
    if (cache === undefined) return this.#getStored(key);
    try {
      await cache.fresh();
    } catch (error) {
      // One value that nobody can read keeps the cache from being filled, but not the others from being read.
      if (error instanceof ValueGuardError) return this.#getStored(key);
      throw this.#refusal(error);
    }
    return cached(cache, key);
  }

  async #getStored(key: string): Promise<StoredEntry | undefined> {
    const kv = await this.#guard(() => this.#store.get(key));
    return kv && objectCodec.entry(kv);
  }

  /** Whether an entry lies in the store otherwise than it would be written now, so that writing it as it is changes something. */
  isStale({ key, value }: StoredEntry): boolean {
    return this.#store.guard?.isStale(key, value) === true;
  }

  /**
   * The state that the server itself decides by: not older than what it has acknowledged. Where there is none the store is asked, as another server
   * may just have made it. At once where the cache has it. Source: upstream's admission plugins, which look past their informers so.
   */
  getSettled(key: string): Promise<StoredEntry | undefined> | StoredEntry | undefined {
    const cache = this.#cache;
    if (cache?.isSettled !== true) return this.#waitSettled(key);
    const entry = cached(cache, key);
    return entry === undefined && !cache.isFresh ? this.#getFresh(key) : entry;
  }

  async #waitSettled(key: string): Promise<StoredEntry | undefined> {
    const { cache } = this;
    if (cache !== undefined) await this.#guard(() => cache.settled());
    else return this.#getFresh(key);
    return cached(cache, key) ?? this.get(key);
  }

  /** The same of many objects, without asking for what is not there. */
  listSettled(prefix: string): Promise<readonly StoredEntry[]> | readonly StoredEntry[] {
    const { cache } = this;
    if (cache === undefined) return this.list(prefix);
    return cache.isSettled ? cachedOf(cache, prefix) : this.#listOnceSettled(cache, prefix);
  }

  async #listOnceSettled(cache: ResourceCache, prefix: string): Promise<readonly StoredEntry[]> {
    await this.#guard(() => cache.settled());
    return cachedOf(cache, prefix);
  }

  /** The state the cache has, which on a local driver is the newest once the cache is filled. */
  async list(prefix: string): Promise<readonly StoredEntry[]> {
    const { cache } = this;
    if (cache === undefined) return (await this.range({ prefix })).items.map((kv) => objectCodec.entry(kv));
    await this.#guard(() => cache.fresh());
    return cachedOf(cache, prefix);
  }

  /** A read of the store itself, for past states. Throws `CompactedError` and `FutureRevisionError`. */
  range(options: RangeOptions): Promise<RangeResult> {
    return this.#guard(() => this.#store.range(options));
  }

  /**
   * Writes `draft`, which becomes the shared object of the entry: at once where the store can. `ifModRevision` 0 demands that it does not exist.
   * `known` is what need not be encoded again.
   */
  put(key: string, draft: JsonObject, ifModRevision: number, known?: KnownParts): Promise<PutResult> | PutResult {
    if (!this.#isOpen) return this.#open().then(() => this.put(key, draft, ifModRevision, known));
    // A character of a key is at most three bytes: most keys are far too short to be counted.
    if (key.length * 3 > keyBytesMax && Buffer.byteLength(key) > keyBytesMax)
      throw tooLarge(`Request entity too large: limit is ${keyBytesMax}`);
    const carried = this.#encode(key, draft, known);
    const operation: PutOperation = { type: 'put', key, ...carried, ifModRevision };
    const ttlMs = this.#ttlMs;
    const living = ttlMs === undefined ? operation : { ...operation, ttlMs };
    const store = this.#store;
    const refuse = (error: unknown): never => {
      throw this.#refusal(error);
    };
    if (store.writeNow === undefined) return store.write(living).then((result) => putResult(operation, result), refuse);
    try {
      return putResult(operation, store.writeNow(living));
    } catch (error) {
      return refuse(error);
    }
  }

  /** What is written of a draft. Throws TooLarge. */
  #encode(key: string, draft: JsonObject, known: KnownParts | undefined): Pick<PutOperation, 'late' | 'value'> {
    const allocate = this.#allocate;
    const late = this.#takesLate ? lateForWrite(key, draft, { allocate, bytesMax: objectBytesMax }) : undefined;
    if (late !== undefined) return { value: noBytes, late };
    const value = encodeForWrite(key, draft, { allocate, ...known });
    if (value.length > objectBytesMax) throw tooLarge(`Request entity too large: limit is ${objectBytesMax}`);
    return { value };
  }

  async delete(
    key: string,
    ifModRevision: number,
  ): Promise<{ ok: true; revision: number } | { ok: false; current: StoredEntry | undefined }> {
    const result = await this.#guard(() => this.#store.write({ type: 'delete', key, ifModRevision }));
    if (!result.ok) return { ok: false, current: result.current && objectCodec.entry(result.current) };
    return { ok: true, revision: result.revision };
  }

  /** Fills the cache before the first write, so that it can be watched from the revision of any write of this server. */
  async #open(): Promise<void> {
    await this.#guard(() => this.feed.fresh());
    this.#isOpen = true;
  }

  async #guard<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  #refusal(error: unknown): unknown {
    return this.#isClosed ? noSuchResource() : storeError(error);
  }
}

function passing(): (bytes: number) => WritableBytes {
  const slabs = new Slabs(passingSizes);
  return (bytes) => slabs.take(bytes);
}

function putResult({ key, value, late, ifModRevision }: PutOperation, result: WriteResult): PutResult {
  if (!result.ok) return { ok: false, current: result.current && objectCodec.entry(result.current) };
  const { revision, kv } = result;
  if (kv !== undefined) return { ok: true, entry: objectCodec.entry(kv) };
  const createRevision = ifModRevision === 0 ? revision : 0;
  const stored = { key, value, createRevision, modRevision: revision, ...(late === undefined ? {} : { late }) };
  return { ok: true, entry: objectCodec.entry(stored) };
}

/** The entry that a cache of objects has, which its codec has made. */
function cached(cache: ResourceCache | undefined, key: string): StoredEntry | undefined {
  return cache?.get(key) as StoredEntry | undefined;
}

function cachedOf(cache: ResourceCache, prefix: string): readonly StoredEntry[] {
  return cache.list(prefix) as readonly StoredEntry[];
}

/** What the keys begin with of which memory is to hold nothing, and what their values look like. */
export function uncachedKeys(strategies: readonly Strategy[]): {
  readonly prefixes: readonly string[];
  readonly sample: string;
} {
  const uncached = strategies.filter(({ keeping }) => keeping?.watchCache === 'none');
  const sample = [...new Set(uncached.map(({ keeping }) => keeping?.sample ?? ''))].join('');
  return { prefixes: [...new Set(uncached.map((strategy) => storagePrefix(strategy, strategy.keeping)))], sample };
}

/**
 * Whether the store has failed, and not said anything of the object: a write that ended so may have happened all the same, and whatever is found of it
 * afterwards is no answer to it.
 */
export function hasStoreFailed(error: unknown): boolean {
  return error instanceof StatusError && error.cause instanceof StoreUnavailableError;
}

/** What a client is told when the store cannot be used. */
export function storeError(error: unknown): unknown {
  if (error instanceof ValueGuardError) return internalError(error);
  if (!(error instanceof StoreUnavailableError)) return error;
  return new StatusError({
    code: 503,
    reason: 'ServiceUnavailable',
    message: `the store cannot be used at the moment: ${error.message}`,
    details: { retryAfterSeconds: 1 },
    cause: error,
  });
}
