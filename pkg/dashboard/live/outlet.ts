/**
 * Where a view says what has changed. A view marks itself as changed; the outlet calls it when the page has taken what was sent and `periodMs` have passed since
 * the last time, so that a thousand changes a second are twenty messages, and none wait for a page that does not read.
 */
import type { Clock, Timer } from '#pkg/base/clock.ts';

/** What a view sends to. */
export interface Sink {
  readonly clock: Clock;
  /** Resolves when the page has taken what was sent. */
  ready(): Promise<void>;
}

/** A person sees no more than some twenty pictures a second of a table. */
const periodMsDefault = 50;

/** Calls `flush` after `mark`. */
export class Outlet {
  readonly #sink: Sink;
  readonly #flush: () => void;
  readonly #periodMs: () => number;
  #timer: Timer | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;
  #isWaiting = false;
  #isClosed = false;

  constructor(sink: Sink, flush: () => void, periodMs: () => number = () => periodMsDefault) {
    this.#sink = sink;
    this.#flush = flush;
    this.#periodMs = periodMs;
  }

  /** Something has changed. */
  mark(): void {
    if (this.#isClosed || this.#timer !== undefined || this.#isWaiting) return;
    const waitMs = this.#lastMs + this.#periodMs() - this.#sink.clock.monotonicMs();
    this.#timer = this.#sink.clock.setTimeout(() => void this.#go(), Math.max(0, waitMs));
  }

  /** Calls `flush` no more. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  async #go(): Promise<void> {
    this.#timer = undefined;
    this.#isWaiting = true;
    await this.#sink.ready();
    this.#isWaiting = false;
    if (this.#isClosed) return;
    this.#lastMs = this.#sink.clock.monotonicMs();
    this.#flush();
  }
}
