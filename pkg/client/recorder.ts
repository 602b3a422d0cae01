/** The event recorder: makes core/v1 Events of what it is told, correlates them and hands them to the sender. The laws are in `event-recorder.ts`. */

import type { Event } from '#pkg/api/types/core-v1.ts';
import { events } from '#pkg/api/types/refs.ts';
import { dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { type Clock, timestamp } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { type Random, randomInt } from '#pkg/base/random.ts';
import type { Client } from './client.ts';
import { EventCorrelator } from './event-correlator.ts';
import type { EventRecorder, RecordedEvent } from './event-recorder.ts';
import { EventSender } from './event-sender.ts';

/** In whose name events are recorded, and by which client. */
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
  /** Default true. */
  readonly recordsEvents?: boolean;
}

/** Names of one instant are made distinct by a number below this. */
const serialMax = 1_000_000;

/** A recorder that sends through `client`, unless no events are recorded. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  return options.recordsEvents === false ? noRecorder : new Recorder(options);
}

const noRecorder: EventRecorder = { record: () => {}, flush: async () => {} };

class Recorder implements EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #correlator: EventCorrelator;
  readonly #sender: EventSender;
  /** Makes names of one instant distinct, also from those of other recorders. */
  #serial: number;

  constructor(options: EventRecorderOptions) {
    const { client, clock, random, log, signal, asSeries = false } = options;
    this.#options = options;
    this.#correlator = new EventCorrelator(clock);
    const form = asSeries ? { created: seriesEvent, updated: seriesUpdate } : { created: asIs, updated: countUpdate };
    this.#sender = new EventSender({ resource: client.resource(events), clock, random, log, signal, ...form });
    this.#serial = randomInt(random, serialMax);
  }

  record(object: KubeObject, what: RecordedEvent): void {
    const event = this.#correlator.correlate(this.#build(object, what));
    if (event !== undefined) this.#sender.send(event);
  }

  flush(): Promise<void> {
    return this.#sender.flush();
  }

  #build(object: KubeObject, what: RecordedEvent): Event {
    const { clock, component, instance } = this.#options;
    const { name = '', namespace, uid, resourceVersion } = object.metadata ?? {};
    const now = timestamp(clock);
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: this.#nameFor(name), namespace: namespace || 'default' },
      involvedObject: {
        ...(object.kind === undefined ? {} : { kind: object.kind }),
        ...(namespace === undefined ? {} : { namespace }),
        name,
        ...(uid === undefined ? {} : { uid }),
        ...(object.apiVersion === undefined ? {} : { apiVersion: object.apiVersion }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
        ...(what.fieldPath === undefined ? {} : { fieldPath: what.fieldPath }),
      },
      reason: what.reason,
      message: what.message,
      source: { component, ...(instance === undefined ? {} : { host: instance }) },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
      type: what.type,
      reportingComponent: component,
      reportingInstance: instance ?? '',
    };
  }

  /** The object's name and the time; a UUID for an object whose name is too long for that, or could not be an Event's. */
  #nameFor(object: string): string {
    const { clock, random } = this.#options;
    this.#serial = (this.#serial + 1) % serialMax;
    const time = BigInt(Math.floor(clock.nowMs())) * BigInt(serialMax) + BigInt(this.#serial);
    const name = `${object}.${time.toString(16)}`;
    return dns1123SubdomainProblems(name).length === 0 ? name : random.uuid();
  }
}

function asIs(event: Event): Event {
  return event;
}

function countUpdate({ count, lastTimestamp, message }: Event): Record<string, unknown> {
  return { count, lastTimestamp, message };
}

/** Source: client-go `tools/events/event_recorder.go` `makeEvent`. */
function seriesEvent(event: Event): Event {
  const { count = 1, firstTimestamp, lastTimestamp, source, ...rest } = event;
  return {
    ...rest,
    eventTime: microTime(firstTimestamp),
    action: actions[event.reason ?? ''] ?? event.reason ?? '',
    reportingInstance: [source?.component, source?.host].filter(Boolean).join('-'),
    ...(count === 1 ? {} : { series: { count, lastObservedTime: microTime(lastTimestamp) } }),
  };
}

function seriesUpdate({ count, lastTimestamp, message }: Event): Record<string, unknown> {
  return { series: { count, lastObservedTime: microTime(lastTimestamp) }, message };
}

/** What was being done, where it is not the reason. Source: `pkg/scheduler/schedule_one.go`, `framework/preemption`. */
const actions: Readonly<Record<string, string>> = {
  FailedScheduling: 'Scheduling',
  Preempted: 'Preempting',
  Scheduled: 'Binding',
};

/** A time in seconds as one in microseconds. */
function microTime(time: string | null | undefined): string {
  return (time ?? '').replace(/Z$/, '.000000Z');
}
