/**
 * Pods beyond what was asked for. A controller whose creation was answered by nobody creates again, and sees that there is one too many only with its watch, which may be
 * behind: its contract allows that for a while, as upstream's does. Kinds whose pods have names of their own make none at all.
 */
import type { Clock } from '#pkg/base/clock.ts';

/** How long a watch that was lost may be behind: the longest time between two tries to begin it again. */
const behindMsMax = 30_000;

/** How long each of several things has been too many. */
export class Excess {
  readonly #clock: Clock;
  readonly #since = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes what is there now. Throws where it has been more than `most` at every look for longer than a watch may be behind. */
  note(what: string, is: number, most: number): void {
    if (is <= most) {
      this.#since.delete(what);
      return;
    }
    const nowMs = this.#clock.monotonicMs();
    const sinceMs = this.#since.get(what) ?? nowMs;
    this.#since.set(what, sinceMs);
    if (nowMs - sinceMs > behindMsMax)
      throw new Error(`${is} of ${what} are there for ${nowMs - sinceMs} ms, not ${most}`);
  }
}
