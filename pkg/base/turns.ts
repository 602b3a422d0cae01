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
