/**
 * Where the newest groups of the log begin and how many writes they have. Most groups die as a whole, some seconds after they were written: what is
 * known here need not be read from the disk to be taken out.
 *
 * Invariant: what it says of a group was so when that was written; some of it may be gone since. It holds `groupsMax` at most; of older groups, and of
 * those from before the store was opened, it knows nothing.
 */

/** Groups remembered: a megabyte, and more than the past has versions (`pastLimitsDefault`). */
const groupsMax = 65_536;

/** The newest groups by their first revision; bounded, older ones are asked of the disk. */
export class GroupIndex {
  /** The first revisions, in order. */
  #starts: number[] = [];
  #counts: number[] = [];

  /** Adds a group, which is newer than all before. */
  add(start: number, count: number): void {
    if (this.#starts.length >= groupsMax) {
      this.#starts = this.#starts.slice(groupsMax / 2);
      this.#counts = this.#counts.slice(groupsMax / 2);
    }
    this.#starts.push(start);
    this.#counts.push(count);
  }

  /** How many of `dead`, which is in order and has each once, from `at` on are all the writes of one group; 0 where they are not or it is not known. */
  wholeAt(dead: Float64Array, at: number): number {
    const index = this.#find(dead[at]!);
    if (index < 0) return 0;
    const count = this.#counts[index]!;
    const last = dead[at + count - 1];
    const next = this.#starts[index + 1] ?? Number.POSITIVE_INFINITY;
    // There are no more writes in between than these, so that the last one tells of all.
    return last !== undefined && last < next ? count : 0;
  }

  #find(start: number): number {
    const starts = this.#starts;
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle]! < start) low = middle + 1;
      else high = middle;
    }
    return starts[low] === start ? low : -1;
  }
}
