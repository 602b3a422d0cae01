/**
 * The base layer of a work queue: fair, stingy, safe with many workers. Size is bounded by the number of distinct keys, that is
 * of objects: a key waits at most once. Upstream counterpart: client-go `util/workqueue/queue.go`.
 */

/** Told of what happens to keys, for metrics. */
export interface QueueWatcher {
  /** A key waits that did not before, even if it is still worked on. */
  added(key: string): void;
  /** A worker has it. */
  taken(key: string): void;
  done(key: string): void;
}

/** Keys that wait, and keys that are worked on; a key that is added while it is worked on waits once more. */
export class FairQueue {
  /** Keys in the order they will be taken. Invariant: each is in `#dirty` and not in `#processing`. */
  #waiting: string[] = [];
  #head = 0;
  /** Keys that need work. */
  readonly #dirty = new Set<string>();
  /** Keys with a worker. A key may be in both sets: it comes back after `done`. */
  readonly #processing = new Set<string>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  readonly #watcher: QueueWatcher | undefined;
  #shutDown = false;

  /** `watcher` is told of every step. */
  constructor(watcher?: QueueWatcher) {
    this.#watcher = watcher;
  }

  get length(): number {
    return this.#waiting.length - this.#head;
  }

  add(key: string): void {
    if (this.#shutDown || this.#dirty.has(key)) return;
    this.#dirty.add(key);
    this.#watcher?.added(key);
    if (!this.#processing.has(key)) this.#offer(key);
  }

  get(): Promise<string | undefined> {
    if (this.length > 0) return Promise.resolve(this.#take(this.#next()));
    if (this.#shutDown) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  done(key: string): void {
    this.#processing.delete(key);
    this.#watcher?.done(key);
    if (this.#dirty.has(key)) this.#offer(key);
  }

  shutDown(): void {
    this.#shutDown = true;
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #offer(key: string): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#waiting.push(key);
    else taker(this.#take(key));
  }

  #take(key: string): string {
    this.#dirty.delete(key);
    this.#processing.add(key);
    this.#watcher?.taken(key);
    return key;
  }

  #next(): string {
    const key = this.#waiting[this.#head++]!;
    if (this.#head > 1_000 && this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    return key;
  }
}
