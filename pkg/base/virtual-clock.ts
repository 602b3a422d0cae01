/**
 * A clock that stands still until it is told to move. All components of a simulated cluster share one, so that a day
 * of cluster life passes as fast as the work in it can be done, in the same order on every run.
 *
 * Invariant: between two timers everything that can run without time passing has run (promises, ticks, immediates), so
 * code under a virtual clock must wait for nothing but promises and this clock: no sockets, no threads, no files.
 */
import type { Clock, Timer } from './clock.ts';
import { Heap } from './heap.ts';

class Pending implements Timer {
  readonly atMs: number;
  readonly sequence: number;
  callback: (() => void) | undefined;

  constructor(atMs: number, sequence: number, callback: () => void) {
    this.atMs = atMs;
    this.sequence = sequence;
    this.callback = callback;
  }

  cancel(): void {
    this.callback = undefined;
  }
}

/** 2026-01-01T00:00:00Z: where virtual time starts unless a test says otherwise. */
export const virtualEpochMs = Date.UTC(2026, 0, 1);

/** Limits a `runUntil` that would never end: virtual time that may pass before it throws. */
const runUntilMsDefault = 3_600_000;

/** The clock; timers of one instant fire in the order in which they were set. */
export class VirtualClock implements Clock {
  readonly #startMs: number;
  #nowMs: number;
  #sequence = 0;
  readonly #pending = new Heap<Pending>((a, b) => a.atMs - b.atMs || a.sequence - b.sequence);
  #advancing = false;

  constructor(startMs: number = virtualEpochMs) {
    this.#startMs = startMs;
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const timer = new Pending(this.#nowMs + Math.max(0, delayMs), this.#sequence++, callback);
    this.#pending.push(timer);
    return timer;
  }

  yield(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Moves time forward by `durationMs`, running each timer that falls due at its own instant, and after each instant all that
   * follows from it. Resolves when the time is reached and nothing is left to run without time passing.
   */
  async advance(durationMs: number): Promise<void> {
    await this.advanceTo(this.#nowMs + durationMs, () => false);
  }

  /**
   * As `advance`, to an instant (`nowMs`); one that is over already counts as now. Where `isOver` says so between two instants, it resolves at the earlier of them.
   */
  async advanceTo(endMs: number, isOver: () => boolean): Promise<void> {
    await this.#run(endMs, isOver);
  }

  /** Lets time pass in which nothing is due: to `endMs`, but not beyond the next timer, and never back. Runs nothing. */
  drift(endMs: number): void {
    if (this.#advancing) return;
    const next = this.nextMs();
    this.#nowMs = Math.max(this.#nowMs, next === undefined ? endMs : Math.min(endMs, next));
  }

  /**
   * Moves time to the next instant at which a timer is due, and runs what follows from it. Resolves with false, time unmoved, when
   * there is none within `limitMs` (default one hour).
   */
  async step(limitMs: number = runUntilMsDefault): Promise<boolean> {
    await this.settle();
    const next = this.nextMs();
    if (next === undefined || next > this.#nowMs + limitMs) return false;
    await this.advance(next - this.#nowMs);
    return true;
  }

  /** Runs what can run without time passing, and the timers that are already due. */
  async settle(): Promise<void> {
    await this.advance(0);
  }

  /**
   * Moves time forward, one instant with timers after the other, until `condition` holds.
   * Throws when it does not hold after `limitMs` of virtual time (default one hour).
   */
  async runUntil(condition: () => boolean, limitMs: number = runUntilMsDefault): Promise<void> {
    const endMs = this.#nowMs + limitMs;
    await this.#run(endMs, condition);
    if (!condition()) {
      throw new Error(`Cannot reach the awaited condition as ${limitMs} ms of virtual time have passed without it`);
    }
  }

  async #run(endMs: number, condition: () => boolean): Promise<void> {
    if (this.#advancing) {
      throw new Error('Cannot advance a virtual clock as it is already being advanced: await the earlier call first');
    }
    this.#advancing = true;
    try {
      await settled();
      while (!condition()) {
        const next = this.#pending.peek();
        if (next === undefined || next.atMs > endMs) {
          this.#nowMs = Math.max(this.#nowMs, endMs);
          return;
        }
        this.#nowMs = Math.max(this.#nowMs, next.atMs);
        if (this.#fireDue()) await settled();
      }
    } finally {
      this.#advancing = false;
    }
  }

  /** The instant of the first timer that was not cancelled; undefined where there is none. */
  nextMs(): number | undefined {
    for (let next = this.#pending.peek(); next !== undefined; next = this.#pending.peek()) {
      if (next.callback !== undefined) return next.atMs;
      this.#pending.pop();
    }
    return undefined;
  }

  /** Calls every timer due now that was set before this instant's batch began; returns whether any ran. */
  #fireDue(): boolean {
    const fence = this.#sequence;
    let fired = false;
    for (;;) {
      const next = this.#pending.peek();
      if (next === undefined || next.atMs > this.#nowMs || next.sequence >= fence) return fired;
      this.#pending.pop();
      const { callback } = next;
      if (callback === undefined) continue;
      next.cancel();
      fired = true;
      callback();
    }
  }
}

/** Resolves once every queued microtask, tick and immediate has run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
