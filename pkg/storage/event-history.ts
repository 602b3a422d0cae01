/**
 * The recent events of one resource, so that a client that lost its watch can continue it. Adapts to the load: it keeps
 * events for `windowMs`, but never more than `maxEvents` or `maxBytes`, and
 * within those at least `minEvents`.
 */
import type { CacheEvent } from './cache.ts';

/** How much of the past is kept. */
export interface EventHistoryLimits {
  /** How long an event is kept at least, unless there are more than `maxEvents`. */
  readonly windowMs: number;
  readonly minEvents: number;
  readonly maxEvents: number;
  /** Bytes of stored values. The last event is kept however large. */
  readonly maxBytes: number;
}

/** Upstream's `eventFreshDuration` and smallest window; then what may be spent on one busy resource, or on one of large objects. */
export const eventHistoryLimitsDefault: EventHistoryLimits = {
  windowMs: 75_000,
  minEvents: 100,
  maxEvents: 10_000,
  maxBytes: 6 * 1024 * 1024,
};

/**
 * The newest events, whose decoded objects are held: watchers in this process read them a moment after they are told. Older ones are
 * rarely read and make up most of the history, so they keep their bytes only.
 */
const newsEventsDefault = 64;

interface Kept {
  readonly event: CacheEvent;
  readonly bytes: number;
  readonly addedMs: number;
}

/** The recent events of one resource, oldest first. */
export class EventHistory {
  readonly #limits: EventHistoryLimits;
  readonly #newsEvents: number;
  /** Those before `#head` are let go, so that they do not hold what they told of. */
  #kept: (Kept | undefined)[] = [];
  #bytes = 0;
  /** Index of the oldest event that is kept. */
  #head = 0;
  /** The history is complete after this revision. */
  #startRevision = 0;

  /** `newsEvents` is how many of the newest hold their objects; the limits are for all. */
  constructor(limits: EventHistoryLimits, newsEvents: number = newsEventsDefault) {
    this.#limits = limits;
    this.#newsEvents = newsEvents;
  }

  /** Events of all revisions above this one are there. */
  get startRevision(): number {
    return this.#startRevision;
  }

  /** Whether time alone will make some of it old. */
  get hasSpare(): boolean {
    return this.#kept.length - this.#head > this.#limits.minEvents;
  }

  /** Forgets everything; the history starts after `revision`. */
  reset(revision: number): void {
    this.#kept = [];
    this.#bytes = 0;
    this.#head = 0;
    this.#startRevision = revision;
  }

  /** Adds an event, which comes after those that are there; `bytes` is what the value takes that it keeps in memory. */
  add(event: CacheEvent, { bytes, nowMs }: { readonly bytes: number; readonly nowMs: number }): void {
    // A copy: what watchers hang on the event they are told, such as its wire form, goes with that one.
    this.#kept.push({ event: { ...event }, bytes, addedMs: nowMs });
    this.#bytes += bytes;
    const settled = this.#kept.length - 1 - this.#newsEvents;
    const news = settled < this.#head ? undefined : this.#kept[settled];
    if (news !== undefined) settle(news.event);
    this.trim(nowMs);
  }

  /** Events above `afterRevision` whose keys start with `prefix`; undefined when some of them were forgotten. */
  since(afterRevision: number, prefix: string): CacheEvent[] | undefined {
    if (afterRevision < this.#startRevision) return undefined;
    let low = this.#head;
    let high = this.#kept.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#kept[middle]!.event.revision <= afterRevision) low = middle + 1;
      else high = middle;
    }
    const found: CacheEvent[] = [];
    for (let i = low; i < this.#kept.length; i++) {
      const { event } = this.#kept[i]!;
      if (event.entry.key.startsWith(prefix)) found.push(event);
    }
    return found;
  }

  /** Forgets what the limits do not let it keep, of which time is one. */
  trim(nowMs: number): void {
    const { windowMs, minEvents, maxEvents, maxBytes } = this.#limits;
    const oldestMs = nowMs - windowMs;
    for (let count = this.#kept.length - this.#head; count > 1; count--) {
      const oldest = this.#kept[this.#head];
      if (oldest === undefined) break;
      const isOld = count > minEvents && oldest.addedMs < oldestMs;
      if (!isOld && count <= maxEvents && this.#bytes <= maxBytes) break;
      settle(oldest.event);
      this.#startRevision = oldest.event.revision;
      this.#bytes -= oldest.bytes;
      this.#kept[this.#head++] = undefined;
    }
    // Moves the kept part to the front once half is empty: each event is moved at most once on average.
    if (this.#head > 0 && this.#head * 2 > this.#kept.length) {
      this.#kept.splice(0, this.#head);
      this.#head = 0;
    }
  }
}

function settle({ entry, previous }: CacheEvent): void {
  entry.settle?.();
  previous?.settle?.();
}
