/**
 * The store in one folder, durable at each acknowledged write. The current state is in memory, but for keys that are cold (`cold-reads.ts`), which
 * are read from the disk; every write is appended to a log on disk (`lmdb-log.ts`), all that wait for it together with one sync, and
 * is told to watches and acknowledged once that is done.
 *
 * Invariants: reads, `#revision` and the watches show exactly what is on disk: a write that is under way shows nowhere, and
 * with one that fails the store ends. At most one append is under way; at most one write per key is in it or waits for it.
 *
 * Memory and time to open follow what is live and not cold, and the past, which is bounded by `pastLimitsDefault`.
 */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Deferred } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { EventTail } from '../../event-tail.ts';
import { Expirer, ExpiryQueue } from '../../expiry.ts';
import { mergeByKey } from '../../key-history.ts';
import { checkOperation, conflictOf, eventOf, isExpected, resultOf } from '../../operation.ts';
import { checkRevision, readRange } from '../../read-range.ts';
import { SortedMap } from '../../sorted-map.ts';
import {
  CompactedError,
  FutureRevisionError,
  type KeyValue,
  type RangeOptions,
  type RangeResult,
  type Store,
  type StoreEvent,
  StoreUnavailableError,
  type Watch,
  type WatchOptions,
  type WatchSink,
  type WriteOperation,
  type WriteResult,
} from '../../store.ts';
import { WatchHub } from '../../watch-hub.ts';
import { readCold } from './cold-reads.ts';
import { ColdSpace } from './cold-space.ts';
import type { DeadRevisions } from './dead-writes.ts';
import { type FolderLock, lockFolder } from './folder-lock.ts';
import { type ColdKeys, LmdbLog } from './lmdb-log.ts';
import { LoggedValues, readNow } from './logged-values.ts';
import { PastWrites } from './past-writes.ts';
import { expiryOfWrite, type PendingWrite, pendingWrite, takeBatch } from './pending-write.ts';
import type { Append } from './unapplied.ts';
import { VersionEndings } from './version-endings.ts';
import { recordOf, type WriteHead } from './write-group.ts';

/** Recent events kept in memory for watches that start a little in the past; older ones are read from the log. */
const tailLimits = { maxEvents: 1_000, maxBytes: 2 * 1024 * 1024 };

/** The folder, and what is kept cold in it. */
export interface LmdbStoreOptions {
  /** The folder, made when it is missing. Only one process may have it open. */
  readonly directory: string;
  readonly log: Logger;
  /** By which keys expire. */
  readonly clock: Clock;
  /** Keys whose values stay on the disk and cost no memory; reading one costs some 5 µs. Settled when the folder is made. Default: none. */
  readonly cold?: ColdKeys;
  /** Whether a write is on the disk once it is acknowledged. False: it outlives the process, and an end of the machine may leave a folder that cannot be used. Default true. */
  readonly waitsForDisk?: boolean | undefined;
  /** Whether opening waits for the journal, so that the first writes have it too. Default: it is made beside them, which go into the tables meanwhile. */
  readonly waitsForJournal?: boolean;
  /** For a new folder: its revisions are greater than this, and all up to it count as compacted. Default: they begin at 1. */
  readonly startRevision?: number;
}

/** Opens the store in a folder. Throws `StoreUnavailableError` when another process holds it or it cannot be used. */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<Store> {
  const { directory } = options;
  let lock: FolderLock | undefined;
  let log: LmdbLog | undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    lock = lockFolder(directory);
    log = new LmdbLog(directory, options);
    // lmdb makes its files as the umask says, and Secrets are in them.
    for (const name of ['data.mdb', 'lock.mdb']) chmodSync(join(directory, name), 0o600);
    await log.start(options.cold ?? { prefixes: [], sample: '' }, options.startRevision);
    return new LmdbStore(log, lock, options);
  } catch (error) {
    await log?.close();
    lock?.release();
    if (error instanceof StoreUnavailableError) throw error;
    throw new StoreUnavailableError(`Cannot open ${directory}: ${errorText(error)}`, error);
  }
}

/** An append under way. */
interface Commit {
  readonly batch: readonly PendingWrite[];
  /** The writes of `batch`, in order, as they are told and as they are written. */
  readonly events: readonly StoreEvent[];
  readonly appends: readonly Append[];
  /** Resolves once it is durable, or with why it failed. */
  readonly appended: Promise<{ readonly cause: unknown } | undefined>;
}

class LmdbStore implements Store {
  readonly #log: LmdbLog;
  readonly #lock: FolderLock;
  readonly #clock: Clock;
  readonly #cold: ColdSpace;
  readonly #past: PastWrites;
  readonly #expiring = new ExpiryQueue();
  readonly #expirer: Expirer;
  #compacting: Promise<void> = Promise.resolve();
  #isCompacting = false;
  readonly #live = new SortedMap<KeyValue>();
  readonly #endings = new VersionEndings();
  readonly #hub: WatchHub;
  #revision: number;
  #compacted: number;
  readonly #tail: EventTail;
  #queue: PendingWrite[] = [];
  readonly #pending = new Map<string, PendingWrite>();
  #committing: Promise<void> | undefined;
  /** Why it takes no more: it was closed, or the disk has refused something. */
  #ended: StoreUnavailableError | undefined;
  readonly #end = new Deferred<StoreUnavailableError>();
  readonly ended = this.#end.promise;
  #closing: Promise<void> | undefined;

  constructor(log: LmdbLog, lock: FolderLock, options: LmdbStoreOptions) {
    this.#log = log;
    this.#lock = lock;
    this.#clock = options.clock;
    this.#cold = new ColdSpace(log.coldPrefixes);
    this.#past = new PastWrites(log, this.#cold);
    this.#compacted = log.compacted;
    this.#revision = Math.max(1, this.#compacted, log.cold.table.lastRevision);
    const values = new LoggedValues((revision, take) => log.valuesWith(revision, take));
    log.replay((heads) => {
      for (const head of heads) this.#load(head, values);
      values.nextGroup();
    });
    this.#tail = new EventTail(tailLimits, this.#revision);
    const revision = (): number => this.#revision;
    this.#hub = new WatchHub({
      get revision() {
        return revision();
      },
      since: (fromRevision, prefix) => this.#since(fromRevision, prefix),
    });
    const sources = [this.#expiring, log.cold];
    const write = (operation: WriteOperation): Promise<WriteResult> => this.write(operation);
    this.#expirer = new Expirer({ ...options, sources, write });
    this.#expirer.arm();
    void log.failure.then((cause) => this.#fail(log.unavailable('write', cause)));
  }

  async get(key: string): Promise<KeyValue | undefined> {
    this.#checkOpen();
    if (!this.#cold.has(key)) return this.#live.get(key);
    const pending = this.#pending.get(key);
    return pending === undefined ? this.#log.cold.get(key) : pending.current;
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    this.#checkOpen();
    const { prefix, limit } = options;
    if (this.#cold.has(prefix)) return this.#coldRange(options);
    const hot = this.#hotRange(options);
    if (!this.#cold.hasBelow(prefix)) return hot;
    const cold = this.#coldRange(options);
    const items = mergeByKey(hot.items, cold.items);
    return {
      items: limit ? items.slice(0, limit) : items,
      count: hot.count + cold.count,
      revision: hot.revision,
    };
  }

  #hotRange(options: RangeOptions): RangeResult {
    const state = {
      live: this.#live,
      history: this.#endings.hot,
      revision: this.#revision,
      compacted: this.#compacted,
    };
    return readRange({ ...state, pastValue: (version) => this.#past.value(version.from, version.key) }, options);
  }

  #coldRange(options: RangeOptions): RangeResult {
    const revision = checkRevision({ revision: this.#revision, compacted: this.#compacted }, options.revision);
    const pending = new Map(this.#log.cold.ahead());
    for (const [key, { cold, current }] of this.#pending) if (cold) pending.set(key, current);
    const state = { view: this.#log.cold, history: this.#endings.cold, revision: this.#revision, pending };
    return { ...readCold(state, options), revision };
  }

  async write(operation: WriteOperation): Promise<WriteResult> {
    this.#checkOpen();
    checkOperation(operation);
    const { key } = operation;
    // What a write under way will leave is known only once it is durable.
    for (let before = this.#pending.get(key); before !== undefined; before = this.#pending.get(key)) {
      await before.settled.promise;
      this.#checkOpen();
    }
    const isCold = this.#cold.has(key);
    const previous = isCold ? this.#log.cold.find(key) : undefined;
    const current = isCold ? previous && this.#log.cold.value(previous.modRevision) : this.#live.get(key);
    if (!isExpected(operation, current) || (operation.type === 'delete' && current === undefined))
      return conflictOf(current);
    const write = pendingWrite({ operation, current, cold: isCold && { previous } });
    this.#pending.set(key, write);
    this.#queue.push(write);
    this.#committing ??= this.#commitAll();
    return write.outcome.promise;
  }

  watch(options: WatchOptions, sink: WatchSink): Watch {
    this.#checkOpen();
    return this.#hub.watch(options, sink);
  }

  async currentRevision(): Promise<number> {
    this.#checkOpen();
    return this.#revision;
  }

  localRevision(): number {
    return this.#revision;
  }

  async compact(revision: number): Promise<void> {
    this.#checkOpen();
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision);
    // One after the other: the disk says last what was compacted last.
    const compacting = this.#compacting.then(() => this.#compact(revision));
    this.#compacting = compacting.catch(() => {});
    await compacting;
  }

  async #compact(revision: number): Promise<void> {
    if (revision <= this.#compacted || this.#ended !== undefined) return;
    const dead = this.#forget(revision);
    this.#isCompacting = true;
    try {
      await this.#log.compact(revision, dead);
    } catch (error) {
      // The records stay on the disk until the store is opened and compacted again.
      const ended = this.#log.unavailable('compact the store', error);
      this.#fail(ended);
      throw ended;
    } finally {
      this.#isCompacting = false;
    }
  }

  /** Takes everything before `revision` out of the past; returns what the disk need not keep. */
  #forget(revision: number): DeadRevisions {
    this.#compacted = revision;
    return this.#endings.forget(revision);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const error = new StoreUnavailableError('Cannot use the store as it was closed');
    // It knows first, as it would take what is refused now for a fault.
    const expired = this.#expirer.close();
    this.#ended ??= error;
    for (const write of this.#queue.splice(0)) this.#refuse(write, error);
    await this.#committing;
    await expired;
    await this.#compacting;
    this.#hub.fail(error);
    await this.#log.close();
    this.#lock.release();
  }

  /** Appends what is queued, until nothing is left. */
  async #commitAll(): Promise<void> {
    // Everything that a turn of the event loop has to write goes together: of requests that came together one would go alone else.
    await this.#clock.yield();
    for (let commit = this.#begin(); commit !== undefined; ) {
      const failure = await commit.appended;
      if (failure === undefined) this.#settle(commit);
      else this.#failed(commit.batch, failure.cause);
      this.#shrink();
      if (this.#queue.length > 0) await this.#clock.yield();
      commit = this.#begin();
    }
    this.#committing = undefined;
  }

  /** Forgets the oldest part of the past when there is too much of it: the writes that come take it out. */
  #shrink(): void {
    if (this.#isCompacting || this.#log.isTakingOut) return;
    const revision = this.#endings.excess();
    if (revision > this.#compacted) this.#log.doom(revision, this.#forget(revision));
  }

  /** Begins the append of what is queued; undefined when nothing is. */
  #begin(): Commit | undefined {
    if (this.#queue.length === 0) return undefined;
    const batch = takeBatch(this.#queue);
    const events = batch.map((write, i) => eventOf(write.operation, write.current, this.#revision + 1 + i));
    const nowMs = this.#clock.nowMs();
    const appends = batch.map(({ operation, cold }, i) => ({
      record: recordOf(events[i]!, expiryOfWrite(operation, nowMs)),
      cold,
    }));
    const appended = this.#log.append(appends).then(
      () => undefined,
      (cause: unknown) => ({ cause }),
    );
    return { batch, events, appends, appended };
  }

  #settle({ batch, events, appends }: Commit): void {
    for (const [i, append] of appends.entries()) this.#apply(events[i]!, append);
    for (const write of batch) this.#pending.delete(write.operation.key);
    this.#hub.publish(events, this.#revision);
    for (const [i, write] of batch.entries()) {
      write.outcome.resolve(resultOf(events[i]!));
      write.settled.resolve();
    }
  }

  /**
   * An append has failed: the store ends. Whether a crash would leave some of it cannot be known, and to try again on a disk that is full would only
   * fail again, or leave a gap.
   */
  #failed(batch: readonly PendingWrite[], cause: unknown): void {
    const error = this.#log.unavailable('write', cause);
    for (const write of batch) this.#refuse(write, error);
    this.#fail(error);
  }

  #fail(error: StoreUnavailableError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    for (const write of this.#queue.splice(0)) this.#refuse(write, error);
    void this.#expirer.close();
    // Watches hear of it when whoever has the store closes it: told now, all of them would ask again for what they will not get.
    this.#end.resolve(error);
  }

  #refuse(write: PendingWrite, error: StoreUnavailableError): void {
    this.#pending.delete(write.operation.key);
    write.outcome.reject(error);
    write.settled.resolve();
  }

  #apply(event: StoreEvent, { record: { key, revision, expiresMs }, cold }: Append): void {
    if (!cold) {
      if (event.type === 'put') this.#live.set(key, event.kv);
      else this.#live.delete(key);
      if (expiresMs > 0) this.#expiring.add(expiresMs, { key, revision });
    }
    if (expiresMs > 0) this.#expirer.arm(expiresMs);
    if (event.previous !== undefined) {
      readNow(event.previous);
      this.#endings.add(event.previous, { until: revision, by: event.type, isCold: cold !== false });
    }
    this.#revision = revision;
    this.#tail.push(event);
  }

  #load(write: WriteHead, values: LoggedValues): void {
    const { key, revision, expiresMs } = write;
    if (this.#cold.has(key)) this.#endings.addLogged(write);
    else {
      const put = write.type === 'put';
      const previous = put ? this.#live.set(key, values.add(write)) : this.#live.delete(key);
      if (previous !== undefined) {
        values.drop(previous);
        this.#endings.add(previous, { until: revision, by: put ? 'put' : 'delete', isCold: false });
      }
      if (expiresMs > 0) this.#expiring.add(expiresMs, { key, revision });
    }
    this.#revision = Math.max(this.#revision, revision);
  }

  #since(fromRevision: number, prefix: string): StoreEvent[] {
    if (fromRevision < this.#compacted) throw new CompactedError(this.#compacted);
    if (fromRevision > this.#revision) return [];
    if (fromRevision > this.#tail.startRevision) return this.#tail.since(fromRevision, prefix);
    const events: StoreEvent[] = [];
    for (const write of this.#past.from(fromRevision, prefix)) {
      // A transaction that is on the disk but not yet acknowledged is published later.
      if (write.revision > this.#revision) break;
      if (write.key.startsWith(prefix)) events.push(this.#past.eventOf(write));
    }
    return events;
  }

  #checkOpen(): void {
    if (this.#ended !== undefined) throw this.#ended;
  }
}
