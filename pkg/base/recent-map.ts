/**
 * Values by text of which those longest unused are forgotten, in two generations: when one is full, what was not asked for since it began goes. An
 * entry costs no more than that of a `Map`: none is moved when it is used, as in a list by time of use, but once in a generation.
 *
 * Invariant: of the last keys that were set or found those are there whose weights come to `size`, and never more than twice as many.
 */

/** Values by text, of which the most recently used are kept. */
export class RecentMap<Value> {
  readonly #size: number;
  readonly #weigh: (key: string) => number;
  #weight = 0;
  #recent = new Map<string, Value>();
  #older = new Map<string, Value>();

  /** `size`: weight of the keys of a generation. Default of `weigh`: each is one. */
  constructor(size: number, weigh: (key: string) => number = () => 1) {
    this.#size = size;
    this.#weigh = weigh;
  }

  get(key: string): Value | undefined {
    const found = this.#recent.get(key);
    if (found !== undefined) return found;
    const older = this.#older.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, value: Value): void {
    if (!this.#recent.has(key)) {
      const weight = this.#weigh(key);
      if (this.#weight + weight > this.#size) {
        this.#older = this.#recent;
        this.#recent = new Map();
        this.#weight = 0;
      }
      this.#weight += weight;
    }
    this.#recent.set(key, value);
  }
}
