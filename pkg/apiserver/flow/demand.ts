/**
 * How many seats a level wanted over time: the average, the spread and the highest. Between two changes the number stands still, so the past can be
 * cut at any moment after the last change.
 * Upstream counterpart: apiserver `util/flowcontrol/fairqueuing/integrator.go`.
 */

/** What was seen between two resets. */
export interface DemandSeen {
  /** Milliseconds. */
  readonly durationMs: number;
  readonly average: number;
  /** Standard deviation, weighed by time. */
  readonly deviation: number;
  readonly highest: number;
}

/** A number over time. Times are milliseconds of one monotonic clock; an earlier one than the last counts as the last. */
export class Demand {
  #value = 0;
  #sinceMs: number;
  #durationMs = 0;
  #integral = 0;
  #integralOfSquares = 0;
  #highest = 0;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  get value(): number {
    return this.#value;
  }

  /** From `nowMs` on it is `value`. */
  set(value: number, nowMs: number): void {
    if (nowMs > this.#sinceMs) this.#advance(nowMs);
    this.#value = value;
    if (value > this.#highest) this.#highest = value;
  }

  /** What was seen until `nowMs`; from there it begins anew. */
  reset(nowMs: number): DemandSeen {
    if (nowMs > this.#sinceMs) this.#advance(nowMs);
    const durationMs = this.#durationMs;
    const average = durationMs > 0 ? this.#integral / durationMs : 0;
    const variance = durationMs > 0 ? this.#integralOfSquares / durationMs - average * average : 0;
    const seen = { durationMs, average, deviation: Math.sqrt(Math.max(0, variance)), highest: this.#highest };
    this.#durationMs = 0;
    this.#integral = 0;
    this.#integralOfSquares = 0;
    this.#highest = this.#value;
    return seen;
  }

  #advance(nowMs: number): void {
    const passedMs = nowMs - this.#sinceMs;
    const area = this.#value * passedMs;
    this.#durationMs += passedMs;
    this.#integral += area;
    this.#integralOfSquares += this.#value * area;
    this.#sinceMs = nowMs;
  }
}
