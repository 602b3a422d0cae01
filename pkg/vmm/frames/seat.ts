/**
 * The frames of one machine that has a seat at a bank: pages that were never written borrow the frame of zeros, others have frames of their own until they are looked at and found to be equal to one that is lent, or to stay as
 * they are. Laws: those of `PageFrames`; sharing changes which frame a page has and never what it reads as, so a guest sees nothing of it, and a run is the same with and without.
 * A page that stays the same from one look to the next is lent to whoever has the same; that costs its guest a copy at its next store there, or nothing where nobody borrowed it by then.
 */
import { hartLayout, PAGE_SIZE } from '../memory-map.ts';
import { type BankParts, FrameBank, hartFrames } from './frame-bank.ts';
import type { PageFrames } from './page-frames.ts';

/** A place at a bank, as the thread that made it tells the one that runs the machine. Plain data that can be sent there. */
export interface SeatParts {
  readonly bank: BankParts;
  /** Above 0, and given once. */
  readonly machine: number;
  /** By page: where its frame is. Whoever has the bank reads it when the machine's thread has ended. */
  readonly offsets: Uint32Array;
}

/** What a machine's pages take of its host. */
export interface PageUse {
  readonly pages: number;
  /** With a frame of their own. */
  readonly owned: number;
  /** That read the frame of zeros: they take nothing. */
  readonly zero: number;
  /** That read a frame which others may read too. */
  readonly shared: number;
  /** This machine's part of those frames: each by how many pages read it. */
  readonly sharedPart: number;
}

/** Tells the system that bytes of a bank, whole frames, hold nothing any more; they may be anything when they are next read. */
export type Discard = (bytes: Uint8Array) => void;

/** A seat for a machine of `size` bytes at a bank. */
export function newSeat(
  bank: BankParts,
  { machine, size }: { readonly machine: number; readonly size: number },
): SeatParts {
  return { bank, machine, offsets: new Uint32Array(new SharedArrayBuffer((size / PAGE_SIZE) * 4)) };
}

/** The frames of the machine at a seat. What the seat had before, of a machine that is over, is given back first. Throws NO_FRAME where the bank has none for its harts. */
export class SeatFrames implements PageFrames {
  readonly wasm: WebAssembly.Memory;
  readonly isShared = true;
  readonly harts: number;
  readonly offsets: Uint32Array;
  readonly lent: Uint8Array;
  private readonly bank: FrameBank;
  private readonly machine: number;
  /** Sums of pages as they were looked at last; 0 is not known. */
  private readonly sums: Int32Array;
  private readonly discard: Discard | undefined;
  private nextPage = 0;

  constructor(
    { bank, machine, offsets }: SeatParts,
    { harts, discard }: { readonly harts: number; readonly discard?: Discard | undefined },
  ) {
    this.discard = discard;
    this.bank = new FrameBank(bank);
    this.machine = machine;
    this.wasm = bank.wasm;
    this.offsets = offsets;
    this.bank.settle(machine, offsets);
    this.lent = new Uint8Array(offsets.length).fill(1);
    this.sums = new Int32Array(offsets.length);
    this.harts = this.bank.takeRun(machine, hartFrames(harts)) * PAGE_SIZE;
  }

  own(page: number): void {
    const { bank, machine, offsets } = this;
    const borrowed = this.frameOf(page);
    if (!bank.reclaim(borrowed, machine)) {
      const frame = bank.take(machine);
      if (borrowed === 0) bank.bytes.fill(0, frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE);
      else bank.bytes.copyWithin(frame * PAGE_SIZE, borrowed * PAGE_SIZE, (borrowed + 1) * PAGE_SIZE);
      offsets[page] = frame * PAGE_SIZE;
      bank.giveBack(borrowed);
    }
    this.lent[page] = 0;
    this.sums[page] = 0;
  }

  drop(page: number): void {
    const frame = this.frameOf(page);
    this.offsets[page] = 0;
    if (this.lent[page] === 0) this.free(frame);
    else this.bank.giveBack(frame);
    this.lent[page] = 1;
  }

  release(): void {
    this.bank.settle(this.machine, this.offsets, this.discard);
    this.lent.fill(1);
  }

  /** Looks at up to `count` pages that have frames of their own, from where the last look ended: says how many it has passed, and whether a page has another frame now, or is lent, so that translation buffers are to be emptied. */
  look(count: number): { readonly passed: number; readonly hasChanged: boolean } {
    let hasChanged = false;
    let passed = 0;
    for (let looked = 0; looked < count && passed < this.lent.length; passed++) {
      const page = this.nextPage;
      this.nextPage = (page + 1) % this.lent.length;
      if (this.lent[page] === 1) continue;
      looked++;
      if (this.lookAt(page)) hasChanged = true;
    }
    return { passed, hasChanged };
  }

  use(): PageUse {
    let [owned, zero, shared, sharedPart] = [0, 0, 0, 0];
    for (let page = 0; page < this.lent.length; page++) {
      const frame = this.frameOf(page);
      if (this.lent[page] === 0) owned++;
      else if (frame === 0) zero++;
      else {
        shared++;
        sharedPart += 1 / this.bank.borrowers(frame);
      }
    }
    return { pages: this.lent.length, owned, zero, shared, sharedPart };
  }

  /** While it is still the machine's, so that nobody has written it yet. */
  private free(frame: number): void {
    this.discard?.(this.bank.bytesOf(frame, 1));
    this.bank.free(frame);
  }

  private frameOf(page: number): number {
    return (this.offsets[page] ?? 0) / PAGE_SIZE;
  }

  private lookAt(page: number): boolean {
    const { bank, offsets } = this;
    const frame = this.frameOf(page);
    const sum = bank.sumOf(frame);
    const equal = sum === 0 ? 0 : bank.borrowEqual(frame, sum);
    if (equal !== undefined) {
      offsets[page] = equal * PAGE_SIZE;
      this.free(frame);
    } else if (this.sums[page] === sum) bank.lend(frame, sum);
    else {
      this.sums[page] = sum;
      return false;
    }
    this.lent[page] = 1;
    return true;
  }
}

/** Bytes of a bank that a machine of so many bytes and one hart takes at most. */
export function seatBytes(size: number): number {
  return size + hartLayout.bytes;
}
