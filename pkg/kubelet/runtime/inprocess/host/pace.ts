/**
 * How fast something may go on average, with a little at once: whoever spends more than there is waits until it is made up for. Pure but for
 * the clock.
 */
import type { Clock } from '#pkg/base/clock.ts';

/** How much a second. */
export interface PaceOptions {
  readonly clock: Clock;
  readonly perSecond: number;
}

/** What may be spent at once after a rest, as time of the average. */
const burstMs = 64;

const newline = 10;
/** What a line of output costs besides its bytes: it is kept and found as one. */
const lineCost = 40;

/** What has been spent lately. */
export class Pace {
  readonly #options: PaceOptions;
  /** When all that was spent is made up for. */
  #evenAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Time until more may be spent; 0 for now. */
  delayMs(): number {
    return Math.max(0, this.#evenAtMs - this.#options.clock.monotonicMs());
  }

  /** Takes note of what was spent. It may be more than there was. */
  spend(cost: number): void {
    const { clock, perSecond } = this.#options;
    this.#evenAtMs = Math.max(this.#evenAtMs, clock.monotonicMs() - burstMs) + (cost / perSecond) * 1000;
  }
}

/** What output costs whoever takes it: its bytes and its lines. */
export function outputCost(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, at + 1)) lines++;
  return bytes.length + lines * lineCost;
}
