/**
 * The delaying layer: keys that join the base queue later. One timer, set for the earliest; at most one pending delay a key.
 * Upstream counterpart: client-go `util/workqueue/delaying_queue.go`.
 */
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { Heap } from '#pkg/base/heap.ts';

interface Waiting {
  readonly key: string;
  readonly atMs: number;
  readonly sequence: number;
}

/** Keys with a time each; calls `ready` with a key when its time has come. */
export class DelayingQueue {
  readonly #clock: Clock;
  readonly #ready: (key: string) => void;
  readonly #heap = new Heap<Waiting>((a, b) => a.atMs - b.atMs || a.sequence - b.sequence);
  /** The entry that counts for a key; others in the heap are stale. */
  readonly #entries = new Map<string, Waiting>();
  #sequence = 0;
  #timer: { readonly handle: Timer; readonly atMs: number } | undefined;
  #shutDown = false;

  /** `ready` is called with each key once its delay has passed. */
  constructor(clock: Clock, ready: (key: string) => void) {
    this.#clock = clock;
    this.#ready = ready;
  }

  addAfter(key: string, delayMs: number): void {
    if (this.#shutDown) return;
    if (delayMs <= 0) {
      this.#ready(key);
      return;
    }
    const atMs = this.#clock.monotonicMs() + delayMs;
    const known = this.#entries.get(key);
    if (known !== undefined && known.atMs <= atMs) return;
    const entry: Waiting = { key, atMs, sequence: this.#sequence++ };
    this.#entries.set(key, entry);
    this.#heap.push(entry);
    this.#arm();
  }

  /** Forgets all that is pending. */
  shutDown(): void {
    this.#shutDown = true;
    this.#entries.clear();
    this.#timer?.handle.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    const next = this.#heap.peek();
    if (next === undefined || (this.#timer !== undefined && this.#timer.atMs <= next.atMs)) return;
    this.#timer?.handle.cancel();
    const handle = this.#clock.setTimeout(() => this.#fire(), next.atMs - this.#clock.monotonicMs());
    this.#timer = { handle, atMs: next.atMs };
  }

  #fire(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    for (let next = this.#heap.peek(); next !== undefined; next = this.#heap.peek()) {
      const isCurrent = this.#entries.get(next.key) === next;
      // A machine's timer may fire a fraction early; the remainder is waited for again.
      if (isCurrent && next.atMs > nowMs + 0.5) break;
      this.#heap.pop();
      if (!isCurrent) continue;
      this.#entries.delete(next.key);
      this.#ready(next.key);
    }
    this.#arm();
  }
}
