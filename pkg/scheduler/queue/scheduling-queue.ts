/**
 * The pods that wait for a node. A pod is in one of four places:
 * - active: ready to be tried, in the order of the profile's queue sort;
 * - backoff: ready, but tried not long ago;
 * - unschedulable: refused; waits for an event that one of the plugins that refused it asked for, or for the flush;
 * - gated: a pre-enqueue plugin holds it; waits for a change of the pod itself.
 * A pod that was taken with `pop` is in flight until one of `done`, `refused` and `failed` is called for it.
 *
 * Laws: a pod is never in two places. What happens while a pod is in flight is not lost: if an event came meanwhile, a refused pod
 * goes to backoff instead of waiting for an event that has already been. Deterministic: all order comes from the sort, the clock and the
 * sequence of calls. Upstream counterpart: kube-scheduler `backend/queue`.
 */
import { assert } from '#pkg/base/assert.ts';
import { Deferred } from '#pkg/base/async.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { Heap } from '#pkg/base/heap.ts';
import type { ClusterEvent, EventRegistration } from '../framework/events.ts';
import type { PreEnqueuePlugin, QueueSortPlugin } from '../framework/plugin.ts';
import type { PodInfo } from '../framework/pod-info.ts';

/** Back-off after the first failed attempt; doubles with each further one. */
export const backoffInitialMs = 1_000;
/** Longest back-off. */
export const backoffMaxMs = 10_000;
/** A refused pod is tried again after this time even if no event asked for it, in case a hint was wrong. */
const unschedulableMaxMs = 5 * 60_000;
/** How often refused pods are looked over for that. */
export const flushPeriodMs = 30_000;

type Place = 'active' | 'backoff' | 'gated' | 'inFlight' | 'unschedulable';

/** A pod in the queue. Its fields are the queue's to change. */
export interface QueuedPod {
  pod: PodInfo;
  place: Place;
  /** When the pod last became active, milliseconds. */
  enqueuedMs: number;
  /** When it last was refused or failed, milliseconds. */
  failedMs: number;
  /** Attempts that failed so far, for the back-off. */
  attempts: number;
  /** The plugins that refused it last; empty when it failed otherwise. */
  rejectors: ReadonlySet<string>;
  /** The number of the last event before it was taken. */
  takenAt: number;
  /** Marks entries of the heaps that a later move made stale. */
  ticket: number;
}

interface Ticketed {
  readonly entry: QueuedPod;
  readonly ticket: number;
  readonly pod: PodInfo;
  readonly enqueuedMs: number;
  readonly dueMs: number;
}

export interface SchedulingQueueOptions {
  readonly clock: Clock;
  readonly sort: QueueSortPlugin;
  readonly preEnqueue?: readonly PreEnqueuePlugin[];
  /** What each plugin waits for, by name; a plugin that is missing or undefined waits for everything. */
  readonly events?: ReadonlyMap<string, readonly EventRegistration[] | undefined>;
}

export class SchedulingQueue {
  readonly #options: SchedulingQueueOptions;
  readonly #clock: Clock;
  readonly #entries = new Map<string, QueuedPod>();
  readonly #active: Heap<Ticketed>;
  readonly #backoff = new Heap<Ticketed>((a, b) => a.dueMs - b.dueMs || a.ticket - b.ticket);
  /** The refused pods by each plugin that refused them; under `''` those that no plugin refused. */
  readonly #waiting = new Map<string, Set<QueuedPod>>();
  readonly #counts: Record<Place, number> = { active: 0, backoff: 0, gated: 0, inFlight: 0, unschedulable: 0 };
  #tickets = 0;
  #eventNumber = 0;
  #backoffTimer: Timer | undefined;
  #wake: Deferred | undefined;
  #closed = false;

  constructor(options: SchedulingQueueOptions) {
    this.#options = options;
    this.#clock = options.clock;
    const { sort } = options;
    this.#active = new Heap((a, b) => sort.compare(a, b) || a.ticket - b.ticket);
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
    const nowMs = this.#clock.monotonicMs();
    const entry: QueuedPod = {
      pod,
      place: 'gated',
      enqueuedMs: nowMs,
      failedMs: nowMs,
      attempts: 0,
      rejectors: new Set(),
      takenAt: 0,
      ticket: 0,
    };
    this.#entries.set(pod.uid, entry);
    this.#counts.gated++;
    this.#activate(entry);
  }

  /** A waiting pod changed; `events` says in what way, empty for a change that no plugin reads. Unknown pods are ignored. */
  update(pod: PodInfo, events: readonly ClusterEvent[]): void {
    const entry = this.#entries.get(pod.uid);
    if (entry === undefined) return;
    entry.pod = pod;
    if (entry.place === 'gated') this.#activate(entry);
    else if (entry.place === 'active') this.#move(entry, 'active');
    if (events.length === 0) return;
    this.#eventNumber++;
    if (entry.place === 'unschedulable' && this.#wokenBy(events, (waiting) => waiting === entry).length > 0) {
      this.#retry(entry);
    }
  }

  /** The pod is gone or has a node. */
  delete(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    this.#entries.delete(uid);
    this.#stopWaiting(entry);
    this.#counts[entry.place]--;
    entry.ticket = ++this.#tickets;
  }

  /** The pod as the queue has it. */
  get(uid: string): PodInfo | undefined {
    return this.#entries.get(uid)?.pod;
  }

  /** Something happened in the cluster: wakes the refused pods that wait for it. */
  wake(events: readonly ClusterEvent[]): void {
    if (events.length === 0) return;
    this.#eventNumber++;
    for (const entry of this.#wokenBy(events, () => true)) this.#retry(entry);
  }

  /** Takes the first active pod, if there is one. */
  pop(): QueuedPod | undefined {
    for (;;) {
      const first = this.#active.pop();
      if (first === undefined) return undefined;
      const { entry } = first;
      if (first.ticket !== entry.ticket) continue;
      this.#move(entry, 'inFlight');
      entry.takenAt = this.#eventNumber;
      return entry;
    }
  }

  /** Resolves when a pod is active, or when the queue was closed. */
  async waitActive(): Promise<void> {
    while (this.#counts.active === 0 && !this.#closed) {
      this.#wake ??= new Deferred();
      await this.#wake.promise;
    }
  }

  /** The pod was bound, or need not be scheduled: forgets it. */
  done(entry: QueuedPod): void {
    if (this.#entries.get(entry.pod.uid) === entry) this.delete(entry.pod.uid);
  }

  /** The pod taken was refused by these plugins. Does nothing for a pod that was deleted meanwhile. */
  refused(entry: QueuedPod, rejectors: ReadonlySet<string>): void {
    if (!this.#countFailure(entry)) return;
    entry.rejectors = rejectors;
    if (entry.takenAt !== this.#eventNumber) this.#retry(entry);
    else this.#move(entry, 'unschedulable');
  }

  /** The attempt failed for a reason that no event will mend: the pod is tried again after its back-off. */
  failed(entry: QueuedPod): void {
    if (!this.#countFailure(entry)) return;
    entry.rejectors = new Set();
    this.#retry(entry);
  }

  /** Tries a refused pod again once its back-off has ended, whatever it waits for. */
  retry(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry?.place === 'unschedulable') this.#retry(entry);
  }

  /** Tries again what has been refused for too long. */
  flush(): void {
    const beforeMs = this.#clock.monotonicMs() - unschedulableMaxMs;
    const stale = new Set<QueuedPod>();
    for (const entries of this.#waiting.values()) {
      for (const entry of entries) if (entry.failedMs <= beforeMs) stale.add(entry);
    }
    for (const entry of inOrder(stale)) this.#retry(entry);
  }

  /** Ends waiting; timers are gone. */
  close(): void {
    this.#closed = true;
    this.#backoffTimer?.cancel();
    this.#wake?.resolve();
  }

  #countFailure(entry: QueuedPod): boolean {
    if (this.#entries.get(entry.pod.uid) !== entry) return false;
    assert(entry.place === 'inFlight', `pod ${entry.pod.key} is ${entry.place}, not in flight`);
    entry.attempts++;
    entry.failedMs = this.#clock.monotonicMs();
    return true;
  }

  /** The waiting pods, oldest refusal first, that one of the events may help. A pod with no plugin to blame wants every event. */
  #wokenBy(events: readonly ClusterEvent[], among: (entry: QueuedPod) => boolean): readonly QueuedPod[] {
    const woken = new Set<QueuedPod>();
    for (const [rejector, entries] of this.#waiting) {
      const registrations = this.#options.events?.get(rejector);
      for (const event of events) {
        const matching = registrations?.filter(
          (one) => one.resource === event.resource && one.actions.includes(event.action),
        );
        if (matching?.length === 0) continue;
        for (const entry of entries) {
          if (!among(entry) || woken.has(entry)) continue;
          const wanted = matching?.some(({ hint }) => hint === undefined || hint(entry.pod, event) === 'Queue') ?? true;
          if (wanted) woken.add(entry);
        }
      }
    }
    return inOrder(woken);
  }

  #stopWaiting(entry: QueuedPod): void {
    if (entry.place !== 'unschedulable') return;
    for (const rejector of keysOf(entry)) {
      const entries = this.#waiting.get(rejector);
      entries?.delete(entry);
      if (entries?.size === 0) this.#waiting.delete(rejector);
    }
  }

  #retry(entry: QueuedPod): void {
    if (this.#backoffEndMs(entry) > this.#clock.monotonicMs()) this.#move(entry, 'backoff');
    else this.#activate(entry);
  }

  #backoffEndMs({ attempts, failedMs }: QueuedPod): number {
    if (attempts === 0) return failedMs;
    return failedMs + Math.min(backoffMaxMs, backoffInitialMs * 2 ** Math.min(attempts - 1, 30));
  }

  /** Makes a pod active, unless a gate holds it. */
  #activate(entry: QueuedPod): void {
    for (const plugin of this.#options.preEnqueue ?? []) {
      if (plugin.preEnqueue(entry.pod).code === 'Success') continue;
      this.#move(entry, 'gated');
      return;
    }
    entry.enqueuedMs = this.#clock.monotonicMs();
    this.#move(entry, 'active');
  }

  #move(entry: QueuedPod, place: Place): void {
    this.#counts[entry.place]--;
    this.#counts[place]++;
    this.#stopWaiting(entry);
    entry.place = place;
    entry.ticket = ++this.#tickets;
    const { pod, ticket, enqueuedMs } = entry;
    if (place === 'active') {
      this.#active.push({ entry, ticket, pod, enqueuedMs, dueMs: 0 });
      this.#wake?.resolve();
      this.#wake = undefined;
    } else if (place === 'backoff') {
      this.#backoff.push({ entry, ticket, pod, enqueuedMs, dueMs: this.#backoffEndMs(entry) });
      this.#armBackoff();
    } else if (place === 'unschedulable') {
      for (const rejector of keysOf(entry)) {
        const entries = this.#waiting.get(rejector);
        if (entries === undefined) this.#waiting.set(rejector, new Set([entry]));
        else entries.add(entry);
      }
    }
  }

  /** One timer, for the first back-off that ends. */
  #armBackoff(): void {
    this.#backoffTimer?.cancel();
    this.#backoffTimer = undefined;
    let first = this.#backoff.peek();
    while (first !== undefined && first.ticket !== first.entry.ticket) {
      this.#backoff.pop();
      first = this.#backoff.peek();
    }
    if (first === undefined || this.#closed) return;
    const delayMs = Math.max(0, first.dueMs - this.#clock.monotonicMs());
    this.#backoffTimer = this.#clock.setTimeout(() => this.#endBackoffs(), delayMs);
  }

  #endBackoffs(): void {
    const nowMs = this.#clock.monotonicMs();
    for (let first = this.#backoff.peek(); first !== undefined && first.dueMs <= nowMs; first = this.#backoff.peek()) {
      this.#backoff.pop();
      if (first.ticket === first.entry.ticket) this.#activate(first.entry);
    }
    this.#armBackoff();
  }
}

function keysOf({ rejectors }: QueuedPod): Iterable<string> {
  return rejectors.size === 0 ? [''] : rejectors;
}

function inOrder(entries: ReadonlySet<QueuedPod>): readonly QueuedPod[] {
  return [...entries].sort((a, b) => a.ticket - b.ticket);
}
