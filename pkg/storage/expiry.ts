/**
 * What the local drivers share to keep law 8 of `store.ts`: keys whose time has passed are deleted by ordinary writes, a slice of them
 * at a time, so that a hundred thousand that are due at once stall nobody.
 *
 * Invariant: one timer at most, for the earliest time there is; none while nothing expires. It reads no values and no times out of them.
 * Upstream counterpart: etcd's lessor (`server/lease/lessor.go`).
 */
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { Heap } from '#pkg/base/heap.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { WriteOperation, WriteResult } from './store.ts';

/** Times are rounded up to this, so that what was written in ten seconds is deleted together. Less than `expiryLatenessMsMax`. */
const roundingMs = 10_000;

/** Keys deleted before others get a turn: one transaction of the disk, some milliseconds of work. */
const sliceMax = 128;

/** How long the store is left alone that has refused a deletion. */
const retryMs = 10_000;

/** Longest wait of one timer: a machine that slept, or whose clock was set, is noticed then. */
const waitMsMax = 3_600_000;

/** When a key that is put now with `ttlMs` is due, in milliseconds since the epoch. */
export function expiryOf(nowMs: number, ttlMs: number): number {
  return Math.ceil((nowMs + ttlMs) / roundingMs) * roundingMs;
}

/** A write of a key that ends the key's life at its time, unless the key was written since. */
export interface Expiring {
  readonly key: string;
  readonly revision: number;
}

/** What is to expire. */
export interface ExpirySource {
  /** The earliest time at which something is due; undefined when nothing is. */
  nextMs(): number | undefined;
  /** Up to `limit` of what is due; the same again until it is settled. */
  due(nowMs: number, limit: number): readonly Expiring[];
  /** It was deleted, or is no longer to be. */
  settle(expired: Expiring): void;
}

/** A source in memory: some 100 bytes for each put with a time, until that time. */
export class ExpiryQueue implements ExpirySource {
  readonly #times = new Heap<number>((a, b) => a - b);
  /** Revisions and their keys by time. */
  readonly #byTime = new Map<number, Map<number, string>>();

  /** Adds a put that is due at `expiresMs`. One that it replaces stays until its own time, and is then found to be replaced. */
  add(expiresMs: number, { key, revision }: Expiring): void {
    let keys = this.#byTime.get(expiresMs);
    if (keys === undefined) {
      keys = new Map();
      this.#byTime.set(expiresMs, keys);
      this.#times.push(expiresMs);
    }
    keys.set(revision, key);
  }

  nextMs(): number | undefined {
    return this.#times.peek();
  }

  due(nowMs: number, limit: number): readonly Expiring[] {
    const first = this.#times.peek();
    if (first === undefined || first > nowMs) return [];
    const due: Expiring[] = [];
    for (const [revision, key] of this.#byTime.get(first)!) {
      if (due.length === limit) break;
      due.push({ key, revision });
    }
    return due;
  }

  settle({ revision }: Expiring): void {
    const first = this.#times.peek();
    const keys = first === undefined ? undefined : this.#byTime.get(first);
    if (!keys?.delete(revision) || keys.size > 0) return;
    this.#byTime.delete(first!);
    this.#times.pop();
  }
}

/** Where the times of keys are, and how a key is deleted. */
export interface ExpirerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly sources: readonly ExpirySource[];
  readonly write: (operation: WriteOperation) => Promise<WriteResult>;
}

/** Deletes what is due. */
export class Expirer {
  readonly #options: ExpirerOptions;
  #timer: Timer | undefined;
  #armedMs = Number.POSITIVE_INFINITY;
  #sweeping: Promise<void> | undefined;
  #closed = false;

  constructor(options: ExpirerOptions) {
    this.#options = options;
  }

  /** Looks again no later than at `expiresMs`: to be called when something was added to a source, and once after the start. */
  arm(expiresMs: number | undefined = this.#nextMs()): void {
    if (expiresMs === undefined || expiresMs >= this.#armedMs || this.#closed || this.#sweeping !== undefined) return;
    this.#set(expiresMs);
  }

  /** Ends it; resolves when it does nothing any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#sweeping;
  }

  #set(expiresMs: number): void {
    const { clock } = this.#options;
    this.#timer?.cancel();
    this.#armedMs = expiresMs;
    const waitMs = Math.min(waitMsMax, expiresMs - clock.nowMs());
    this.#timer = clock.setTimeout(() => {
      this.#armedMs = Number.POSITIVE_INFINITY;
      this.#sweeping = this.#sweep();
    }, waitMs);
  }

  async #sweep(): Promise<void> {
    const { clock, log, sources } = this.#options;
    let notBeforeMs = 0;
    try {
      for (const source of sources) await this.#empty(source);
    } catch (error) {
      notBeforeMs = clock.nowMs() + retryMs;
      if (!this.#closed) log.warn('Could not delete what has expired', { error, retryMs });
    }
    this.#sweeping = undefined;
    const next = this.#nextMs();
    if (next !== undefined && !this.#closed) this.#set(Math.max(next, notBeforeMs));
  }

  async #empty(source: ExpirySource): Promise<void> {
    const { clock, write } = this.#options;
    while (!this.#closed) {
      const due = source.due(clock.nowMs(), sliceMax);
      if (due.length === 0) return;
      // One that was written since is refused, and lives on.
      await Promise.all(due.map(({ key, revision }) => write({ type: 'delete', key, ifModRevision: revision })));
      for (const expired of due) source.settle(expired);
      await clock.yield();
    }
  }

  #nextMs(): number | undefined {
    const times = this.#options.sources.map((source) => source.nextMs()).filter((ms) => ms !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }
}
