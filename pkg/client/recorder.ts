/**
 * The event recorder: sends core/v1 Events one after the other, behind its callers' backs. See `event-recorder.ts` for the laws.
 */

import type { Event } from '#pkg/api/types/core-v1.ts';
import { events } from '#pkg/api/types/refs.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { isAlreadyExists, isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import { type Clock, timestamp } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { type Random, randomInt } from '#pkg/base/random.ts';
import type { Client, ResourceClient } from './client.ts';
import { EventCorrelator } from './event-correlator.ts';
import type { EventRecorder } from './event-recorder.ts';

export interface EventRecorderOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Who reports, such as `kubelet`. */
  readonly component: string;
  /** Which one of several, such as the node's name. */
  readonly instance?: string;
  /**
   * Writes events as events.k8s.io has them: with the time of the event in microseconds, a series for repetitions, and the times and
   * counts of old empty. The scheduler does so upstream; clients show such events before others of one second.
   */
  readonly asSeries?: boolean;
  /** Ends tries to send; what waits is dropped. */
  readonly signal?: AbortSignal;
}

/** Events that may wait to be sent; further ones are dropped, as upstream's full channel does. */
const waitingMax = 1_000;
/** Tries for an event while the server cannot be reached, and the time between two. */
const triesMax = 12;
const retryMs = 10_000;

/** A recorder that sends through `client`. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  return new Recorder(options);
}

class Recorder implements EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #resource: ResourceClient<Event>;
  readonly #correlator: EventCorrelator;
  readonly #waiting: Event[] = [];
  /** Makes names of one instant distinct, also from those of other recorders. */
  #serial: number;
  #sending: Promise<void> | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#resource = options.client.resource(events);
    this.#correlator = new EventCorrelator(options.clock);
    this.#serial = randomInt(options.random, 1_000_000);
  }

  record(object: KubeObject, event: Parameters<EventRecorder['record']>[1]): void {
    const { log } = this.#options;
    if (this.#waiting.length >= waitingMax) {
      log.warn('Event dropped as too many wait', { reason: event.reason });
      return;
    }
    this.#waiting.push(this.#build(object, event));
    this.#sending ??= this.#sendAll();
  }

  async flush(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
  }

  #build(object: KubeObject, event: Parameters<EventRecorder['record']>[1]): Event {
    const { clock, component, instance } = this.#options;
    const { name = '', namespace, uid, resourceVersion } = object.metadata ?? {};
    this.#serial = (this.#serial + 1) % 1_000_000;
    const id = (BigInt(Math.floor(clock.nowMs())) * 1_000_000n + BigInt(this.#serial)).toString(16);
    const now = timestamp(clock);
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${id}`, namespace: namespace || 'default' },
      involvedObject: {
        ...(object.kind === undefined ? {} : { kind: object.kind }),
        ...(namespace === undefined ? {} : { namespace }),
        name,
        ...(uid === undefined ? {} : { uid }),
        ...(object.apiVersion === undefined ? {} : { apiVersion: object.apiVersion }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
        ...(event.fieldPath === undefined ? {} : { fieldPath: event.fieldPath }),
      },
      reason: event.reason,
      message: event.message,
      source: { component, ...(instance === undefined ? {} : { host: instance }) },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
      type: event.type,
      reportingComponent: component,
      reportingInstance: instance ?? '',
    };
  }

  async #sendAll(): Promise<void> {
    // The first await lets `record` return before anything is sent.
    await Promise.resolve();
    for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift()) {
      if (this.#options.signal?.aborted) {
        this.#waiting.length = 0;
        break;
      }
      await this.#sendOne(event);
    }
    this.#sending = undefined;
  }

  async #sendOne(event: Event): Promise<void> {
    const { clock, random, log, signal } = this.#options;
    const fate = this.#correlator.judge(event);
    if (fate.kind === 'drop') return;
    for (let tries = 1; ; tries++) {
      try {
        if (fate.kind === 'create') await this.#create(event, fate);
        else await this.#count(event, fate);
        return;
      } catch (error) {
        if (!isUnreachable(error) || tries >= triesMax) {
          log.debug('Event given up', { event: event.metadata?.name, error });
          return;
        }
        // The first wait is random, so that the recorders of a restarted server do not come back together.
        const waited = await sleep(clock, tries === 1 ? retryMs * random.next() : retryMs, signal);
        if (!waited) return;
      }
    }
  }

  async #create(event: Event, fate: { readonly key: string; readonly message: string }): Promise<void> {
    try {
      const written = { ...event, message: fate.message };
      await this.#resource.create(this.#options.asSeries ? seriesEvent(written) : written);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    const { metadata, firstTimestamp = '' } = event;
    this.#correlator.remember(fate.key, { name: metadata?.name ?? '', count: 1, firstTimestamp });
  }

  async #count(
    event: Event,
    fate: { key: string; message: string; name: string; count: number; firstTimestamp: string },
  ): Promise<void> {
    const { lastTimestamp } = event;
    const { name, count, firstTimestamp, message } = fate;
    const namespace = event.metadata?.namespace ?? 'default';
    try {
      const change = this.#options.asSeries
        ? { series: { count, lastObservedTime: microTime(lastTimestamp) }, message }
        : { count, lastTimestamp, message };
      await this.#resource.patch(name, change, { namespace, type: 'strategic' });
      this.#correlator.remember(fate.key, { name, count, firstTimestamp });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      // It outlived its time to live on the server.
      this.#correlator.forget(fate.key);
      await this.#create(event, fate);
    }
  }
}

/** Source: client-go `tools/events/event_recorder.go` `makeEvent`. */
function seriesEvent({ count: _, firstTimestamp, lastTimestamp: __, source, ...event }: Event): Event {
  const instance = [source?.component, source?.host].filter(Boolean).join('-');
  return {
    ...event,
    eventTime: microTime(firstTimestamp),
    action: actions[event.reason ?? ''] ?? event.reason ?? '',
    reportingInstance: instance,
  };
}

/** What was being done, where it is not the reason. Source: `pkg/scheduler/schedule_one.go`, `framework/preemption`. */
const actions: Readonly<Record<string, string>> = {
  FailedScheduling: 'Scheduling',
  Preempted: 'Preempting',
  Scheduled: 'Binding',
};

/** A time in seconds as one in microseconds. */
function microTime(time = ''): string {
  return time.replace(/Z$/, '.000000Z');
}

/** Whether the server may take the event later: anything but its own considered refusal. */
function isUnreachable(error: unknown): boolean {
  return error instanceof StatusError && (error.code >= 500 || error.code === 429);
}
