/**
 * Writes Events behind their recorder's back: several at the same time, those of one object in order, tries again while the server
 * cannot be reached, and gives up what the server refuses.
 */
import type { Event } from '#pkg/api/types/core-v1.ts';
import { isAlreadyExists, isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import type { ResourceClient } from './client.ts';
import { FairQueue } from './fair-queue.ts';
import { isNamespaceTerminating } from './refusals.ts';

/** Where events go, and how they are written. */
export interface EventSenderOptions {
  readonly resource: ResourceClient<Event>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Ends tries to send; what waits is dropped. */
  readonly signal: AbortSignal | undefined;
  /** An event as it is created; its count may be above 1 when the server has forgotten it. */
  readonly created: (event: Event) => Event;
  /** What changes in an event that was created, as a strategic merge patch. */
  readonly updated: (event: Event) => Record<string, unknown>;
}

/** Events that may wait, a kilobyte each; further ones are dropped. */
const waitingMax = 10_000;
/** Objects whose events are under way at the same time: as many as a store commits together, and few beside what a server admits at once. */
const objectsInFlightMax = 16;
/** Tries for an event while the server cannot be reached, and the time between two. */
const triesMax = 12;
const retryMs = 10_000;

/** Sends what it is given; `flush` waits for all of it. */
export class EventSender {
  readonly #options: EventSenderOptions;
  /** Keys of objects with events that wait. The queue never has an object under way twice: that keeps the order. */
  readonly #objects = new FairQueue();
  readonly #waiting = new Map<string, Event[]>();
  readonly #lanes = new Set<Promise<void>>();
  #waitingCount = 0;
  #droppedCount = 0;

  constructor(options: EventSenderOptions) {
    this.#options = options;
  }

  /** Takes an event to be written: one with a count above 1 updates the one of its name. Drops it when too many wait. */
  send(event: Event): void {
    if (this.#waitingCount >= waitingMax) {
      if (this.#droppedCount++ === 0) this.#options.log.warn('Events are dropped as too many wait', { waitingMax });
      return;
    }
    const { kind, namespace, name, uid } = event.involvedObject;
    const object = [kind, namespace, name, uid].join('\0');
    const waiting = this.#waiting.get(object);
    if (waiting === undefined) this.#waiting.set(object, [event]);
    else waiting.push(event);
    this.#waitingCount++;
    this.#objects.add(object);
    if (this.#lanes.size >= objectsInFlightMax) return;
    const lane: Promise<void> = this.#runLane().finally(() => this.#lanes.delete(lane));
    this.#lanes.add(lane);
  }

  /** Resolves when nothing waits and nothing is under way. */
  async flush(): Promise<void> {
    while (this.#lanes.size > 0) await Promise.all(this.#lanes);
  }

  /** Sends one event of one object after the other until none waits. */
  async #runLane(): Promise<void> {
    // The first await lets `send` return before anything is sent.
    await Promise.resolve();
    while (this.#objects.length > 0) {
      const object = (await this.#objects.get())!;
      const waiting = this.#waiting.get(object)!;
      const event = waiting.shift()!;
      if (waiting.length === 0) this.#waiting.delete(object);
      this.#waitingCount--;
      if (!this.#options.signal?.aborted) await this.#sendOne(event);
      if (this.#waiting.has(object)) this.#objects.add(object);
      this.#objects.done(object);
    }
    this.#reportDropped();
  }

  #reportDropped(): void {
    if (this.#droppedCount === 0) return;
    this.#options.log.warn('Events were dropped as too many waited', { count: this.#droppedCount });
    this.#droppedCount = 0;
  }

  async #sendOne(event: Event): Promise<void> {
    const { clock, random, signal } = this.#options;
    for (let tries = 1; ; tries++) {
      try {
        await this.#write(event);
        return;
      } catch (error) {
        if (signal?.aborted) return;
        if (!isUnreachable(error) || tries >= triesMax) {
          this.#giveUp(event, error);
          return;
        }
        // The first wait is random, so that the recorders of a restarted server do not come back together.
        const waited = await sleep(clock, tries === 1 ? retryMs * random.next() : retryMs, signal);
        if (!waited) return;
      }
    }
  }

  async #write(event: Event): Promise<void> {
    const { resource, signal, created, updated } = this.#options;
    const call = signal === undefined ? {} : { signal };
    const { name = '', namespace = '' } = event.metadata ?? {};
    if ((event.count ?? 1) > 1) {
      try {
        await resource.patch(name, updated(event), { namespace, type: 'strategic', ...call });
        return;
      } catch (error) {
        // It outlived its time to live on the server, or was never written.
        if (!isNotFound(error)) throw error;
      }
    }
    await resource.create(created(event), call);
  }

  #giveUp(event: Event, error: unknown): void {
    const { log } = this.#options;
    const fields = { event: `${event.metadata?.namespace}/${event.metadata?.name}`, reason: event.reason, error };
    if (isAlreadyExists(error) || isNamespaceTerminating(error)) log.debug('Event not written', fields);
    else log.warn('Event given up', fields);
  }
}

/** Whether the server may take the event later: anything but its own considered refusal. */
function isUnreachable(error: unknown): boolean {
  return error instanceof StatusError && (error.code >= 500 || error.code === 429);
}
