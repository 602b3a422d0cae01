/**
 * The queues of one priority level and the seats that their requests take: fair queuing by virtual time. Each queue with requests gets the same share of
 * the seats; a request takes as many of them as its work is estimated at, for as long as it lasts, and those of its end for a while longer.
 *
 * Virtual time R is the work, in seats times milliseconds, that each busy queue was given since the start. A queue's next request begins, in that time, at
 * `nextR`; the queue whose next request would end first is served first. The guess at how long a request takes is put right when it has ended.
 *
 * Invariants: `seatsInUse` is the sum over executing and lingering requests, `seatsWaiting` over those in queues; a request executes only while its seats
 * fit, or alone. It sets no timers: who calls says what time it is, and `nextReleaseMs` says when to call again (`advance`) although nobody comes or goes.
 * Upstream counterpart: apiserver `util/flowcontrol/fairqueuing/queueset`.
 */
import { Heap } from '#pkg/base/heap.ts';
import type { Tally } from '#pkg/base/metrics.ts';
import { Demand } from './demand.ts';
import { type Running, RunningRequests } from './running.ts';

/** How long a request is taken to last before it has. Source: upstream `estimatedServiceDuration`. Milliseconds. */
const serviceMs = 3;

/** How requests of a level wait. */
export interface Queuing {
  readonly queues: number;
  /** Requests in one queue; with more, and no seats free, the next is refused. */
  readonly lengthMax: number;
}

/** `exempt`: nobody waits. `reject`: who finds no seats is refused. */
export type Waiting = Queuing | 'exempt' | 'reject';

/** Numbers that are the same for all requests of a flow schema. */
export interface SeatCounts {
  readonly executing: Tally;
  readonly executingSeats: Tally;
  readonly waiting: Tally;
  readonly waitingSeats: Tally;
}

/** What a request asks for. What changes is the queue set's alone. */
export interface SeatRequest extends Running<SeatRequest> {
  /** Queues that its flow may use. Empty for a level without queues. */
  readonly hand: readonly number[];
  readonly counts: SeatCounts;
  readonly seats: number;
  /** Seats that it keeps for `lingerMs` after it has ended, for the work that it leaves behind. */
  readonly finalSeats: number;
  readonly lingerMs: number;
  /** Called when it may execute, where it had to wait. Not called within `start`. */
  begin(): void;
  /** The queue that it waits in or came from. */
  queue: SeatQueue | undefined;
  /** When it came, in virtual time. */
  arrivalR: number;
  /** Since when it executes; negative before. */
  startMs: number;
  /** Until when the seats are kept after its end. */
  releaseMs: number;
}

/** Requests that are served one after the other. */
export interface SeatQueue {
  /** Its place among the queues. */
  readonly index: number;
  readonly waiting: SeatRequest[];
  executing: number;
  seatsInUse: number;
  /** Work of those that wait. */
  work: number;
  nextR: number;
}

/** What became of a request that has just come. */
export type Started = 'executes' | 'refused' | 'waits';

/** What it counts. */
export interface QueueSetCounts {
  readonly executing: number;
  readonly waiting: number;
  readonly seatsInUse: number;
}

/** The queues of one level. */
export class QueueSet {
  readonly demand: Demand;
  #waitingRule: Waiting;
  #limit: number;
  #queues: SeatQueue[] = [];
  #robin = 0;
  #dealt = 0;
  #r = 0;
  #lastMs: number;
  #busyQueues = 0;
  readonly #running = new RunningRequests<SeatRequest>();
  #waiting = 0;
  #seatsInUse = 0;
  #seatsWaiting = 0;
  readonly #lingering = new Heap<SeatRequest>((a, b) => a.releaseMs - b.releaseMs);
  /** Called when the next request was found and does not fit. */
  readonly #tooWide: (request: SeatRequest) => void;

  constructor({ waiting, limit, nowMs, tooWide }: QueueSetOptions) {
    this.demand = new Demand(nowMs);
    this.#lastMs = nowMs;
    this.#waitingRule = waiting;
    this.#limit = limit;
    this.#tooWide = tooWide ?? (() => {});
    this.#addQueues();
  }

  get counts(): QueueSetCounts {
    return { executing: this.#running.size, waiting: this.#waiting, seatsInUse: this.#seatsInUse };
  }

  get isIdle(): boolean {
    return this.#running.size === 0 && this.#waiting === 0;
  }

  /** When seats of requests that have ended become free for those that wait; undefined where nobody waits for that. */
  get nextReleaseMs(): number | undefined {
    return this.#waiting === 0 ? undefined : this.#lingering.peek()?.releaseMs;
  }

  /** Other queues or another number of seats from now on. What waits stays where it is. */
  configure(waiting: Waiting, limit: number, nowMs: number): void {
    this.#sync(nowMs);
    this.#waitingRule = waiting;
    this.#limit = limit;
    this.#addQueues();
    this.#dropQueues();
    this.#dispatch(nowMs);
  }

  /** Takes time to `nowMs`: seats that have become free go to those who wait. */
  advance(nowMs: number): void {
    this.#sync(nowMs);
    this.#dispatch(nowMs);
  }

  /** A request has come. */
  start(request: SeatRequest, nowMs: number): Started {
    this.#sync(nowMs);
    const rule = this.#waitingRule;
    const seats = widthOf(request);
    if (rule === 'exempt' || rule === 'reject') {
      if (rule === 'reject' && !this.#fits(seats)) return 'refused';
      this.#execute(request, nowMs);
      return 'executes';
    }
    const queue = this.#choose(request.hand);
    if (this.#seatsInUse >= this.#limit && queue.waiting.length >= rule.lengthMax) return 'refused';
    this.#wake(queue);
    request.queue = queue;
    request.arrivalR = this.#r;
    if (this.#waiting === 0 && this.#seatsInUse < this.#limit && this.#fits(seats)) {
      // What the search among the queues would find, as no other has a request.
      this.#robin = queue.index;
      this.#bound(queue, request);
      this.#execute(request, nowMs);
      return 'executes';
    }
    queue.waiting.push(request);
    queue.work += workOf(request);
    this.#waiting++;
    this.#seatsWaiting += seats;
    request.counts.waiting.value++;
    request.counts.waitingSeats.value += seats;
    this.#bound(queue, queue.waiting[0]);
    this.#noteDemand(nowMs);
    this.#dispatch(nowMs, request);
    return request.startMs < 0 ? 'waits' : 'executes';
  }

  /** A request that executed has ended. */
  finish(request: SeatRequest, nowMs: number): void {
    this.#sync(nowMs);
    const { queue, counts, lingerMs } = request;
    this.#running.delete(request);
    counts.executing.value--;
    if (queue !== undefined) {
      queue.executing--;
      queue.nextR -= request.seats * (serviceMs - (nowMs - request.startMs));
      this.#bound(queue, queue.waiting[0]);
      if (isQuiet(queue)) this.#busyQueues--;
    }
    if (lingerMs > 0) {
      request.releaseMs = nowMs + lingerMs;
      this.#lingering.push(request);
    } else this.#release(request, nowMs);
    this.#dispatch(nowMs);
  }

  /** A request that waits no longer wants to; does nothing for one that does not wait. */
  cancel(request: SeatRequest, nowMs: number): void {
    const { queue } = request;
    const at = queue?.waiting.indexOf(request) ?? -1;
    if (queue === undefined || at < 0) return;
    this.#sync(nowMs);
    queue.waiting.splice(at, 1);
    this.#left(request, queue);
    if (isQuiet(queue)) this.#busyQueues--;
    this.#bound(queue, queue.waiting[0]);
    this.#noteDemand(nowMs);
    this.#dropQueues();
    this.#dispatch(nowMs);
  }

  /** Those that wait, with their place in line, and those that execute, whose place is -1. */
  requests(): readonly { readonly request: SeatRequest; readonly at: number }[] {
    const waiting = this.#queues.flatMap((queue) => queue.waiting.map((request, at) => ({ request, at })));
    return [...waiting, ...this.#running.all().map((request) => ({ request, at: -1 }))];
  }

  /** The queues as they are, to be read at once. */
  get queues(): readonly Readonly<SeatQueue>[] {
    return this.#queues;
  }

  /** The queue of the hand with the least work waiting; of equal ones each in turn. */
  #choose(hand: readonly number[]): SeatQueue {
    const offset = this.#dealt++ % Math.max(1, hand.length);
    let best: SeatQueue | undefined;
    for (let i = 0; i < hand.length; i++) {
      const queue = this.#queues[hand[(offset + i) % hand.length] ?? 0];
      if (queue === undefined || (best !== undefined && queue.work >= best.work)) continue;
      best = queue;
      // Less there is not.
      if (queue.work === 0) break;
    }
    best ??= this.#queues[0];
    if (best === undefined) throw new Error('a level that queues has no queues');
    return best;
  }

  /** A queue that had nothing begins now. */
  #wake(queue: SeatQueue): void {
    if (!isQuiet(queue)) return;
    queue.nextR = this.#r;
    this.#busyQueues++;
  }

  #execute(request: SeatRequest, nowMs: number): void {
    const { queue, counts } = request;
    const seats = widthOf(request);
    request.startMs = nowMs;
    this.#running.add(request);
    this.#seatsInUse += seats;
    counts.executing.value++;
    counts.executingSeats.value += seats;
    if (queue !== undefined) {
      queue.executing++;
      queue.seatsInUse += seats;
      queue.nextR += workOf(request);
      this.#bound(queue, queue.waiting[0]);
    }
    this.#noteDemand(nowMs);
  }

  /** `coming` is told by its caller. */
  #dispatch(nowMs: number, coming?: SeatRequest): void {
    while (this.#waiting > 0 && this.#seatsInUse < this.#limit) {
      const queue = this.#next();
      const request = queue?.waiting[0];
      if (queue === undefined || request === undefined) return;
      if (!this.#fits(widthOf(request))) {
        this.#tooWide(request);
        return;
      }
      this.#robin = queue.index;
      queue.waiting.shift();
      this.#left(request, queue);
      this.#execute(request, nowMs);
      if (request !== coming) request.begin();
    }
  }

  /** Out of its queue. */
  #left(request: SeatRequest, queue: SeatQueue): void {
    const seats = widthOf(request);
    // Sums of fractions drift: with none that waits there is no work.
    queue.work = queue.waiting.length === 0 ? 0 : queue.work - workOf(request);
    this.#waiting--;
    this.#seatsWaiting -= seats;
    request.counts.waiting.value--;
    request.counts.waitingSeats.value -= seats;
  }

  /** The queue whose next request would end first; of equal ones the next in turn. */
  #next(): SeatQueue | undefined {
    const queues = this.#queues;
    let best: SeatQueue | undefined;
    let bestEnd = Number.POSITIVE_INFINITY;
    for (let i = 1; i <= queues.length; i++) {
      const queue = queues[(this.#robin + i) % queues.length];
      const first = queue?.waiting[0];
      if (queue === undefined || first === undefined) continue;
      const end = queue.nextR + workOf(first);
      if (end >= bestEnd) continue;
      best = queue;
      bestEnd = end;
    }
    return best;
  }

  /** One that is wider than all there is goes alone. */
  #fits(seats: number): boolean {
    if (seats > this.#limit) return this.#running.size === 0;
    return this.#seatsInUse + seats <= this.#limit;
  }

  /** A queue that used less than its share has not saved it up: nothing begins before it has come. */
  #bound(queue: SeatQueue, first: SeatRequest | undefined): void {
    if (first !== undefined && queue.nextR < first.arrivalR) queue.nextR = first.arrivalR;
  }

  #sync(nowMs: number): void {
    for (let next = this.#lingering.peek(); next !== undefined && next.releaseMs <= nowMs; ) {
      this.#accrue(next.releaseMs);
      this.#lingering.pop();
      this.#release(next, next.releaseMs);
      next = this.#lingering.peek();
    }
    this.#accrue(nowMs);
  }

  #accrue(nowMs: number): void {
    const passedMs = nowMs - this.#lastMs;
    if (passedMs <= 0) return;
    this.#lastMs = nowMs;
    if (this.#busyQueues === 0) return;
    this.#r += (Math.min(this.#seatsInUse + this.#seatsWaiting, this.#limit) / this.#busyQueues) * passedMs;
  }

  #release(request: SeatRequest, nowMs: number): void {
    const { queue, counts } = request;
    const seats = widthOf(request);
    this.#seatsInUse -= seats;
    counts.executingSeats.value -= seats;
    this.#noteDemand(nowMs);
    if (queue === undefined) return;
    queue.seatsInUse -= seats;
    this.#dropQueues();
  }

  #noteDemand(nowMs: number): void {
    this.demand.set(this.#seatsInUse + this.#seatsWaiting, nowMs);
  }

  #addQueues(): void {
    const wanted = typeof this.#waitingRule === 'string' ? 0 : this.#waitingRule.queues;
    while (this.#queues.length < wanted) {
      const index = this.#queues.length;
      this.#queues.push({ index, waiting: [], executing: 0, seatsInUse: 0, work: 0, nextR: 0 });
    }
  }

  /** Queues that are too many go once they are empty, the last first: hands name the others by their place. */
  #dropQueues(): void {
    const wanted = typeof this.#waitingRule === 'string' ? 0 : this.#waitingRule.queues;
    while (this.#queues.length > wanted) {
      const last = this.#queues.at(-1);
      if (last === undefined || !isQuiet(last) || last.seatsInUse > 0) return;
      this.#queues.pop();
    }
  }
}

/** How a queue set begins. */
export interface QueueSetOptions {
  readonly waiting: Waiting;
  /** Seats that its requests share. */
  readonly limit: number;
  readonly nowMs: number;
  /** Called when it is a request's turn and it does not fit yet. */
  readonly tooWide?: (request: SeatRequest) => void;
}

/** Seats that a request takes: as many all the time as in its widest phase. */
function widthOf({ seats, finalSeats }: SeatRequest): number {
  return seats >= finalSeats ? seats : finalSeats;
}

/** Seats times milliseconds that a request is taken to need. */
function workOf({ seats, finalSeats, lingerMs }: SeatRequest): number {
  return seats * serviceMs + finalSeats * lingerMs;
}

function isQuiet({ waiting, executing }: SeatQueue): boolean {
  return executing === 0 && waiting.length === 0;
}
