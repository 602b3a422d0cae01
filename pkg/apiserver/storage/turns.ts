/**
 * Turns at a key for those who have lost a race for it: if all of them tried again at once, one would win and the others begin again,
 * which takes n² attempts for n writers. Who comes first goes first. Whoever has not lost yet need not wait.
 */

/** Who waits for which key; keeps nothing of a key for which nobody does. */
export class Turns {
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
