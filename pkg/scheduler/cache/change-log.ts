/**
 * What changed, in order, such as the slot numbers of nodes: how a reader that keeps something per node brings it up to date without looking at
 * every node. Holds the latest `logLength` changes; a reader further behind starts anew.
 */

/** More than a burst between two attempts of one kind of pod, and twice the nodes of a large cluster. */
const logLength = 16_384;

/** The changes of one thing. */
export class ChangeLog<T = number> {
  /** The latest, each at its number of changes modulo the length. */
  readonly #entries: T[] = [];
  #head = 0;

  /** How many changes were ever logged: the position a reader remembers. */
  get head(): number {
    return this.#head;
  }

  push(entry: T): void {
    this.#entries[this.#head % logLength] = entry;
    this.#head++;
  }

  /** Calls `visit` with each entry since `position`; false (and no calls) when that is too long ago. */
  since(position: number, visit: (entry: T) => void): boolean {
    if (this.#head - position > logLength) return false;
    for (let at = position; at < this.#head; at++) visit(this.#entries[at % logLength]!);
    return true;
  }
}
