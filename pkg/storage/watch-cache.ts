/**
 * The implementation of `ResourceCache`: see there for its laws.
 *
 * States: empty (nothing asked yet), filling (a range and then a watch on the store), ready, and failed (the store's watch has
 * ended: what is there is old, watchers were told, and filling is tried again with a growing delay). Filled by the first `fresh()`.
 */
import { aborted } from '#pkg/base/async.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { CacheCodec, CacheEntry, CacheEvent, CacheSink, CacheWatch, ResourceCache } from './cache.ts';
import { sharedSink, skipUntil } from './cache-sinks.ts';
import { ValueGuardError } from './encryption/value-guard.ts';
import { EventHistory, type EventHistoryLimits, eventHistoryLimitsDefault } from './event-history.ts';
import { valueSize } from './late-value.ts';
import { SortedMap } from './sorted-map.ts';
import {
  CompactedError,
  type KeyValue,
  type Store,
  type StoreEvent,
  StoreUnavailableError,
  type Watch,
} from './store.ts';
import { WatcherGroups } from './watcher-groups.ts';

/**
 * Most events that may wait for one watcher, for sinks that queue what they are given: one with more must end its watch with an
 * error. Half of the history, so that a client which is ended and comes back at once still finds its place.
 */
export const watcherBacklogMax = 5_000;

/** How often watchers hear how far an unchanged resource has come. Upstream sends bookmarks about once a minute. */
const progressPeriodMs = 60_000;

/** Delay before a failed fill is tried again, and its bound as it doubles. */
const refillDelayMsFirst = 100;
const refillDelayMsMax = 5_000;

/** How often waiters of `reached` look, as writes to other resources move the revision of a local driver without a call. */
const reachedPeriodMs = 50;

/** How long a read waits for the watch on a store elsewhere, which is behind by milliseconds unless something is broken. */
const freshTimeoutMs = 10_000;

/** How often in its window the history of a resource is looked through that may be quiet by now. */
const trimsPerWindow = 5;

/** Items per range while filling: bounds the size of one answer of a remote store. */
const fillPageItems = 5_000;

/**
 * How many of the newest events hold their objects where the store takes values whose bytes are made late: what is changed again while it is news is
 * never encoded. The leases of a thousand nodes are renewed before as many events have come; the limits of the history bound the memory.
 */
const lateNewsEvents = 4_096;

/** Which keys a cache has, and what their values become. */
export interface ResourceCacheOptions {
  readonly store: Store;
  /** All keys of the resource, and no others, start with this: `/registry/pods/`. */
  readonly prefix: string;
  readonly codec: CacheCodec;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default: 75 s, at least 100 and at most 10,000 events, at most 6 MiB. */
  readonly history?: EventHistoryLimits;
}

/** A cache with its lifecycle. */
export interface RunningResourceCache extends ResourceCache {
  /** Fills the cache without waiting for a reader; the first `fresh()` does the same. */
  start(): void;
  /** Resolves once `signal` is aborted and everything has ended: watchers get an error, reads that wait fail. */
  run(signal: AbortSignal): Promise<void>;
  /** Ends the cache, for one whose resource is gone. */
  close(): void;
}

/** Makes the cache of one resource. It does nothing until it is first used. */
export function createResourceCache(options: ResourceCacheOptions): RunningResourceCache {
  return new WatchCache(options);
}

interface Waiter {
  readonly revision: number;
  readonly done: (reached: boolean) => void;
}

class WatchCache implements RunningResourceCache {
  readonly #options: ResourceCacheOptions;
  readonly #entries = new SortedMap<CacheEntry>();
  readonly #limits: EventHistoryLimits;
  readonly #history: EventHistory;
  readonly #watchers = new WatcherGroups();
  readonly #waiters = new Set<Waiter>();
  #state: 'empty' | 'filling' | 'ready' | 'failed' | 'closed' = 'empty';
  #revision = 0;
  #fill: Promise<void> | undefined;
  #storeWatch: Watch | undefined;
  /** Counts fills, so that a late call of an earlier store watch is recognised. */
  #generation = 0;
  /** Why the last attempt to fill it has failed, where it was about what is stored. */
  #unreadable: ValueGuardError | undefined;
  #refillDelayMs = refillDelayMsFirst;
  #refillTimer: Timer | undefined;
  #trimTimer: Timer | undefined;
  #progressTimer: Timer | undefined;
  #progressRevision = 0;
  #reachedTimer: Timer | undefined;

  constructor(options: ResourceCacheOptions) {
    this.#options = options;
    this.#limits = options.history ?? eventHistoryLimitsDefault;
    this.#history = new EventHistory(this.#limits, options.store.takesLate === true ? lateNewsEvents : undefined);
  }

  get revision(): number {
    if (this.#state !== 'ready') return this.#revision;
    return Math.max(this.#revision, this.#options.store.localRevision?.() ?? 0);
  }

  get isFresh(): boolean {
    return this.#state === 'ready' && this.#options.store.localRevision !== undefined;
  }

  get isSettled(): boolean {
    return this.#state === 'ready' && this.revision >= (this.#options.store.acknowledgedRevision?.() ?? 0);
  }

  start(): void {
    if (this.#state === 'empty') this.#startFill();
  }

  async run(signal: AbortSignal): Promise<void> {
    await aborted(signal);
    this.close();
    await this.#fill;
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#generation++;
    this.#storeWatch?.close();
    for (const timer of [this.#refillTimer, this.#trimTimer, this.#progressTimer, this.#reachedTimer]) timer?.cancel();
    for (const waiter of [...this.#waiters]) waiter.done(false);
    for (const sink of this.#watchers.clear()) sink.onError(closedError());
  }

  fresh(): Promise<number> {
    // Every read comes through here: on a local driver it costs one resolved promise.
    return this.isFresh ? Promise.resolve(this.revision) : this.#freshen();
  }

  async #freshen(): Promise<number> {
    await this.#ready();
    if (this.#options.store.localRevision !== undefined) return this.revision;
    const wanted = await this.#options.store.currentRevision();
    if (await this.reached(wanted, freshTimeoutMs)) return this.revision;
    throw this.#isClosed() ? closedError() : behindError(this.#options.prefix);
  }

  async settled(): Promise<void> {
    await this.#ready();
    const wanted = this.#options.store.acknowledgedRevision?.() ?? 0;
    if (await this.reached(wanted, freshTimeoutMs)) return;
    throw this.#isClosed() ? closedError() : behindError(this.#options.prefix);
  }

  async reached(revision: number, timeoutMs: number): Promise<boolean> {
    if (this.#state === 'empty') this.#startFill();
    if (this.#state === 'closed') return false;
    if (this.#state === 'ready' && this.revision >= revision) return true;
    return new Promise((resolve) => {
      const waiter: Waiter = {
        revision,
        done: (reached) => {
          this.#waiters.delete(waiter);
          timer?.cancel();
          resolve(reached);
        },
      };
      const expire = (): void => waiter.done(this.#state === 'ready' && this.revision >= revision);
      const timer = Number.isFinite(timeoutMs) ? this.#options.clock.setTimeout(expire, timeoutMs) : undefined;
      this.#waiters.add(waiter);
      this.#armReached();
    });
  }

  get(key: string): CacheEntry | undefined {
    this.#checkFilled();
    return this.#entries.get(key);
  }

  list(prefix: string, options?: { readonly startKey?: string; readonly limit?: number }): readonly CacheEntry[] {
    this.#checkFilled();
    return this.#entries.values(prefix, options);
  }

  count(prefix: string): number {
    this.#checkFilled();
    return this.#entries.count(prefix);
  }

  watch(options: { readonly prefix: string; readonly afterRevision: number }, sink: CacheSink): CacheWatch {
    if (this.#state !== 'ready') throw notReadyError(this.#options.prefix);
    const past = this.#history.since(options.afterRevision, options.prefix);
    if (past === undefined) throw new CompactedError(this.#history.startRevision);
    const member = options.afterRevision > this.#revision ? skipUntil(sink, options.afterRevision) : sharedSink(sink);
    this.#watchers.add(options.prefix, member);
    this.#armProgress();
    if (past.length > 0) sink.onEvents(past);
    return { close: () => this.#watchers.remove(options.prefix, member) };
  }

  /** Resolves once the cache is filled; rejects when the attempt to fill it that is under way fails. */
  async #ready(): Promise<void> {
    if (this.#state === 'ready') return;
    if (this.#state === 'closed') throw closedError();
    if (this.#state !== 'filling') this.#startFill();
    await this.#fill;
    if (!this.#isReady()) throw this.#unreadable ?? notReadyError(this.#options.prefix);
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #isReady(): boolean {
    return this.#state === 'ready';
  }

  #startFill(): void {
    this.#refillTimer?.cancel();
    this.#state = 'filling';
    this.#fill = this.#runFill(++this.#generation);
  }

  async #runFill(generation: number): Promise<void> {
    const { store, prefix, log } = this.#options;
    try {
      const { items, revision } = await this.#readAll();
      if (this.#generation !== generation) return;
      this.#install(items, revision);
      this.#storeWatch = store.watch(
        { prefix, fromRevision: revision + 1 },
        {
          onEvents: (events, reached) => {
            if (this.#generation === generation) this.#apply(events, reached);
          },
          onError: (error) => {
            if (this.#generation === generation) this.#fail(error);
          },
        },
      );
      // A local driver's watch starts a microtask later; what was written in between has been delivered once that has run.
      await Promise.resolve();
      if (this.#generation !== generation || this.#state !== 'filling') return;
      this.#state = 'ready';
      this.#refillDelayMs = refillDelayMsFirst;
      this.#wake();
    } catch (error) {
      if (this.#generation !== generation) return;
      log.debug('Could not fill the watch cache', { prefix, error });
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async #readAll(): Promise<{ items: KeyValue[]; revision: number }> {
    const { store, prefix } = this.#options;
    const items: KeyValue[] = [];
    let page = await store.range({ prefix, limit: fillPageItems });
    const { revision } = page;
    items.push(...page.items);
    while (page.count > page.items.length) {
      const startKey = `${items[items.length - 1]!.key}\0`;
      page = await store.range({ prefix, startKey, limit: fillPageItems, revision });
      items.push(...page.items);
    }
    return { items, revision };
  }

  #install(items: readonly KeyValue[], revision: number): void {
    this.#entries.clear();
    for (const kv of items) this.#entries.set(kv.key, this.#options.codec.entry(kv));
    this.#history.reset(revision);
    this.#revision = revision;
  }

  #apply(events: readonly StoreEvent[], revision: number): void {
    this.#revision = revision;
    if (events.length > 0) {
      const nowMs = this.#options.clock.monotonicMs();
      const told: CacheEvent[] = [];
      for (const event of events) {
        const change = this.#applyOne(event);
        this.#history.add(change, { bytes: valueBytes(event), nowMs });
        told.push(change);
      }
      this.#armTrim();
      this.#watchers.deliver(told);
      // Not before: who is told of many at once still asks what each replaced.
      for (const { type, previous } of told) if (type === 'MODIFIED') previous?.replaced?.();
    }
    if (this.#waiters.size > 0) this.#wake();
  }

  #applyOne(event: StoreEvent): CacheEvent {
    const { codec } = this.#options;
    if (event.type === 'delete') {
      const previous = this.#entries.delete(event.key) ?? codec.entry(event.previous);
      return {
        type: 'DELETED',
        entry: codec.deletedEntry(event.previous, event.revision),
        previous,
        revision: event.revision,
      };
    }
    const entry = codec.entry(event.kv);
    const revision = event.kv.modRevision;
    const previous = this.#entries.set(event.kv.key, entry);
    return previous === undefined
      ? { type: 'ADDED', entry, revision }
      : { type: 'MODIFIED', entry, previous, revision };
  }

  /** The store's watch or a fill has failed: ends the watchers, so that they list again, and tries again later. */
  #fail(error: Error): void {
    const { clock, log, prefix } = this.#options;
    this.#generation++;
    this.#storeWatch?.close();
    this.#storeWatch = undefined;
    this.#state = 'failed';
    this.#unreadable = error instanceof ValueGuardError ? error : undefined;
    log.warn('Watch cache lost the store and will be filled again', { prefix, error, delayMs: this.#refillDelayMs });
    this.#refillTimer = clock.setTimeout(() => this.#startFill(), this.#refillDelayMs);
    this.#refillDelayMs = Math.min(this.#refillDelayMs * 2, refillDelayMsMax);
    for (const sink of this.#watchers.clear()) sink.onError(error);
  }

  #wake(): void {
    if (this.#state !== 'ready') return;
    const { revision } = this;
    for (const waiter of [...this.#waiters]) if (waiter.revision <= revision) waiter.done(true);
  }

  /** A resource that nobody writes to any more does not keep its past for ever. */
  #armTrim(): void {
    if (this.#trimTimer !== undefined || !this.#history.hasSpare) return;
    const { clock } = this.#options;
    this.#trimTimer = clock.setTimeout(() => {
      this.#trimTimer = undefined;
      this.#history.trim(clock.monotonicMs());
      if (this.#state !== 'closed') this.#armTrim();
    }, this.#limits.windowMs / trimsPerWindow);
  }

  #armReached(): void {
    if (this.#reachedTimer !== undefined || this.#options.store.localRevision === undefined) return;
    this.#reachedTimer = this.#options.clock.setTimeout(() => {
      this.#reachedTimer = undefined;
      this.#wake();
      if (this.#waiters.size > 0) this.#armReached();
    }, reachedPeriodMs);
  }

  #armProgress(): void {
    if (this.#progressTimer !== undefined || !this.#watchers.hasFollowers) return;
    this.#progressTimer = this.#options.clock.setTimeout(() => {
      this.#progressTimer = undefined;
      if (this.#state === 'closed') return;
      this.#armProgress();
      if (this.#state === 'ready' && this.revision > this.#progressRevision) {
        this.#progressRevision = this.revision;
        this.#watchers.progress(this.#progressRevision);
      }
    }, progressPeriodMs);
  }

  #checkFilled(): void {
    if (this.#history.startRevision === 0) throw notReadyError(this.#options.prefix);
  }
}

function valueBytes(event: StoreEvent): number {
  return valueSize(event.type === 'put' ? event.kv : event.previous);
}

function notReadyError(prefix: string): StoreUnavailableError {
  return new StoreUnavailableError(`Cannot read ${prefix} from the watch cache as it is not filled`);
}

function behindError(prefix: string): StoreUnavailableError {
  return new StoreUnavailableError(`Cannot read ${prefix} from the watch cache as its watch on the store is behind`);
}

function closedError(): StoreUnavailableError {
  return new StoreUnavailableError('Cannot read the watch cache as it was closed');
}
