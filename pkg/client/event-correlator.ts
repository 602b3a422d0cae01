/**
 * Decides what becomes of an event: a new Event, a higher count on one that is there, or nothing because its object says too
 * much. Pure but for the clock. Upstream counterpart: client-go `tools/record/events_cache.go`.
 */

import type { Event } from '#pkg/api/types/core-v1.ts';
import type { Clock } from '#pkg/base/clock.ts';

/** Objects and messages remembered; the oldest are forgotten first, at the price of a second Event. */
const entriesMax = 4_096;
/** Events of one object and reason but different messages, after which they are shown as one. */
const similarMax = 10;
const similarWindowMs = 10 * 60_000;
/** Events of one object at once, and the time after which one more is allowed. */
const burstMax = 25;
const refillMs = 5 * 60_000;

export type EventFate =
  | { readonly kind: 'drop' }
  | { readonly kind: 'create'; readonly key: string; readonly message: string }
  | {
      readonly kind: 'count';
      readonly key: string;
      readonly message: string;
      readonly name: string;
      readonly count: number;
      readonly firstTimestamp: string;
    };

interface Bucket {
  tokens: number;
  atMs: number;
}

interface Similar {
  readonly messages: Set<string>;
  lastMs: number;
}

interface Seen {
  readonly name: string;
  readonly count: number;
  readonly firstTimestamp: string;
}

export class EventCorrelator {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();
  readonly #similar = new Map<string, Similar>();
  readonly #seen = new Map<string, Seen>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What to do with `event`, whose message may be replaced by one that stands for many. */
  judge(event: Event): EventFate {
    const { source, involvedObject: object } = event;
    const objectId = [source?.component, source?.host, object.kind, object.namespace, object.name, object.uid].join(
      '\0',
    );
    if (!this.#takeToken(objectId)) return { kind: 'drop' };
    const reasonId = [objectId, object.fieldPath, event.type, event.reason].join('\0');
    const message = event.message ?? '';
    const isCombined = this.#isOneOfMany(reasonId, message);
    const key = isCombined ? reasonId : `${reasonId}\0${message}`;
    const shown = isCombined ? `(combined from similar events): ${message}` : message;
    const seen = this.#seen.get(key);
    if (seen === undefined) return { kind: 'create', key, message: shown };
    const { name, firstTimestamp } = seen;
    return { kind: 'count', key, message: shown, name, count: seen.count + 1, firstTimestamp };
  }

  /** The server holds the event under `key` like this now. */
  remember(key: string, seen: Seen): void {
    keep(this.#seen, key, seen);
  }

  forget(key: string): void {
    this.#seen.delete(key);
  }

  #takeToken(id: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(id) ?? { tokens: burstMax, atMs: nowMs };
    bucket.tokens = Math.min(burstMax, bucket.tokens + (nowMs - bucket.atMs) / refillMs);
    bucket.atMs = nowMs;
    keep(this.#buckets, id, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  #isOneOfMany(id: string, message: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    let similar = this.#similar.get(id);
    if (similar === undefined || nowMs - similar.lastMs > similarWindowMs) {
      similar = { messages: new Set(), lastMs: nowMs };
    }
    similar.lastMs = nowMs;
    if (similar.messages.size < similarMax) similar.messages.add(message);
    keep(this.#similar, id, similar);
    return similar.messages.size >= similarMax && !similar.messages.has(message);
  }
}

/** Sets a value as the newest and forgets the oldest beyond the limit. */
function keep<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= entriesMax) return;
  const oldest = map.keys().next().value;
  if (oldest !== undefined) map.delete(oldest);
}
