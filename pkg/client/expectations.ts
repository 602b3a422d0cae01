/**
 * What a controller has asked for and its informer has not shown yet. While expectations are open the controller must not act on
 * the key: its copy is behind, and it would create or delete twice. Upstream counterpart: `controller_utils.go` expectations.
 */
import type { Clock } from '#pkg/base/clock.ts';

/** After this time the controller acts again even if an event was never seen. */
const expectationsMsMax = 5 * 60_000;

interface Entry {
  creations: number;
  readonly deletions: Set<string>;
  readonly sinceMs: number;
}

/** Open expectations by controller key. Bounded by the number of keys; `forget` when the object is gone. */
export class Expectations {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  expectCreations(key: string, count: number): void {
    this.expect(key, count, []);
  }

  /** `ids` name the objects, by `namespace/name` or uid. */
  expectDeletions(key: string, ids: readonly string[]): void {
    this.expect(key, 0, ids);
  }

  /** Both at once, in place of what was expected before. */
  expect(key: string, creations: number, deletions: readonly string[]): void {
    this.#entries.set(key, { creations, deletions: new Set(deletions), sinceMs: this.#clock.monotonicMs() });
  }

  /** A creation was seen, or will not come because it failed. */
  creationObserved(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.creations > 0) entry.creations--;
  }

  /** A deletion was seen, or will not come because it failed. */
  deletionObserved(key: string, id: string): void {
    this.#entries.get(key)?.deletions.delete(id);
  }

  /** Whether the controller may act on the key. */
  satisfied(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return true;
    if (entry.creations <= 0 && entry.deletions.size === 0) return true;
    return this.#clock.monotonicMs() - entry.sinceMs > expectationsMsMax;
  }

  /** Milliseconds until open expectations of the key run out; 0 when there are none. */
  expiresInMs(key: string): number {
    const entry = this.#entries.get(key);
    if (entry === undefined || this.satisfied(key)) return 0;
    return expectationsMsMax - (this.#clock.monotonicMs() - entry.sinceMs) + 1;
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }
}
