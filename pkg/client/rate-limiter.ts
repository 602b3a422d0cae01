/** The rate-limiting layer: how long a key that failed waits. Upstream counterpart: client-go `default_rate_limiters.go`. */

/** The first delay and the longest one. */
export interface RateLimiterOptions {
  /** Delay after the first failure. Default 5 ms. */
  readonly baseDelayMs?: number;
  /** Longest delay. Default 1,000 s. */
  readonly maxDelayMs?: number;
}

/** Exponential by key. Its size is bounded by the keys that fail and were not forgotten. */
export class RateLimiter {
  readonly #failures = new Map<string, number>();
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;

  constructor(options: RateLimiterOptions = {}) {
    this.#baseDelayMs = options.baseDelayMs ?? 5;
    this.#maxDelayMs = options.maxDelayMs ?? 1_000_000;
  }

  /** Counts a failure and returns the delay before the next try. */
  when(key: string): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    return Math.min(this.#baseDelayMs * 2 ** failures, this.#maxDelayMs);
  }

  retries(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }
}
