/**
 * Numbers for the values that node labels have, so that what is counted by topology lies in arrays. From 0 for each key, in the order in which they are
 * first seen, 0 being that of the empty value; a number stays with its value until all are forgotten.
 */

/** The numbers of one table of nodes. */
export class TopologyDomains {
  readonly #byKey = new Map<string, Map<string, number>>();
  #size = 0;
  #round = 0;

  /** How many values have a number. */
  get size(): number {
    return this.#size;
  }

  /** How often all were forgotten: a reader that keeps numbers starts anew with each. */
  get round(): number {
    return this.#round;
  }

  /** The number of a value, which it has from now on. */
  numberOf(key: string, value: string): number {
    let ofKey = this.#byKey.get(key);
    if (ofKey === undefined) {
      ofKey = new Map([['', 0]]);
      this.#byKey.set(key, ofKey);
    }
    let number = ofKey.get(value);
    if (number === undefined) {
      number = ofKey.size;
      ofKey.set(value, number);
      this.#size++;
    }
    return number;
  }

  /** Undefined for a value that has none. */
  find(key: string, value: string): number | undefined {
    return this.#byKey.get(key)?.get(value);
  }

  clear(): void {
    this.#byKey.clear();
    this.#size = 0;
    this.#round++;
  }
}
