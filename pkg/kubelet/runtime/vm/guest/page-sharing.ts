/**
 * When a machine's pages are looked at for some that others of the node have too. All of them a second after it began and once more soon after, as a page must stay the same from one look to the next to be
 * lent; then only while the guest runs: after so many instructions, and not too often. A look takes some thousand nanoseconds a page, and the guest stands still meanwhile: so few at a time.
 */
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { Machine } from '#pkg/vmm/machine-contract.ts';

/** A machine has booted by then; the second look comes as soon after the first. */
const firstMs = 1000;
/** A look at all pages begins at most so often. */
const againMs = 5000;
/** A guest that has run less since then has not written much. */
const instructionsMin = 1_000_000;
/** Pages at a time: half a millisecond. */
const pagesAtATime = 256;
const restMs = 20;
/** Looks at all pages that come whether the guest runs or not. */
const firstLooks = 2;

/** Looks at one machine's pages until it is stopped. */
export class PageSharing {
  readonly #machine: Machine;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #looks = 0;
  #instructions = 0;
  /** Pages that the look under way has still to look at. */
  #left = 0;

  constructor(machine: Machine, clock: Clock) {
    this.#machine = machine;
    this.#clock = clock;
    this.#wait(firstMs);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #wait(delayMs: number): void {
    this.#timer = this.#clock.setTimeout(() => this.#step(), delayMs);
  }

  #step(): void {
    const { instructions } = this.#machine.counters;
    if (this.#left === 0) {
      const isDue = this.#looks < firstLooks || instructions - this.#instructions >= instructionsMin;
      if (isDue) {
        this.#left = this.#machine.pages;
        this.#instructions = instructions;
      }
    }
    if (this.#left > 0) {
      this.#left = Math.max(0, this.#left - this.#machine.sharePages(pagesAtATime));
      if (this.#left === 0) this.#looks++;
    }
    if (this.#left > 0) this.#wait(restMs);
    else this.#wait(this.#looks < firstLooks ? firstMs : againMs);
  }
}
