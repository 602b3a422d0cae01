/**
 * Waiting times that double with each failure of one thing, such as a container that crashes. Two ages count, as upstream: a
 * failure is measured from when it happened, and a thing that has been quiet for twice the longest wait starts afresh.
 * Source: client-go `util/flowcontrol` `Backoff`.
 */

/** The first wait and the longest one. */
export interface BackOffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** Of containers that exit and of images that cannot be pulled: 10 s doubling to 5 min, forgotten after 10 min. */
const containerBackOff: BackOffOptions = { initialMs: 10_000, maxMs: 300_000 };

interface Entry {
  waitMs: number;
  /** When the failure happened that made this wait. */
  updatedMs: number;
}

/** The waits by key. */
export class BackOff {
  readonly #options: BackOffOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: BackOffOptions = containerBackOff) {
    this.#options = options;
  }

  /** The wait in force for a failure of `key` at `failedMs`: how long it is and how much of it is left. 0 left when it is over. */
  remaining(key: string, failedMs: number, nowMs: number): { readonly waitMs: number; readonly leftMs: number } {
    const entry = this.#entries.get(key);
    if (entry === undefined || this.#expired(entry, failedMs)) return { waitMs: 0, leftMs: 0 };
    return { waitMs: entry.waitMs, leftMs: Math.max(0, failedMs + entry.waitMs - nowMs) };
  }

  /** Counts the failure of `key` at `failedMs`: the next one waits twice as long. */
  next(key: string, failedMs: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || this.#expired(entry, failedMs)) {
      this.#entries.set(key, { waitMs: this.#options.initialMs, updatedMs: failedMs });
      return;
    }
    entry.waitMs = Math.min(entry.waitMs * 2, this.#options.maxMs);
    entry.updatedMs = failedMs;
  }

  /** Forgets a key. */
  reset(key: string): void {
    this.#entries.delete(key);
  }

  #expired(entry: Entry, failedMs: number): boolean {
    return failedMs - entry.updatedMs > 2 * this.#options.maxMs;
  }
}

/** A wait in Go's notation with whole seconds, as messages have it: `10s`, `1m20s`, `5m0s`. */
export function formatWait(waitMs: number): string {
  const seconds = Math.round(waitMs / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % 60}s`;
}
