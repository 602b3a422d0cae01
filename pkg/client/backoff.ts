/** Exponential back-off with jitter between tries of one thing. Pure: it is asked for delays and sleeps for nobody. */
import type { Random } from '#pkg/base/random.ts';
import { jitter } from '#pkg/base/random.ts';

/** The first delay and the longest one, in milliseconds, and the chance between. */
export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Share of the delay that chance may add. */
  readonly jitterFactor: number;
  readonly random: Random;
}

/** The delays between tries of one thing: each is twice the one before, up to the longest. */
export class Backoff {
  readonly #options: BackoffOptions;
  #delayMs: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#delayMs = options.initialMs;
  }

  /** How long to wait before the next try; twice as long each time, up to the limit. */
  nextMs(): number {
    const { maxMs, jitterFactor, random } = this.#options;
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(delayMs * 2, maxMs);
    return Math.min(jitter(random, delayMs, jitterFactor), maxMs);
  }

  /** Starts over: the last try was a success. */
  reset(): void {
    this.#delayMs = this.#options.initialMs;
  }
}
