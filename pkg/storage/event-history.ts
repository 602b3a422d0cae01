/**
 * The recent events of one resource, so that a client that lost its watch can continue it. Adapts to the load: it keeps
 * events for `windowMs`, but never fewer than `minEvents` nor more than `maxEvents`.
 */
import type { CacheEvent } from './cache.ts';

export interface EventHistoryLimits {
  /** How long an event is kept at least, unless there are more than `maxEvents`. */
  readonly windowMs: number;
  readonly minEvents: number;
  readonly maxEvents: number;
}

/** Upstream's `eventFreshDuration` and smallest window; the upper limit holds about 40 MB of pods of 4 KB. */
export const eventHistoryLimitsDefault: EventHistoryLimits = { windowMs: 75_000, minEvents: 100, maxEvents: 10_000 };

export class EventHistory {
  readonly #limits: EventHistoryLimits;
  #events: CacheEvent[] = [];
  #addedMs: number[] = [];
  /** Index of the oldest event that is kept. */
  #head = 0;
  /** The history is complete after this revision. */
  #startRevision = 0;

  constructor(limits: EventHistoryLimits) {
    this.#limits = limits;
  }

  /** Events of all revisions above this one are there. */
  get startRevision(): number {
    return this.#startRevision;
  }

  /** Forgets everything; the history starts after `revision`. */
  reset(revision: number): void {
    this.#events = [];
    this.#addedMs = [];
    this.#head = 0;
    this.#startRevision = revision;
  }

  /** Adds events, which come after those that are there. */
  add(events: readonly CacheEvent[], nowMs: number): void {
    for (const event of events) {
      this.#events.push(event);
      this.#addedMs.push(nowMs);
    }
    this.#trim(nowMs);
  }

  /** Events above `afterRevision` whose keys start with `prefix`; undefined when some of them were forgotten. */
  since(afterRevision: number, prefix: string): CacheEvent[] | undefined {
    if (afterRevision < this.#startRevision) return undefined;
    let low = this.#head;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#events[middle]!.revision <= afterRevision) low = middle + 1;
      else high = middle;
    }
    const found: CacheEvent[] = [];
    for (let i = low; i < this.#events.length; i++) {
      const event = this.#events[i]!;
      if (event.entry.key.startsWith(prefix)) found.push(event);
    }
    return found;
  }

  #trim(nowMs: number): void {
    const { windowMs, minEvents, maxEvents } = this.#limits;
    const oldestMs = nowMs - windowMs;
    let count = this.#events.length - this.#head;
    while (count > maxEvents || (count > minEvents && this.#addedMs[this.#head]! < oldestMs)) {
      this.#startRevision = this.#events[this.#head]!.revision;
      this.#head++;
      count--;
    }
    // Moves the kept part to the front once half is waste: each event is moved at most once on average.
    if (this.#head > minEvents && this.#head * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#head);
      this.#addedMs = this.#addedMs.slice(this.#head);
      this.#head = 0;
    }
  }
}
