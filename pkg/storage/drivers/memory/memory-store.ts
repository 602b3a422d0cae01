/**
 * The store in memory: for tests and virtual time. Nothing outlives the process. A write is decided, published and done
 * within the call; its promise only carries the result.
 *
 * Everything that was overwritten is kept until it is compacted: by the caller, and by the store itself when the past has more than
 * `pastLimitsDefault`. Keys with a time to live are deleted when it is over, so what they cost is bounded by it.
 */
import type { Buffer } from 'node:buffer';
import type { Clock } from '#pkg/base/clock.ts';
import { type Logger, silentLogger } from '#pkg/base/logger.ts';
import { Expirer, ExpiryQueue, expiryOf } from '../../expiry.ts';
import { forgottenShare, KeyHistory, pastLimitsDefault } from '../../key-history.ts';
import { valueSize } from '../../late-value.ts';
import { checkOperation, conflictOf, eventOf, isExpected, resultOf } from '../../operation.ts';
import { readRange } from '../../read-range.ts';
import { Slabs } from '../../slabs.ts';
import { SortedMap } from '../../sorted-map.ts';
import type {
  KeyValue,
  RangeOptions,
  RangeResult,
  Store,
  StoreEvent,
  Watch,
  WatchOptions,
  WatchSink,
  WriteOperation,
  WriteResult,
} from '../../store.ts';
import { CompactedError, FutureRevisionError, StoreUnavailableError } from '../../store.ts';
import { eventKey, WatchHub } from '../../watch-hub.ts';

/** The clock by which keys expire. */
export interface MemoryStoreOptions {
  /** By which keys expire. */
  readonly clock: Clock;
  /** Default: none. */
  readonly log?: Logger;
}

/** Makes an empty store. */
export function createMemoryStore(options: MemoryStoreOptions): Store {
  return new MemoryStore(options);
}

/** Most small values are short-lived and follow each other. */
const slabSizes = { slabBytes: 16 * 1024, sharedBytesMax: 1024 };

class MemoryStore implements Store {
  readonly takesLate = true;
  #revision = 1;
  #compacted = 0;
  #closed = false;
  readonly #live = new SortedMap<KeyValue>();
  readonly #history = new KeyHistory<KeyValue>();
  /** Events in revision order, without gaps: the one at index 0 made revision `#logStart`. */
  #log: StoreEvent[] = [];
  #logStart = 2;
  readonly #slabs = new Slabs(slabSizes);
  readonly #hub: WatchHub;
  readonly #clock: Clock;
  readonly #expiring = new ExpiryQueue();
  readonly #expirer: Expirer;

  constructor({ clock, log = silentLogger }: MemoryStoreOptions) {
    this.#clock = clock;
    const write = (operation: WriteOperation): Promise<WriteResult> => this.write(operation);
    this.#expirer = new Expirer({ clock, log, sources: [this.#expiring], write });
    const revision = (): number => this.#revision;
    this.#hub = new WatchHub({
      get revision() {
        return revision();
      },
      since: (fromRevision, prefix) => this.#since(fromRevision, prefix),
    });
  }

  allocate(bytes: number): Buffer {
    return this.#slabs.take(bytes);
  }

  async get(key: string): Promise<KeyValue | undefined> {
    this.#checkOpen();
    return this.#live.get(key);
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    this.#checkOpen();
    const state = {
      live: this.#live,
      history: this.#history,
      revision: this.#revision,
      compacted: this.#compacted,
    };
    return readRange({ ...state, pastValue: (version) => version.value }, options);
  }

  async write(operation: WriteOperation): Promise<WriteResult> {
    return this.writeNow(operation);
  }

  writeNow(operation: WriteOperation): WriteResult {
    this.#checkOpen();
    checkOperation(operation);
    const current = this.#live.get(operation.key);
    if (!isExpected(operation, current)) return conflictOf(current);
    if (operation.type === 'delete' && current === undefined) return conflictOf(undefined);
    const event = eventOf(operation, current, this.#revision + 1);
    this.#revision++;
    if (event.type === 'put') this.#live.set(event.kv.key, event.kv);
    else this.#live.delete(event.key);
    if (current !== undefined) {
      this.#history.add({
        key: current.key,
        from: current.modRevision,
        until: this.#revision,
        value: current,
        bytes: valueSize(current),
      });
    }
    this.#log.push(event);
    if (operation.type === 'put' && operation.ttlMs !== undefined) this.#expireAfter(operation.ttlMs, operation.key);
    if (this.#history.isFull(pastLimitsDefault)) this.#forget(this.#history.revisionAfter(forgottenShare));
    this.#hub.publish([event], this.#revision);
    return resultOf(event);
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
    if (revision > this.#compacted) this.#forget(revision);
  }

  #forget(revision: number): void {
    this.#compacted = revision;
    this.#history.compact(revision);
    this.#log.splice(0, Math.max(0, revision - this.#logStart));
    this.#logStart = Math.max(this.#logStart, revision);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const expired = this.#expirer.close();
    this.#closed = true;
    this.#hub.fail(closedError());
    await expired;
  }

  #expireAfter(ttlMs: number, key: string): void {
    const expiresMs = expiryOf(this.#clock.nowMs(), ttlMs);
    this.#expiring.add(expiresMs, { key, revision: this.#revision });
    this.#expirer.arm(expiresMs);
  }

  #since(fromRevision: number, prefix: string): StoreEvent[] {
    if (fromRevision < this.#compacted) throw new CompactedError(this.#compacted);
    const events: StoreEvent[] = [];
    for (let i = Math.max(0, fromRevision - this.#logStart); i < this.#log.length; i++) {
      const event = this.#log[i]!;
      if (eventKey(event).startsWith(prefix)) events.push(event);
    }
    return events;
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError();
  }
}

function closedError(): StoreUnavailableError {
  return new StoreUnavailableError('Cannot use the store as it was closed');
}
