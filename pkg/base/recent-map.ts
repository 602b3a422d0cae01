/**
 * Values by text of which those longest unused are forgotten, in two generations: when one is full, what was not asked for since it began goes. An
 * entry costs no more than that of a `Map`: none is moved when it is used, as in a list by time of use, but once in a generation.
 *
 * Invariant: the last `size` keys that were set or found are there, and never more than twice as many.
 */
/** Values by text, of which the most recently used are kept. */
export class RecentMap<Value> {
  readonly #size: number;
  #recent = new Map<string, Value>();
  #older = new Map<string, Value>();

  /** `size`: keys of a generation. */
  constructor(size: number) {
    this.#size = size;
  }

  get(key: string): Value | undefined {
    const found = this.#recent.get(key);
    if (found !== undefined) return found;
    const older = this.#older.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, value: Value): void {
    if (this.#recent.size >= this.#size && !this.#recent.has(key)) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(key, value);
  }
}
