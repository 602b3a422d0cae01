/**
 * Records what happened to an object as an Event, as `kubectl describe` shows it. Contract only; `recorder.ts` fills it.
 *
 * Laws, as upstream's where not said otherwise:
 * 1. Recording never waits and never fails its caller. What cannot be sent is given up and logged.
 * 2. Equal events are counted in one Event. From the tenth on, different messages of one reason on one object within ten minutes are shown as
 *    one, "(combined from similar events)". Of one source on one object 25 are written at once and then one in five minutes; those in
 *    between are counted but not written.
 * 3. Events of one object are written in the order they were recorded; of different objects several at the same time.
 * 4. At most 10,000 wait; a further one is dropped and the log says how many were. (Upstream holds 1,000 and sends one after the other, which
 *    loses events of a burst over many objects.)
 *
 * Upstream counterpart: client-go `tools/record`.
 */
import type { KubeObject } from '#pkg/apimachinery/object.ts';

/** What happened. */
export interface RecordedEvent {
  readonly type: 'Normal' | 'Warning';
  /** A short CamelCase word. */
  readonly reason: string;
  /** A sentence. */
  readonly message: string;
  /** The part of the object it is about, such as `spec.containers{main}`. */
  readonly fieldPath?: string;
}

/** Records events in the name of one component. */
export interface EventRecorder {
  /** `object` needs apiVersion, kind, and metadata with name, namespace, uid. */
  record(object: KubeObject, event: RecordedEvent): void;
  /** Resolves when all that was recorded so far was sent or given up. */
  flush(): Promise<void>;
}
