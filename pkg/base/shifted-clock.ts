/** A clock whose time of day is set while it runs, as people and time servers do; durations go on as they were. */
import type { Clock, Timer } from './clock.ts';

/** The time of day of `clock`, later by what `offsetMs` says at that moment, or earlier where that is negative. */
export class ShiftedClock implements Clock {
  readonly #clock: Clock;
  readonly #offsetMs: () => number;

  constructor(clock: Clock, offsetMs: () => number) {
    this.#clock = clock;
    this.#offsetMs = offsetMs;
  }

  nowMs(): number {
    return this.#clock.nowMs() + this.#offsetMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    return this.#clock.setTimeout(callback, delayMs);
  }

  yield(): Promise<void> {
    return this.#clock.yield();
  }
}
