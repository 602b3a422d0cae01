/**
 * Requests that execute, in the order in which they began, as a chain through themselves: one comes and goes with each request of a server, and in a set each
 * would cost a hash. Invariant: a request is in one chain at most.
 */

/** What can be in a chain. The chain's alone to change. */
export interface Running<T> {
  /** The one that began before, and the one that began after. */
  earlier: T | undefined;
  later: T | undefined;
}

/** The chain of one level. */
export class RunningRequests<T extends Running<T>> {
  #newest: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds one that is in no chain. */
  add(request: T): void {
    const newest = this.#newest;
    request.earlier = newest;
    if (newest !== undefined) newest.later = request;
    this.#newest = request;
    this.#size++;
  }

  /** Takes out one that is in this chain. */
  delete(request: T): void {
    const { earlier, later } = request;
    if (earlier !== undefined) earlier.later = later;
    if (later === undefined) this.#newest = earlier;
    else later.earlier = earlier;
    request.earlier = undefined;
    request.later = undefined;
    this.#size--;
  }

  /** The oldest first. */
  all(): readonly T[] {
    const all: T[] = [];
    for (let request = this.#newest; request !== undefined; request = request.earlier) all.push(request);
    return all.reverse();
  }
}
