/**
 * A buffer that the machines of several threads have their pages in, cut into frames of 4 KiB, and who has which. Frame 0 is zeros, and is lent to every page that was never written. A frame is free, one machine's,
 * or lent to so many pages that read it. Invariants: only the machine whose frame it is writes it, and nobody writes one that is lent; each step is one atomic exchange, in such an order that
 * a thread that is ended between two of them leaves a frame taken at worst, and never one that two believe to be theirs; `settle` of the thread that made the machine gives back what an ended one had.
 * Equal pages are found by a table of sums, which may name frames that have gone meanwhile: who finds one there borrows it first and compares its bytes then.
 * Source: the counted, read-only pages of Linux's KSM (mm/ksm.c), with one table in place of its trees.
 */
import { hartLayout, PAGE_SIZE } from '../memory-map.ts';
import { newSharedMemory } from '../web-assembly.ts';
import { NO_FRAME } from './page-frames.ts';

/** A WebAssembly memory has 4 GiB at most; a page of it is left out so that every offset is below 2³². */
export const BANK_BYTES_MAX = 2 ** 32 - 65_536;
/** Places of the table of sums: a sum has `WAYS` of them, and the newest frame takes the place of the oldest. */
const SUMS = 1 << 16;
const WAYS = 4;
/** The part of a bank's frames at its upper end that are taken only where there are no others, so many by each machine. */
export const RESERVED_PART = 1 / 32;
const RESERVED_EACH = 16;
const FREE = 0;
/** Of frames that nobody is given: that of zeros. */
const FIXED = 0x7fff_ffff;

/** What threads are told of a bank. Plain data that can be sent to them. */
export interface BankParts {
  readonly wasm: WebAssembly.Memory;
  /** By frame: 0 is free, above it the machine that has it, below it how many pages borrow it. */
  readonly owners: Int32Array;
  /** Frames that hold a page of that sum, or held one. */
  readonly sums: Int32Array;
  /** One number: below that frame none is free, as far as is known. */
  readonly mark: Int32Array;
}

/** How a bank's frames are used. */
export interface BankUse {
  readonly frames: number;
  /** That one machine each has. */
  readonly owned: number;
  /** That pages borrow, and how many pages do. */
  readonly lent: number;
  readonly borrowers: number;
}

/** Makes the parts of a bank of `bytes` bytes, rounded up to 64 KiB. Throws a RangeError where the system has not so much. */
export function newBank(bytes: number): BankParts {
  const wasm = newSharedMemory(Math.min(bytes, BANK_BYTES_MAX));
  const frames = wasm.buffer.byteLength / PAGE_SIZE;
  const numbers = (count: number): Int32Array => new Int32Array(new SharedArrayBuffer(count * 4));
  const parts = { wasm, owners: numbers(frames), sums: numbers(SUMS), mark: numbers(1) };
  parts.owners[0] = FIXED;
  parts.mark[0] = 1;
  return parts;
}

/** A bank as one thread has it. */
export class FrameBank {
  readonly parts: BankParts;
  readonly bytes: Uint8Array;
  private readonly words: Int32Array;

  constructor(parts: BankParts) {
    this.parts = parts;
    this.bytes = new Uint8Array(parts.wasm.buffer);
    this.words = new Int32Array(parts.wasm.buffer);
  }

  get frames(): number {
    return this.parts.owners.length;
  }

  /** Frames from this one on are reserved. */
  private get ordinary(): number {
    return this.frames - Math.floor(this.frames * RESERVED_PART);
  }

  /** Of so many frames from one on. */
  bytesOf(frame: number, count: number): Uint8Array {
    return this.bytes.subarray(frame * PAGE_SIZE, (frame + count) * PAGE_SIZE);
  }

  /** Runs of the frames that a machine has to itself. */
  private *runsOf(machine: number): Generator<{ readonly frame: number; readonly count: number }> {
    const { owners } = this.parts;
    for (let frame = owners.indexOf(machine); frame >= 0; frame = owners.indexOf(machine, frame)) {
      let end = frame + 1;
      while (owners[end] === machine) end++;
      yield { frame, count: end - frame };
      frame = end;
    }
  }

  /** Takes a free frame for a machine, whatever it holds. Throws NO_FRAME. */
  take(machine: number): number {
    const { mark } = this.parts;
    const first = Atomics.load(mark, 0);
    for (const [from, to] of [
      [first, this.ordinary],
      [1, first],
    ] as const) {
      for (let frame = from; frame < to; frame++) {
        if (!this.claim(frame, machine)) continue;
        // A frame below may be given back meanwhile: then its mark is lower than this one's first.
        Atomics.compareExchange(mark, 0, first, frame + 1);
        return frame;
      }
    }
    return this.takeReserved(machine);
  }

  /** Takes frames that lie one after another, of zeros, from the upper end: those of a machine's harts. Throws NO_FRAME. */
  takeRun(machine: number, count: number): number {
    const { owners } = this.parts;
    let length = 0;
    for (let frame = this.ordinary - 1; frame > 0; frame--) {
      length = Atomics.load(owners, frame) === FREE ? length + 1 : 0;
      if (length < count) continue;
      if (this.claimRun(frame, count, machine)) {
        this.bytes.fill(0, frame * PAGE_SIZE, (frame + count) * PAGE_SIZE);
        return frame;
      }
      length = 0;
    }
    throw NO_FRAME;
  }

  /** Each machine finds a few where all others are gone: a guest that is to give pages back writes some for that. */
  private takeReserved(machine: number): number {
    const { owners } = this.parts;
    let own = 0;
    for (let frame = this.ordinary; frame < this.frames; frame++) if (Atomics.load(owners, frame) === machine) own++;
    for (let frame = this.ordinary; own < RESERVED_EACH && frame < this.frames; frame++)
      if (this.claim(frame, machine)) return frame;
    throw NO_FRAME;
  }

  /** Gives back a machine's own frame. */
  free(frame: number): void {
    Atomics.store(this.parts.owners, frame, FREE);
    this.lower(frame);
  }

  /** Lends a machine's own frame, to its page so far: nobody writes it from now on. */
  lend(frame: number, sum: number): void {
    Atomics.store(this.parts.owners, frame, -1);
    const { sums } = this.parts;
    const first = placeOf(sum);
    for (let way = WAYS - 1; way > 0; way--) Atomics.store(sums, first + way, Atomics.load(sums, first + way - 1));
    Atomics.store(sums, first, frame);
  }

  /** A lent frame that holds the same bytes as a machine's own, borrowed; undefined where there is none. */
  borrowEqual(frame: number, sum: number): number | undefined {
    const { sums } = this.parts;
    const first = placeOf(sum);
    for (let way = 0; way < WAYS; way++) {
      const found = Atomics.load(sums, first + way);
      if (found === 0 || found === frame || !this.borrow(found)) continue;
      if (this.areEqual(found, frame)) return found;
      this.giveBack(found);
    }
    return undefined;
  }

  /** Gives back a borrowed frame; with nobody left it is free. */
  giveBack(frame: number): void {
    if (frame === 0) return;
    if (Atomics.add(this.parts.owners, frame, 1) === -1) this.lower(frame);
  }

  /** Makes a borrowed frame the machine's own again, if nobody else borrows it. */
  reclaim(frame: number, machine: number): boolean {
    return frame !== 0 && Atomics.compareExchange(this.parts.owners, frame, -1, machine) === -1;
  }

  /** Gives back all that a machine had, by its table of offsets: of one whose thread has ended, or is done with it. What was its own goes to the system by `discard` before, while it is nobody else's. */
  settle(machine: number, offsets: Uint32Array, discard?: (bytes: Uint8Array) => void): void {
    const { owners } = this.parts;
    if (discard !== undefined) for (const { frame, count } of this.runsOf(machine)) discard(this.bytesOf(frame, count));
    // Most pages of most machines were never written.
    for (let page = 0; page < offsets.length; page++) {
      const frame = (offsets[page] ?? 0) / PAGE_SIZE;
      if (frame === 0) continue;
      offsets[page] = 0;
      if (Atomics.load(owners, frame) < 0) this.giveBack(frame);
    }
    for (let frame = owners.indexOf(machine); frame >= 0; frame = owners.indexOf(machine, frame + 1)) this.free(frame);
  }

  /** How many pages borrow a frame; 1 for one that is a machine's own. */
  borrowers(frame: number): number {
    return Math.max(1, -Atomics.load(this.parts.owners, frame));
  }

  use(): BankUse {
    const { owners } = this.parts;
    let [owned, lent, borrowers] = [0, 0, 0];
    for (let frame = 1; frame < owners.length; frame++) {
      const owner = owners[frame] ?? FREE;
      if (owner > 0) owned++;
      else if (owner < 0) {
        lent++;
        borrowers -= owner;
      }
    }
    return { frames: owners.length, owned, lent, borrowers };
  }

  /** A sum of a frame's bytes; 0 only where all are zeros. */
  sumOf(frame: number): number {
    const { words } = this;
    const end = ((frame + 1) * PAGE_SIZE) / 4;
    let sum = 0;
    for (let at = (frame * PAGE_SIZE) / 4; at < end; at++) {
      const word = words[at] ?? 0;
      if (word !== 0 || sum !== 0) sum = Math.imul(sum ^ word, 0x0100_0193) | 1;
    }
    return sum;
  }

  private areEqual(a: number, b: number): boolean {
    const { words } = this;
    const [from, other] = [(a * PAGE_SIZE) / 4, (b * PAGE_SIZE) / 4];
    for (let at = 0; at < PAGE_SIZE / 4; at++) if (words[from + at] !== words[other + at]) return false;
    return true;
  }

  private borrow(frame: number): boolean {
    const { owners } = this.parts;
    for (;;) {
      const owner = Atomics.load(owners, frame);
      if (owner >= 0) return false;
      if (Atomics.compareExchange(owners, frame, owner, owner - 1) === owner) return true;
    }
  }

  private claim(frame: number, machine: number): boolean {
    return Atomics.compareExchange(this.parts.owners, frame, FREE, machine) === FREE;
  }

  private claimRun(first: number, count: number, machine: number): boolean {
    for (let frame = first; frame < first + count; frame++) {
      if (this.claim(frame, machine)) continue;
      for (let claimed = first; claimed < frame; claimed++) this.free(claimed);
      return false;
    }
    return true;
  }

  private lower(frame: number): void {
    const { mark } = this.parts;
    for (;;) {
      const first = Atomics.load(mark, 0);
      if (first <= frame || Atomics.compareExchange(mark, 0, first, frame) === first) return;
    }
  }
}

function placeOf(sum: number): number {
  return ((sum ^ (sum >>> 16)) & (SUMS / WAYS - 1)) * WAYS;
}

/** Frames that a machine's harts take. */
export function hartFrames(harts: number): number {
  return (harts * hartLayout.bytes) / PAGE_SIZE;
}
