/**
 * What happened while pods were being tried, so that a refusal can be weighed against it: an event that came between the look at the cluster
 * and the refusal would otherwise be waited for in vain. Holds an event only while a pod that was taken before it is in flight.
 * Upstream counterpart: kube-scheduler `backend/queue/active_queue.go`, `inFlightEvents`.
 */
import type { ClusterEvent } from '../framework/events.ts';

/** Events kept at once. Beyond it they are dropped, and whoever should have seen them is told that some are missing. */
const eventsMax = 10_000;

interface Noted {
  readonly event: ClusterEvent;
  /** The one pod that the event is about; absent: it concerns all. */
  readonly only: object | undefined;
}

/** `T`: what is in flight, told apart by identity. */
export class InFlightEvents<T extends object> {
  /** Number of the first event that the pod may have missed; in the order the pods were taken. */
  readonly #flights = new Map<T, number>();
  #events: Noted[] = [];
  /** Number of the first of `#events`. */
  #first = 0;

  /** From now on, events matter to `pod`. */
  enter(pod: T): void {
    this.#flights.set(pod, this.#first + this.#events.length);
  }

  /** Events no longer matter to `pod`; does nothing for one that is not in flight. */
  leave(pod: T): void {
    if (!this.#flights.delete(pod)) return;
    const [oldest = this.#first + this.#events.length] = this.#flights.values();
    if (oldest <= this.#first) return;
    this.#events = this.#events.slice(oldest - this.#first);
    this.#first = oldest;
  }

  note(events: readonly ClusterEvent[], only?: T): void {
    if (this.#flights.size === 0) return;
    for (const event of events) this.#events.push({ event, only });
    if (this.#events.length <= eventsMax) return;
    this.#first += this.#events.length;
    this.#events = [];
  }

  /** What happened since `pod` was taken; undefined when not all of it is known. */
  since(pod: T): readonly ClusterEvent[] | undefined {
    const from = this.#flights.get(pod);
    if (from === undefined || from < this.#first) return undefined;
    return this.#events
      .slice(from - this.#first)
      .filter(({ only }) => only === undefined || only === pod)
      .map(({ event }) => event);
  }
}
