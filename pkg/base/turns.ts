/** Work that is done by one at a time, in the order in which it was asked for. */

/** One place for work. What is rejected ends its own turn alone. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Does `work` once all that was asked for before is over; settles as it does. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }
}

/**
 * Turns at a key, such as for those who have lost a race for it: if all of them tried again at once, one would win and the others begin again,
 * which takes n² attempts for n writers. Who comes first goes first. Nothing is kept of a key for which nobody waits.
 */
export class TurnsByKey {
  readonly #last = new Map<string, Promise<void>>();

  /** Resolves with what ends the turn, once those who came before have ended theirs. */
  async take(key: string): Promise<() => void> {
    const before = this.#last.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last.set(key, promise);
    await before;
    return () => {
      if (this.#last.get(key) === promise) this.#last.delete(key);
      resolve();
    };
  }
}
