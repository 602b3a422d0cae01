/** Pages of a round, in ascending order: each is taken or passed over once. */

/** What is still to be sent of a round. */
export class PageQueue {
  private pages: readonly number[] = [];
  private at = 0;

  /** Only where nothing is left. */
  add(pages: readonly number[]): void {
    this.pages = pages;
    this.at = 0;
  }

  /** Up to `pagesMax` pages, without those that are to be passed over. */
  take(pagesMax: number, isPassed: (page: number) => boolean): readonly number[] {
    const taken: number[] = [];
    while (taken.length < pagesMax) {
      const page = this.pages[this.at];
      if (page === undefined) break;
      this.at++;
      if (!isPassed(page)) taken.push(page);
    }
    return taken;
  }
}
