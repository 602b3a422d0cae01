/** Which keys are cold: those that begin with one of a few prefixes, settled when the folder was made. */

/** Tells cold keys from the others. */
export class ColdSpace {
  readonly #prefixes: readonly string[];

  constructor(prefixes: readonly string[]) {
    this.#prefixes = prefixes;
  }

  /** Whether a key, or all keys that begin so, are cold. */
  has(key: string): boolean {
    for (const prefix of this.#prefixes) if (key.startsWith(prefix)) return true;
    return false;
  }

  /** Whether some of the keys that begin so are cold, and others may not be. */
  hasBelow(prefix: string): boolean {
    return !this.has(prefix) && this.#prefixes.some((cold) => cold.startsWith(prefix));
  }
}
