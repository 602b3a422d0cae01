/** A clock whose time of day somebody sets while it runs, as people and time servers do; durations go on as they were. */
import type { Clock, Timer } from '#pkg/base/clock.ts';

export class JumpingClock implements Clock {
  readonly #clock: Clock;
  #offsetMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Forward, or back where it is negative. */
  jump(byMs: number): void {
    this.#offsetMs += byMs;
  }

  nowMs(): number {
    return this.#clock.nowMs() + this.#offsetMs;
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
