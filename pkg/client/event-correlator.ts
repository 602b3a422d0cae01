/**
 * Decides what becomes of an event: a new Event, a higher count on one that was written, or nothing because its object says too
 * much. Counts what it was shown, written or not. Pure but for the clock. Upstream counterpart: client-go `tools/record/events_cache.go`.
 */
import { hash } from 'node:crypto';
import type { Event } from '#pkg/api/types/core-v1.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { RecentMap } from '#pkg/base/recent-map.ts';

/**
 * Objects and messages remembered, at most; half of them are the latest, the others may be forgotten, at the price of a second Event. A cluster has a recorder for each
 * component, all of which are full after some minutes of work: so a kilobyte for each entry would be 30 MB, and digests stand for the texts of all but first events.
 */
const entriesMax = 4_096;
/** The different message of one object and reason from which on they are shown as one. */
const similarMax = 10;
const similarWindowMs = 10 * 60_000;
/** Events of one source on one object at once, and the time after which one more is allowed. */
const burstMax = 25;
const refillMs = 5 * 60_000;

interface Bucket {
  tokens: number;
  atMs: number;
  /** The object's only event so far: most objects never have another, so it is counted by its texts only when they do. */
  only: Only | undefined;
}

/** What of an event decides whether another is the same. */
type Said = Pick<Event, 'message' | 'reason' | 'reportingComponent' | 'reportingInstance' | 'type'> & {
  readonly fieldPath: string | undefined;
};

interface Only {
  readonly said: Said;
  readonly seen: Seen;
  readonly atMs: number;
}

interface Similar {
  /** Digests of the different messages, fewer than `similarMax`. */
  readonly messages: string[];
  lastMs: number;
}

interface Seen {
  readonly name: string;
  readonly count: number;
  readonly firstTimestamp: string;
}

/** What was shown lately, by object and by text; bounded, the oldest goes first. */
export class EventCorrelator {
  readonly #clock: Clock;
  readonly #buckets = new RecentMap<Bucket>(entriesMax / 2);
  readonly #similar = new RecentMap<Similar>(entriesMax / 2);
  readonly #seen = new RecentMap<Seen>(entriesMax / 2);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The event as it is to be written: its count is 1 for a new one; above that it has name and first time of the one to update.
   * Undefined when it is not to be written.
   */
  correlate(event: Event): Event | undefined {
    const object = sourceAndObject(event);
    const bucket = this.#buckets.get(object);
    if (bucket === undefined) return this.#first(object, event);
    const { only } = bucket;
    if (only !== undefined) {
      bucket.only = undefined;
      this.#seen.set(this.#combine(object, { said: only.said, nowMs: only.atMs }).key, only.seen);
    }
    const counted = this.#count(object, event);
    return this.#takeToken(bucket) ? counted : undefined;
  }

  #first(object: string, event: Event): Event {
    const atMs = this.#clock.monotonicMs();
    const { metadata, firstTimestamp } = event;
    const seen: Seen = { name: metadata?.name ?? '', count: 1, firstTimestamp: firstTimestamp ?? '' };
    this.#buckets.set(object, { tokens: burstMax - 1, atMs, only: { said: saidBy(event), seen, atMs } });
    return { ...event, count: 1 };
  }

  /** The key by which an event is counted: with its message, or as one of many. */
  #combine(
    object: string,
    { said, nowMs }: { readonly said: Said; readonly nowMs: number },
  ): { readonly key: string; readonly isOneOfMany: boolean } {
    const { type, reason, message = '', reportingComponent, reportingInstance, fieldPath } = said;
    const id = keyOf(object, type, reason, reportingComponent, reportingInstance);
    if (this.#isOneOfMany(id, message, nowMs)) return { key: id, isOneOfMany: true };
    return { key: keyOf(object, fieldPath, type, reason, message), isOneOfMany: false };
  }

  #isOneOfMany(id: string, message: string, nowMs: number): boolean {
    const digest = keyOf(message);
    const similar = this.#similar.get(id);
    if (similar === undefined || nowMs - similar.lastMs > similarWindowMs) {
      this.#similar.set(id, { messages: [digest], lastMs: nowMs });
      return false;
    }
    similar.lastMs = nowMs;
    if (similar.messages.includes(digest)) return false;
    if (similar.messages.length + 1 >= similarMax) return true;
    similar.messages.push(digest);
    return false;
  }

  #count(object: string, event: Event): Event {
    const said = saidBy(event);
    const { key, isOneOfMany } = this.#combine(object, { said, nowMs: this.#clock.monotonicMs() });
    const before = this.#seen.get(key);
    const { name, count, firstTimestamp } =
      before === undefined
        ? { name: event.metadata?.name ?? '', count: 1, firstTimestamp: event.firstTimestamp ?? '' }
        : { ...before, count: before.count + 1 };
    this.#seen.set(key, { name, count, firstTimestamp });
    const counted = { ...event, metadata: { ...event.metadata, name }, count, firstTimestamp };
    if (!isOneOfMany) return counted;
    return { ...counted, message: `(combined from similar events): ${said.message ?? ''}` };
  }

  #takeToken(bucket: Bucket): boolean {
    const nowMs = this.#clock.monotonicMs();
    bucket.tokens = Math.min(burstMax, bucket.tokens + (nowMs - bucket.atMs) / refillMs);
    bucket.atMs = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}

function saidBy({ type, reason, message, reportingComponent, reportingInstance, involvedObject }: Event): Said {
  return { type, reason, message, reportingComponent, reportingInstance, fieldPath: involvedObject.fieldPath };
}

function sourceAndObject({ source, involvedObject: object }: Event): string {
  return keyOf(
    source?.component,
    source?.host,
    object.kind,
    object.namespace,
    object.name,
    object.uid,
    object.apiVersion,
  );
}

/** A short text that stands for the parts. */
function keyOf(...parts: readonly (string | undefined)[]): string {
  return hash('sha256', parts.join('\0'), 'latin1');
}
