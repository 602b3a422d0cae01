/**
 * The last events of a store, kept in memory for watches that start a little in the past. Bounded by count and by bytes; what is dropped
 * has to be read from elsewhere.
 *
 * Invariant: all events of all revisions above `startRevision` are there, in revision order.
 */
import { valueSize } from './late-value.ts';
import type { StoreEvent } from './store.ts';
import { eventKey, eventRevision } from './watch-hub.ts';

/** How many events are kept, and how many bytes of them. */
export interface EventTailLimits {
  /** Up to twice as many are there before half of them are dropped at once. */
  readonly maxEvents: number;
  /** Bytes of values; up to twice as many are there. */
  readonly maxBytes: number;
}

/** The newest events of one store. */
export class EventTail {
  readonly #limits: EventTailLimits;
  #events: StoreEvent[] = [];
  #bytes = 0;
  #startRevision: number;

  constructor(limits: EventTailLimits, startRevision: number) {
    this.#limits = limits;
    this.#startRevision = startRevision;
  }

  get startRevision(): number {
    return this.#startRevision;
  }

  /** Adds an event, which comes after those that are there. */
  push(event: StoreEvent): void {
    this.#events.push(event);
    this.#bytes += bytesOf(event);
    const { maxEvents, maxBytes } = this.#limits;
    if (this.#events.length > 2 * maxEvents || this.#bytes > 2 * maxBytes) this.#trim();
  }

  /** Drops the events up to and including `revision`. */
  forget(revision: number): void {
    if (revision <= this.#startRevision) return;
    this.#startRevision = revision;
    this.#events = this.#events.slice(this.#indexAfter(revision));
    this.#bytes = this.#events.reduce((sum, event) => sum + bytesOf(event), 0);
  }

  /** The events of a prefix from `fromRevision` on, which must be above `startRevision`. */
  since(fromRevision: number, prefix: string): StoreEvent[] {
    return this.#events.slice(this.#indexAfter(fromRevision - 1)).filter((event) => eventKey(event).startsWith(prefix));
  }

  #trim(): void {
    const { maxEvents, maxBytes } = this.#limits;
    let count = this.#events.length;
    let bytes = this.#bytes;
    let dropped = 0;
    while (count > maxEvents || bytes > maxBytes) {
      bytes -= bytesOf(this.#events[dropped++]!);
      count--;
    }
    // Several keys may have been written at one revision: all of them go or stay.
    this.forget(eventRevision(this.#events[dropped - 1]!));
  }

  #indexAfter(revision: number): number {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (eventRevision(this.#events[middle]!) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** What an event holds on to. What was before is mostly held by an event before. */
function bytesOf(event: StoreEvent): number {
  return valueSize(event.type === 'put' ? event.kv : event.previous);
}
