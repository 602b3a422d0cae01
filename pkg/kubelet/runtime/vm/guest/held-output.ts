/**
 * What a machine gives off while a stand-by keeps it: held back until the checkpoint that knows of it is acknowledged (law 3 of `pkg/vmm/migration/standby.ts`). Invariants: what leaves does so in the order in
 * which it was given off; nothing leaves before it may; while nobody holds it, everything leaves at once.
 */

/** More than this is held for no machine: it stands still until some has left. */
const heldBytesMax = 16 * 1024 * 1024;

interface Held {
  readonly bytes: number;
  leave(): void;
}

/** What waits of one machine. */
export class HeldOutput {
  #isHolding = false;
  #held: Held[] = [];
  #bytes = 0;
  /** How much of what is held, and was before, is of each checkpoint; ascending. */
  #marks: { readonly checkpoint: number; readonly until: number }[] = [];
  #left = 0;

  /** So much is held that there is to be no more. */
  get isFull(): boolean {
    return this.#bytes > heldBytesMax;
  }

  hold(): void {
    this.#isHolding = true;
  }

  /** Calls `leave` when so many bytes may leave: now, if nobody holds them. */
  give(bytes: number, leave: () => void): void {
    if (!this.#isHolding) {
      leave();
      return;
    }
    this.#held.push({ bytes, leave });
    this.#bytes += bytes;
  }

  /** What was held so far is of this checkpoint. */
  mark(checkpoint: number): void {
    this.#marks.push({ checkpoint, until: this.#left + this.#held.length });
  }

  /** All that is of this checkpoint leaves. */
  release(checkpoint: number): void {
    const mark = this.#marks.find((one) => one.checkpoint === checkpoint);
    if (mark === undefined) return;
    this.#marks = this.#marks.filter((one) => one.checkpoint > checkpoint);
    this.#leave(mark.until - this.#left);
  }

  /** Everything leaves, now and from now on. */
  free(): void {
    this.#isHolding = false;
    this.#marks = [];
    this.#leave(this.#held.length);
  }

  /** What is held never leaves; nothing is held from now on. */
  drop(): void {
    this.#held = [];
    this.#bytes = 0;
    this.free();
  }

  #leave(count: number): void {
    const leaving = this.#held.slice(0, count);
    this.#held = this.#held.slice(count);
    this.#left += leaving.length;
    for (const { bytes, leave } of leaving) {
      this.#bytes -= bytes;
      leave();
    }
  }
}
