/**
 * What a post-copy sends while the source still runs its machine, and what it leaves for later. After the code that it runs most go the pages that it used meanwhile and did not write, at the handover those
 * that it has written since, as far as there is time: a server then answers the questions that it has without a page fault. Invariant: every page that is not zeros at the handover has been sent as it is
 * then, goes along, or comes later. Source: Hines and Gopalan, "Post-copy based live virtual machine migration using adaptive pre-paging and dynamic self-ballooning", 2009.
 */

/** Pages that are sent ahead because they are used: what a guest needs for some answers. One that uses more is not waited for longer. */
const usedMax = 256;

/** The beginning of one post-copy. */
export class PostCopyStart {
  private readonly written: readonly number[];
  private readonly target: { hasSent(page: number): boolean };
  /** Written while rounds were sent, those of the last round first. */
  private dirty: readonly number[] = [];
  private hasLooked = false;

  /** `written`: pages that were written before; `target` knows of which of them the target has a version. */
  constructor(written: readonly number[], target: { hasSent(page: number): boolean }) {
    this.written = written;
    this.target = target;
  }

  /** A round is over, in which the guest wrote and used these pages: what is worth another round, once; none: it is time. */
  more({ dirty, used }: { readonly dirty: readonly number[]; readonly used: readonly number[] }): readonly number[] {
    const fresh = new Set(dirty);
    this.dirty = [...dirty, ...this.dirty.filter((page) => !fresh.has(page))];
    if (this.hasLooked) return [];
    this.hasLooked = true;
    const known = new Set(this.written);
    return used.filter((page) => known.has(page) && !fresh.has(page) && !this.target.hasSent(page)).slice(0, usedMax);
  }

  /** Marks in `missing` what comes later; up to `count` pages go along. */
  leave(missing: Uint8Array, count: number): readonly number[] {
    const along = this.dirty.slice(0, count);
    for (const page of this.written) if (!this.target.hasSent(page)) missing[page] = 1;
    for (const page of this.dirty) missing[page] = 1;
    for (const page of along) missing[page] = 0;
    return along;
  }
}
