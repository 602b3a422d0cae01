/** A share of something that goes through a machine's devices. Pure: time is an argument. Source: tc-tbf(8), a token bucket. */

/** How much a second, and how much of it at once after there was none for a while; whatever it is counted in. */
export interface ShareSize {
  readonly perSecond: number;
  readonly burst: number;
}

/** One share. Invariant: over any time no more is taken than what comes in that time, the burst, and what is taken at a time. */
export class Share {
  readonly #size: ShareSize;
  #left: number;
  #reckonedMs: number | undefined;

  constructor(size: ShareSize) {
    this.#size = size;
    this.#left = size.burst;
  }

  /** Ms until some may be taken: whatever it is, what goes beyond what is there is taken in advance. */
  waitMs(nowMs: number): number {
    const { perSecond, burst } = this.#size;
    const passedMs = nowMs - (this.#reckonedMs ?? nowMs);
    this.#left = Math.min(burst, this.#left + (passedMs * perSecond) / 1000);
    this.#reckonedMs = nowMs;
    return this.#left > 0 ? 0 : Math.floor((-1000 * this.#left) / perSecond) + 1;
  }

  take(amount: number): void {
    this.#left -= amount;
  }
}

/** The first of these times; undefined where there is none. */
export function earliest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
