/**
 * The pods that wait for a node. A pod is in one of these places:
 * - active: ready to be tried, in the order of the profile's queue sort;
 * - backoff: was refused not long ago and may pass now: is tried once its back-off ends, or early while nothing is active, or at once when room was made for it;
 * - errorBackoff: an attempt failed not long ago: is tried once its back-off ends;
 * - unschedulable: refused; waits for an event that one of the plugins that refused it asked for, or for the flush;
 * - gated: a pre-enqueue plugin holds it; waits for a change of the pod itself.
 * A pod that was taken with `pop` is in flight until one of `done`, `refused` and `failed` is called for it.
 *
 * Laws: a pod is never in two places. What happens while a pod is in flight is not lost: a refused pod that such an event may help goes
 * to backoff instead of waiting for what has already been. Deterministic: all order comes from the sort, the clock and the
 * sequence of calls. Upstream counterpart: kube-scheduler `backend/queue`.
 */
import { assert } from '#pkg/base/assert.ts';
import { Deferred } from '#pkg/base/async.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { ClusterEvent, EventRegistration, QueueingHint } from '../framework/events.ts';
import type { PreEnqueuePlugin, QueueSortPlugin } from '../framework/plugin.ts';
import type { PodInfo } from '../model/pod-info.ts';
import { type Backoff, backoffEndMs, defaultBackoff } from './backoff.ts';
import { InFlightEvents } from './in-flight-events.ts';
import { LiveHeap, type Ticketed } from './live-heap.ts';

/**
 * While nothing is active, so many refused pods are tried before their back-off ends, every so often. Upstream tries them at once and without
 * end, on processors of its own; here a flood of events and of pods that fit nowhere would leave the API server without, and a node needs
 * a moment to end the pods that made room.
 */
const earlyPeriodMs = 100;
const earlyMax = 16;
/** A refused pod is tried again after this time even if no event asked for it, in case a hint was wrong. */
const unschedulableMaxMs = 5 * 60_000;
/** How often refused pods are looked over for that. */
export const flushPeriodMs = 30_000;

/** In place of a plugin when a pod was refused by none, as in a cluster without nodes: it wants every event. */
const nobody = '';

type Place = 'active' | 'backoff' | 'errorBackoff' | 'gated' | 'inFlight' | 'unschedulable';

/** A pod in the queue. Its fields are the queue's to change. */
export interface QueuedPod {
  pod: PodInfo;
  place: Place;
  /** When the pod was added, or last refused or failed: what order and back-off count from. Milliseconds. */
  enqueuedMs: number;
  /** When the pod was added. Milliseconds. */
  readonly addedMs: number;
  /** Times that it was taken. */
  tries: number;
  /** Attempts that ended with a refusal. */
  refusals: number;
  /** Attempts that failed since the last refusal. */
  errors: number;
  /** The plugins that refused it last, or `nobody`; empty when the attempt failed. */
  rejectors: ReadonlySet<string>;
  /** Marks entries of the heaps that a later move made stale. */
  ticket: number;
}

/** What the queue orders by, holds back by, and wakes by. */
export interface SchedulingQueueOptions {
  readonly clock: Clock;
  readonly sort: QueueSortPlugin;
  /** Whether room was made for a refused pod, which then need not serve its back-off. Default: for none. */
  readonly isRoomMade?: (pod: PodInfo) => boolean;
  /** What may hold a pod back. Default: nothing does. */
  readonly preEnqueue?: (pod: PodInfo) => readonly PreEnqueuePlugin[];
  /** What each plugin waits for, by name; a plugin that is missing or undefined waits for everything. */
  readonly events?: ReadonlyMap<string, readonly EventRegistration[] | undefined>;
  readonly backoff?: Backoff;
  /** Told of each pod that comes to a queue, and by which event. Default: nobody is. */
  readonly onIncoming?: (queue: 'active' | 'backoff' | 'gated' | 'unschedulable', event: string) => void;
}

/** The queue of one scheduler. */
export class SchedulingQueue {
  readonly #options: SchedulingQueueOptions;
  readonly #clock: Clock;
  readonly #backoffTimes: Backoff;
  readonly #entries = new Map<string, QueuedPod>();
  readonly #active: LiveHeap<QueuedPod>;
  readonly #backoff: LiveHeap<QueuedPod>;
  readonly #errorBackoff: LiveHeap<QueuedPod>;
  readonly #inFlight = new InFlightEvents<QueuedPod>();
  /** The refused pods by each plugin that refused them; under `nobody` those that no plugin refused. */
  readonly #waiting = new Map<string, Set<QueuedPod>>();
  readonly #counts: Record<Place, number> = {
    active: 0,
    backoff: 0,
    errorBackoff: 0,
    gated: 0,
    inFlight: 0,
    unschedulable: 0,
  };
  #tickets = 0;
  #backoffTimer: Timer | undefined;
  #earlyTimer: Timer | undefined;
  #wake: Deferred | undefined;
  #closed = false;

  constructor(options: SchedulingQueueOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#backoffTimes = options.backoff ?? defaultBackoff;
    const inOrder = (a: Ticketed<QueuedPod>, b: Ticketed<QueuedPod>): number =>
      options.sort.compare(a, b) || a.ticket - b.ticket;
    this.#active = new LiveHeap(inOrder);
    this.#backoff = new LiveHeap((a, b) => a.dueMs - b.dueMs || inOrder(a, b));
    this.#errorBackoff = new LiveHeap((a, b) => a.dueMs - b.dueMs || a.ticket - b.ticket);
  }

  /** How many pods are in each place. */
  get counts(): Readonly<Record<Place, number>> {
    return this.#counts;
  }

  /** A pod without a node appeared. */
  add(pod: PodInfo): void {
    if (this.#entries.has(pod.uid)) {
      this.update(pod, []);
      return;
    }
    const entry: QueuedPod = {
      pod,
      place: 'gated',
      enqueuedMs: this.#clock.monotonicMs(),
      addedMs: this.#clock.monotonicMs(),
      tries: 0,
      refusals: 0,
      errors: 0,
      rejectors: new Set(),
      ticket: 0,
    };
    this.#entries.set(pod.uid, entry);
    this.#counts.gated++;
    this.#retry(entry, 'PodAdd');
  }

  /** A waiting pod changed; `events` says in what way, empty for a change that no plugin reads. Unknown pods are ignored. */
  update(pod: PodInfo, events: readonly ClusterEvent[]): void {
    const entry = this.#entries.get(pod.uid);
    if (entry === undefined) return;
    entry.pod = pod;
    this.#inFlight.note(events, entry);
    if (entry.place === 'gated') this.#retry(entry, 'PodUpdate');
    else if (entry.place === 'active' || entry.place === 'backoff') this.#move(entry, entry.place);
    else if (entry.place === 'unschedulable' && this.#isHelped(entry, events)) this.#retry(entry, 'PodUpdate');
  }

  /** The pod is gone or has a node. */
  delete(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    this.#entries.delete(uid);
    this.#leave(entry);
    entry.ticket = ++this.#tickets;
    this.#armEarly();
  }

  /** The pod as the queue has it. */
  get(uid: string): PodInfo | undefined {
    return this.#entries.get(uid)?.pod;
  }

  /** Something happened in the cluster: wakes the refused pods that it may help, oldest refusal first. */
  wake(events: readonly ClusterEvent[]): void {
    this.#inFlight.note(events);
    const woken = new Set<QueuedPod>();
    for (const [rejector, entries] of this.#waiting) {
      const wanted = this.#wantedBy(rejector, events);
      if (wanted.length === 0) continue;
      for (const entry of entries) if (wanted.some((wants) => wants(entry.pod))) woken.add(entry);
    }
    for (const entry of [...woken].sort((a, b) => a.ticket - b.ticket)) this.#retry(entry, eventName(events));
  }

  /** Room may have been made for a pod: where it was, the pod does not serve the rest of its back-off. */
  hurry(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry?.place === 'backoff' && this.#isRoomMade(entry)) this.#retry(entry, 'AssignedPodDelete');
  }

  /** Takes the first active pod. */
  pop(): QueuedPod | undefined {
    const entry = this.#active.pop();
    return entry === undefined ? undefined : this.#take(entry);
  }

  /** Whether `take` has this pod to give: it waits, and nothing holds it back. */
  canTake(uid: string): boolean {
    return !['gated', 'inFlight'].includes(this.#entries.get(uid)?.place ?? 'gated');
  }

  /** Takes one pod that waits for its turn, its back-off or an event, as it is tried together with another whose turn it is. */
  take(uid: string): QueuedPod | undefined {
    const entry = this.canTake(uid) ? this.#entries.get(uid) : undefined;
    return entry && this.#take(entry);
  }

  #take(entry: QueuedPod): QueuedPod {
    this.#move(entry, 'inFlight');
    entry.tries++;
    this.#inFlight.enter(entry);
    return entry;
  }

  /** Resolves when a pod is active, or when the queue was closed. */
  async waitActive(): Promise<void> {
    while (this.#counts.active === 0 && !this.#closed) {
      this.#wake ??= new Deferred();
      await this.#wake.promise;
    }
  }

  /** The pod taken has a place and will not be refused any more, though its binding may yet fail. */
  settled(entry: QueuedPod): void {
    this.#inFlight.leave(entry);
  }

  /** The pod was bound, or need not be scheduled: forgets it. */
  done(entry: QueuedPod): void {
    if (this.#entries.get(entry.pod.uid) === entry) this.delete(entry.pod.uid);
  }

  /** The pod taken was refused by these plugins. Does nothing for a pod that was deleted meanwhile. */
  refused(entry: QueuedPod, rejectors: ReadonlySet<string>): void {
    const missed = this.#inFlight.since(entry);
    if (!this.#land(entry, rejectors.size === 0 ? new Set([nobody]) : rejectors)) return;
    entry.refusals++;
    entry.errors = 0;
    if (missed === undefined || this.#isHelped(entry, missed)) this.#retry(entry, scheduleFailure);
    else {
      this.#move(entry, 'unschedulable');
      this.#options.onIncoming?.('unschedulable', scheduleFailure);
    }
  }

  /** The attempt failed for a reason that no event will mend: the pod is tried again after its back-off. */
  failed(entry: QueuedPod): void {
    if (!this.#land(entry, new Set())) return;
    entry.errors++;
    this.#retry(entry, scheduleFailure);
  }

  /** Tries again what has been refused for too long. */
  flush(): void {
    const beforeMs = this.#clock.monotonicMs() - unschedulableMaxMs;
    for (const entry of [...this.#entries.values()].sort((a, b) => a.ticket - b.ticket)) {
      if (entry.place === 'unschedulable' && entry.enqueuedMs <= beforeMs) this.#retry(entry, 'UnschedulableTimeout');
    }
  }

  /** Ends waiting; timers are gone. */
  close(): void {
    this.#closed = true;
    this.#backoffTimer?.cancel();
    this.#earlyTimer?.cancel();
    this.#wake?.resolve();
  }

  /** Ends a flight; false when the pod was deleted meanwhile. */
  #land(entry: QueuedPod, rejectors: ReadonlySet<string>): boolean {
    this.#inFlight.leave(entry);
    if (this.#entries.get(entry.pod.uid) !== entry) return false;
    assert(entry.place === 'inFlight', `pod ${entry.pod.key} is ${entry.place}, not in flight`);
    entry.rejectors = rejectors;
    entry.enqueuedMs = this.#clock.monotonicMs();
    return true;
  }

  #isHelped({ pod, rejectors }: QueuedPod, events: readonly ClusterEvent[]): boolean {
    for (const rejector of rejectors) if (this.#wantedBy(rejector, events).some((wants) => wants(pod))) return true;
    return false;
  }

  /** For each of the events that a plugin asked for: whether it may help a pod. A pod's own place being given up never helps it. */
  #wantedBy(rejector: string, events: readonly ClusterEvent[]): readonly ((pod: PodInfo) => boolean)[] {
    const registrations = this.#options.events?.get(rejector);
    return events.flatMap((event) => {
      const isOwn = (pod: PodInfo): boolean =>
        event.resource === 'AssignedPod' && (event.object ?? event.previous)?.metadata?.uid === pod.uid;
      if (registrations === undefined) return [(pod: PodInfo) => !isOwn(pod)];
      return registrations
        .filter(({ resource, actions }) => resource === event.resource && actions.includes(event.action))
        .map(
          ({ hint }) =>
            (pod: PodInfo) =>
              !isOwn(pod) && (hint === undefined || mayHelp(hint, pod, event)),
        );
    });
  }

  /** Puts a pod where it is tried again: behind a gate, into the back-off it still has to serve, or among the active. */
  #retry(entry: QueuedPod, event: string): void {
    const { preEnqueue, onIncoming } = this.#options;
    const isGated = preEnqueue?.(entry.pod).some((plugin) => plugin.preEnqueue(entry.pod).code !== 'Success');
    const isDue = backoffEndMs(entry, this.#backoffTimes) <= this.#clock.monotonicMs() || this.#isRoomMade(entry);
    const place = isGated ? 'gated' : isDue ? 'active' : entry.rejectors.size > 0 ? 'backoff' : 'errorBackoff';
    this.#move(entry, place);
    onIncoming?.(place === 'errorBackoff' ? 'backoff' : place, event);
  }

  #isRoomMade({ pod, rejectors }: QueuedPod): boolean {
    return rejectors.size > 0 && this.#options.isRoomMade?.(pod) === true;
  }

  #move(entry: QueuedPod, place: Place): void {
    this.#leave(entry);
    entry.place = place;
    entry.ticket = ++this.#tickets;
    this.#counts[place]++;
    const { pod, ticket, enqueuedMs } = entry;
    const ticketed = { entry, ticket, pod, enqueuedMs, dueMs: backoffEndMs(entry, this.#backoffTimes) };
    if (place === 'active') this.#active.push(ticketed);
    else if (place === 'backoff') this.#backoff.push(ticketed);
    else if (place === 'errorBackoff') this.#errorBackoff.push(ticketed);
    else if (place === 'unschedulable') {
      for (const rejector of entry.rejectors) {
        const entries = this.#waiting.get(rejector);
        if (entries === undefined) this.#waiting.set(rejector, new Set([entry]));
        else entries.add(entry);
      }
    }
    if (place === 'backoff' || place === 'errorBackoff') this.#armBackoff();
    this.#armEarly();
    if (this.#counts.active === 0) return;
    this.#wake?.resolve();
    this.#wake = undefined;
  }

  /** Takes a pod out of the place where it is. */
  #leave(entry: QueuedPod): void {
    this.#counts[entry.place]--;
    if (entry.place === 'inFlight') this.#inFlight.leave(entry);
    if (entry.place !== 'unschedulable') return;
    for (const rejector of entry.rejectors) {
      const entries = this.#waiting.get(rejector);
      entries?.delete(entry);
      if (entries?.size === 0) this.#waiting.delete(rejector);
    }
  }

  /** One timer, for the first back-off that ends. */
  #armBackoff(): void {
    this.#backoffTimer?.cancel();
    this.#backoffTimer = undefined;
    const dueMs = Math.min(this.#backoff.firstDueMs(), this.#errorBackoff.firstDueMs());
    if (dueMs === Number.POSITIVE_INFINITY || this.#closed) return;
    const delayMs = Math.max(0, dueMs - this.#clock.monotonicMs());
    this.#backoffTimer = this.#clock.setTimeout(() => this.#endBackoffs(), delayMs);
  }

  #endBackoffs(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const heap of [this.#backoff, this.#errorBackoff]) {
      while (heap.firstDueMs() <= nowMs) {
        this.#move(heap.pop()!, 'active');
        this.#options.onIncoming?.('active', 'BackoffComplete');
      }
    }
    this.#armBackoff();
  }

  #armEarly(): void {
    const isIdle = this.#counts.active === 0 && this.#counts.backoff > 0;
    if (!isIdle || this.#earlyTimer !== undefined || this.#closed) return;
    this.#earlyTimer = this.#clock.setTimeout(() => this.#tryEarly(), earlyPeriodMs);
  }

  #tryEarly(): void {
    this.#earlyTimer = undefined;
    if (this.#counts.active > 0) return;
    for (let count = 0; count < earlyMax; count++) {
      const entry = this.#backoff.pop();
      if (entry === undefined) break;
      this.#move(entry, 'active');
    }
  }
}

/** Source: upstream `framework.EventUnscheduled…`: what puts a pod back that was tried. */
const scheduleFailure = 'ScheduleAttemptFailure';

/** A hint that fails says nothing, so the pod is tried. */
function mayHelp(hint: QueueingHint, pod: PodInfo, event: ClusterEvent): boolean {
  try {
    return hint(pod, event) === 'Queue';
  } catch {
    return true;
  }
}

/** As upstream's metrics name an event of the cluster. */
function eventName([event]: readonly ClusterEvent[]): string {
  return event === undefined ? '' : `${event.resource}${event.action}`;
}
