/**
 * The store: a revisioned key-value store as etcd defines it. Three drivers implement it (`drivers/{memory,lmdb,etcd}`), and
 * one suite (`conformance.ts`) holds all of them to the laws below.
 *
 * Laws:
 * 1. One counter, the revision, starts at 1 on an empty store and grows by exactly one with each successful write, whatever its key.
 *    (An etcd skips numbers, as it is shared with others and counts what goes together as one; it never goes back.)
 * 2. A write is one compare-and-swap on one key: it happens whole or not at all, and a failed one changes nothing, not even the revision.
 * 3. When a write's promise resolves, the write is durable (to the driver's promise) and every later read sees it. lmdb's promise: it is synced to the
 *    disk, so neither a kill nor the loss of power takes it back, while the disk keeps what it said it has. etcd's: a majority of the members has synced it.
 *    memory's: it is there as long as the process.
 * 4. A range is a snapshot: all its items belong to the revision it reports. Keys are in ascending byte order.
 * 5. A watch delivers every write after its start, each once, in revision order, without gaps, or fails; it never skips.
 *    A local driver (memory, lmdb) has called the sinks of its watches before the write's promise resolves.
 * 6. Reading or watching from a compacted revision fails with `CompactedError`; from a future revision with `FutureRevisionError` on read,
 *    while a watch waits for it.
 * 7. Value bytes are never changed after they were handed over, by either side. Drivers in the same process deliver the very `Uint8Array`
 *    that was written to watches, and to reads what they hold in memory, so that callers may attach what they decoded to it.
 * 8. A put with `ttlMs` lives that long: the store itself deletes the key, as a write like any other, not before `ttlMs` have passed since
 *    the put and at most `expiryLatenessMsMax` after that (more while it is not running, or takes no writes). A later put of the key begins
 *    anew, with its own `ttlMs` or without. Time passes while the store is closed.
 * 9. A store may compact by itself when its past grows beyond what it states.
 *
 * Keys are UTF-8 strings of at most 1,024 bytes, values at most 8 MiB. Upstream counterpart: etcd's KV and Watch API; `storage.Interface` is the layer
 * above it (`cache.ts` and the registry store).
 */
import type { Metrics } from '#pkg/base/metrics.ts';

/** Memory for a value: a `Buffer`, as far as is needed of it, so that whoever has the types of a store need not have those of Node. */
export interface WritableBytes extends Uint8Array {
  /** Writes text as UTF-8, at its beginning or from `at` on; returns how many bytes that were. */
  write(text: string, at?: number): number;
}

/** A value that is bytes as soon as somebody asks for them (`late-value.ts`). */
export interface LateValue {
  /** Bytes, as far as that is known without making them. */
  readonly size: number;
  /** Made once, at the first call. */
  readonly bytes: Uint8Array;
}

/** A stored value. Revisions are integers below 2^53. */
export interface KeyValue {
  readonly key: string;
  readonly value: Uint8Array;
  /** What makes `value` where it is made late: as it was written, in stores that take these, or of one that is on the disk until it is read. */
  readonly late?: LateValue;
  /** Revision of the write that made the key, in an etcd of the first write that was made together with it; stays until it is deleted. */
  readonly createRevision: number;
  /** Revision of the last write to the key. */
  readonly modRevision: number;
}

/** One write, as a watch delivers it. */
export type StoreEvent =
  | { readonly type: 'put'; readonly kv: KeyValue; readonly previous?: KeyValue }
  /** `revision` is that of the deletion, `previous` what was deleted. */
  | { readonly type: 'delete'; readonly key: string; readonly revision: number; readonly previous: KeyValue };

/** Which keys are read, and of which moment. */
export interface RangeOptions {
  /** All keys that start with this; `''` is every key. */
  readonly prefix: string;
  /** Leaves out keys that come before this one (it is itself included). */
  readonly startKey?: string;
  /** Most items returned; 0 or absent for no limit. */
  readonly limit?: number;
  /** Reads the state as it was at this revision; absent for the current one. */
  readonly revision?: number;
  /**
   * False when the caller only wants to know whether there is more than the limit: counting can cost as much as reading everything. Default
   * true.
   */
  readonly counted?: boolean;
}

/** What a range has, in key order. */
export interface RangeResult {
  readonly items: readonly KeyValue[];
  /** Items of the whole range, beyond the limit too; with `counted: false` more than `items` has when there are any, and no further promise. */
  readonly count: number;
  /** Revision of the store when it was read, or the revision asked for. */
  readonly revision: number;
}

/** A write on one key. `ifModRevision` 0 demands that the key does not exist. */
export type WriteOperation = PutOperation | DeleteOperation;

/** Sets a key, if it is at the revision `ifModRevision`; 0 stands for a key that is not there. */
export interface PutOperation {
  readonly type: 'put';
  readonly key: string;
  readonly value: Uint8Array;
  /** In place of `value`, which is empty then, for stores that take these. */
  readonly late?: LateValue;
  readonly ifModRevision: number;
  /** How long the key lives unless it is put again (law 8); absent for ever. */
  readonly ttlMs?: number;
}

/** Removes a key, if it is at the revision `ifModRevision`. */
export interface DeleteOperation {
  readonly type: 'delete';
  readonly key: string;
  readonly ifModRevision: number;
}

/** How long after its time a key with `ttlMs` may still be there, besides the time that deleting takes. Source: upstream's lease manager. */
export const expiryLatenessMsMax = 60_000;

/** What became of a write. */
export type WriteResult =
  | { readonly ok: true; readonly revision: number; readonly kv?: KeyValue }
  /** The key is not at the expected revision; `current` is what it holds now, undefined when it does not exist. */
  | { readonly ok: false; readonly current?: KeyValue };

/** Which keys are watched, and from when. */
export interface WatchOptions {
  readonly prefix: string;
  /** The first revision to deliver: one more than that of the range it continues. */
  readonly fromRevision: number;
}

/** Called synchronously, in order; must not throw and must not write to the store before it returns. */
export interface WatchSink {
  /** Writes in revision order. `revision` says how far the watch has come, and is at least that of the last event. */
  onEvents(events: readonly StoreEvent[], revision: number): void;
  /** The watch has failed and delivers no more: `CompactedError`, or the loss of the store. Not called after `close`. */
  onError(error: Error): void;
}

/** A watch that has begun. */
export interface Watch {
  /** Ends the watch: its sink is not called again. */
  close(): void;
}

/** What a store that seals its values tells of that. */
export interface StoreGuard {
  /** Whether a value that it gave would be written otherwise now: so one that is written as it was is to be written all the same. */
  isStale(key: string, value: Uint8Array): boolean;
  /** What has to be well for values to be sealed and opened. Empty where nobody else is asked. */
  readonly checks: readonly { readonly name: string; check(): Promise<boolean> }[];
  readonly metrics: Metrics;
}

/** The store; see the laws above. */
export interface Store {
  /** The value of a key now, or undefined. */
  get(key: string): Promise<KeyValue | undefined>;
  range(options: RangeOptions): Promise<RangeResult>;
  write(operation: WriteOperation): Promise<WriteResult>;
  /** The same at once, in stores that decide a write within the call. Throws what `write` rejects with. */
  writeNow?(operation: WriteOperation): WriteResult;
  watch(options: WatchOptions, sink: WatchSink): Watch;
  /** The revision of the newest write that any client was told of. Cheap for local drivers; a linearizable read for etcd. */
  currentRevision(): Promise<number>;
  /**
   * Local drivers only: the newest revision whose events all watches have been given, at once. What a watch of one prefix has seen
   * is then complete up to this revision, whatever keys it was made by.
   */
  localRevision?(): number;
  /**
   * Drivers of a store elsewhere only: the newest revision that this process was told of as its own write. A watch that has come this far
   * misses nothing that was acknowledged through here, though perhaps what others wrote.
   */
  acknowledgedRevision?(): number;
  /** Stores that seal values only. */
  readonly guard?: StoreGuard;
  /** Whether values may be made late: for stores that keep them in the memory of this process, and nowhere else. */
  readonly takesLate?: true;
  /** Memory for a value that is about to be written, where the store has better than memory of its own for each. Its contents are whatever. */
  allocate?(bytes: number): WritableBytes;
  /** Forgets what was overwritten or deleted at or before `revision`; reads and watches from before it fail from now on. */
  compact(revision: number): Promise<void>;
  /**
   * Drivers that may end by themselves: resolves with why, once they have. From the first write that the disk has refused on nobody can say what it
   * holds, so there is no second try in the same process: whoever has the store closes it and ends.
   */
  readonly ended?: Promise<StoreUnavailableError>;
  /** Ends all watches and releases files and connections. Writes that were not acknowledged may be lost; values that nobody has looked at cannot be read any more. */
  close(): Promise<void>;
}

/** The revision asked for was compacted away. */
export class CompactedError extends Error {
  readonly compactedRevision: number;

  constructor(compactedRevision: number) {
    super(`Cannot read the revision as the store has compacted everything before ${compactedRevision}`);
    this.name = 'CompactedError';
    this.compactedRevision = compactedRevision;
  }
}

/** The revision asked for is greater than the store's. */
export class FutureRevisionError extends Error {
  readonly wantedRevision: number;
  readonly currentRevision: number;

  constructor(wanted: number, currentRevision: number) {
    super(`Cannot read revision ${wanted} as the store is at ${currentRevision}`);
    this.name = 'FutureRevisionError';
    this.wantedRevision = wanted;
    this.currentRevision = currentRevision;
  }
}

/** The store cannot take the write now, for a reason outside: no space left, connection lost, closed. */
export class StoreUnavailableError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StoreUnavailableError';
  }
}
