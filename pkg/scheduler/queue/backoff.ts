/** How long a pod that was refused, or whose attempt failed, waits before it may be tried again. */

/** Back-off after the first failed attempt, which doubles with each further one, and the longest. Milliseconds. */
export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** Source: `podInitialBackoffSeconds`, `podMaxBackoffSeconds`. */
export const defaultBackoff: Backoff = { initialMs: 1_000, maxMs: 10_000 };

/** Refused pods whose back-offs end within one such window come in the order of the queue sort. */
const backoffWindowMs = 1_000;

/** What a back-off counts from. */
interface Tried {
  readonly enqueuedMs: number;
  readonly refusals: number;
  readonly errors: number;
  readonly rejectors: ReadonlySet<string>;
}

/** When the pod may be tried again: for a refused one the begin of the window, so that the pods of a window come together. */
export function backoffEndMs(
  { refusals, errors, enqueuedMs, rejectors }: Tried,
  { initialMs, maxMs }: Backoff,
): number {
  const count = errors || refusals;
  if (count === 0) return enqueuedMs;
  const endMs = enqueuedMs + Math.min(maxMs, initialMs * 2 ** Math.min(count - 1, 30));
  return rejectors.size === 0 ? endMs : endMs - (endMs % backoffWindowMs);
}
