/**
 * Which nodes changed, in order, as slot numbers: how a reader that keeps something per node brings it up to date without looking at
 * every node. Holds the latest `logLength` changes; a reader further behind starts anew.
 */

/** More than a burst between two attempts of one kind of pod, and twice the nodes of a large cluster. */
const logLength = 16_384;

/** The changes of one table. */
export class ChangeLog {
  readonly #slots = new Int32Array(logLength);
  #head = 0;

  /** How many changes were ever logged: the position a reader remembers. */
  get head(): number {
    return this.#head;
  }

  push(slot: number): void {
    this.#slots[this.#head % logLength] = slot;
    this.#head++;
  }

  /** Calls `visit` with each slot that changed since `position`; false (and no calls) when that is too long ago. */
  since(position: number, visit: (slot: number) => void): boolean {
    if (this.#head - position > logLength) return false;
    for (let at = position; at < this.#head; at++) visit(this.#slots[at % logLength]!);
    return true;
  }
}
