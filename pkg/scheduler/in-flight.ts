/** Counts work under way, holds back more than a limit of it, and lets one wait for its end. */
import { Deferred } from '#pkg/base/async.ts';

/** Work under way, of one kind. */
export class InFlight {
  readonly #limit: number;
  #count = 0;
  #freed: Deferred | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when less than the limit is under way; at once when that is so already. */
  async room(): Promise<void> {
    while (this.#count >= this.#limit) await this.#next();
  }

  /** Counts `work` until it has ended. `work` must not reject. */
  track(work: Promise<void>): void {
    this.#count++;
    void work.finally(() => {
      this.#count--;
      this.#freed?.resolve();
      this.#freed = undefined;
    });
  }

  get isFull(): boolean {
    return this.#count >= this.#limit;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#count > 0) await this.#next();
  }

  #next(): Promise<void> {
    this.#freed ??= new Deferred();
    return this.#freed.promise;
  }
}
