/** A request that has seats of its level, or is in line for them. It knows its way out: its turn, the end of its patience, or its caller's end. */
import type { Entering, Place } from '#pkg/apiserver/flow/flow-control.ts';
import type { SeatQueue, SeatRequest } from '#pkg/apiserver/flow/queue-set.ts';
import type { WorkEstimate } from '#pkg/apiserver/flow/work-estimate.ts';
import type { RequestInfo } from '#pkg/apiserver/request-info.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { SchemaCounts } from './fairness-metrics.ts';
import type { FairFlow } from './flows.ts';
import type { PriorityLevel } from './priority-level.ts';

/** Who gives places. */
export interface PlaceOwner {
  readonly clock: Clock;
  /** Counts one more or one fewer that is worked on. */
  count(info: RequestInfo, change: -1 | 1): void;
  /** A request has left a level. */
  left(level: PriorityLevel): void;
  /** A request waits in a level. */
  awaitRelease(level: PriorityLevel): void;
}

/** One request. */
export class FairPlace implements Place, SeatRequest {
  readonly flow: FairFlow;
  readonly entering: Entering;
  readonly hand: readonly number[];
  readonly counts: SchemaCounts;
  readonly seats: number;
  readonly finalSeats: number;
  readonly lingerMs: number;
  turn: Promise<boolean> | undefined;
  queue: SeatQueue | undefined = undefined;
  arrivalR = 0;
  arrivalMs = 0;
  startMs = -1;
  releaseMs = 0;
  earlier: SeatRequest | undefined = undefined;
  later: SeatRequest | undefined = undefined;
  readonly #owner: PlaceOwner;
  #waiting: Waiting | undefined;

  constructor(
    owner: PlaceOwner,
    flow: FairFlow,
    { entering, estimate }: { readonly entering: Entering; readonly estimate: WorkEstimate },
  ) {
    this.#owner = owner;
    this.flow = flow;
    this.entering = entering;
    this.hand = flow.hand;
    this.counts = flow.schema.counts;
    this.seats = estimate.seats;
    this.finalSeats = estimate.finalSeats;
    this.lingerMs = estimate.lingerMs;
  }

  /** It did not have to wait. */
  beginAtOnce(): void {
    this.arrivalMs = this.startMs;
    this.#begun();
  }

  /** It is in line: from now on its turn comes, or it is told to come back. */
  wait(nowMs: number): void {
    const { level } = this.flow;
    const { clock } = this.#owner;
    const { signal } = this.entering.request;
    this.arrivalMs = nowMs;
    this.counts.queueLengths.observe(this.queue?.waiting.length ?? 0);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.turn = promise;
    const giveUp = (): void => this.#giveUp();
    const timer = clock.setTimeout(giveUp, Math.max(0, this.entering.untilMs - nowMs));
    this.#waiting = { resolve, timer, giveUp };
    signal.addEventListener('abort', giveUp, { once: true });
    this.#owner.awaitRelease(level);
    if (signal.aborted) giveUp();
  }

  /** The queue set has given it its seats. */
  begin(): void {
    const waiting = this.#end();
    this.#begun();
    waiting?.resolve(true);
  }

  leave(): void {
    const { flow, counts, entering } = this;
    const { info } = entering.asked;
    const nowMs = this.#owner.clock.monotonicMs();
    (info.verb === 'watch' ? counts.initialized : counts.executed).observe((nowMs - this.startMs) / 1_000);
    this.#owner.count(info, -1);
    flow.level.queues.finish(this, nowMs);
    this.#owner.left(flow.level);
  }

  #begun(): void {
    const { flow, counts } = this;
    counts.dispatched.value++;
    flow.level.dispatched++;
    if (!flow.level.isExempt) counts.waited.observe((this.startMs - this.arrivalMs) / 1_000);
    this.#owner.count(this.entering.asked.info, 1);
  }

  #giveUp(): void {
    const waiting = this.#end();
    if (waiting === undefined) return;
    const { level } = this.flow;
    const nowMs = this.#owner.clock.monotonicMs();
    level.rejected++;
    level.cancelled++;
    this.counts.rejected('time-out').value++;
    this.counts.waitedInVain.observe((nowMs - this.arrivalMs) / 1_000);
    level.queues.cancel(this, nowMs);
    waiting.resolve(false);
    this.#owner.left(level);
  }

  #end(): Waiting | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.timer.cancel();
    if (waiting !== undefined) this.entering.request.signal.removeEventListener('abort', waiting.giveUp);
    return waiting;
  }
}

interface Waiting {
  resolve(isTurn: boolean): void;
  readonly timer: Timer;
  giveUp(): void;
}
