/**
 * From a hart's pc to the instruction there. Keeps which pages of code the hart found where; an entry holds while translation buffers were not
 * emptied, the mode is the same and the page's code is valid. Faults as the fetch does.
 */
import type { CodeCache, PageCode } from '../isa/code-cache.ts';
import { decode } from '../isa/decode.ts';
import type { Instruction } from '../isa/instruction.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import type { Hart } from './hart.ts';
import { EXECUTE } from './mmu.ts';
import { isUniform } from './protection.ts';

/** A power of two: code of a kernel and a program at once. */
const ENTRIES = 64;

interface Entry {
  readonly lo: number;
  readonly hi: number;
  readonly mode: number;
  readonly stamp: number;
  readonly code: PageCode;
}

/** Fetches for one hart. */
export class Fetcher {
  private readonly hart: Hart;
  private readonly cache: CodeCache;
  private readonly entries: (Entry | undefined)[] = new Array<Entry | undefined>(ENTRIES);

  constructor(hart: Hart, cache: CodeCache) {
    this.hart = hart;
    this.cache = cache;
  }

  /** The page of code at the hart's pc; undefined where it cannot be kept. Faults, or throws MISSING_PAGE. */
  page(): PageCode | undefined {
    const { hart } = this;
    const lo = hart.pcLo & -PAGE_SIZE;
    const entry = this.entries[(lo >>> 12) & (ENTRIES - 1)];
    if (entry !== undefined && entry.lo === lo && entry.hi === hart.pcHi && this.holds(entry)) return entry.code;
    return this.find(lo);
  }

  /** The instruction at the hart's pc. */
  fetch(): Instruction {
    const code = this.page();
    if (code !== undefined) {
      const known = this.cache.instructionAt(code, this.hart.pcLo & (PAGE_SIZE - 1));
      if (known !== undefined) return known;
    }
    return this.slow();
  }

  private holds(entry: Entry): boolean {
    return entry.mode === this.hart.mode && entry.stamp === this.hart.mmu.stamp && entry.code.isValid;
  }

  private find(lo: number): PageCode | undefined {
    const { hart } = this;
    const address = this.address(hart.pcLo, hart.pcHi, 2);
    const page = address - (address % PAGE_SIZE);
    if (!isUniform(hart, page)) return undefined;
    const code = this.cache.pageAt(address);
    hart.mmu.refresh();
    const entry = { lo, hi: hart.pcHi, mode: hart.mode, stamp: hart.mmu.stamp, code };
    this.entries[(lo >>> 12) & (ENTRIES - 1)] = entry;
    return code;
  }

  private address(lo: number, hi: number, length: number): number {
    const address = this.hart.mmu.translate(EXECUTE, lo, hi, length);
    if (!this.hart.memory.holds(address, length)) this.hart.mmu.accessFault(EXECUTE, lo, hi);
    return address;
  }

  /** Half by half, as the second may be on another page or not be permitted. */
  private slow(): Instruction {
    const { hart } = this;
    const low = this.half(hart.pcLo, hart.pcHi);
    if ((low & 3) !== 3) return decode(low);
    const lo = (hart.pcLo + 2) | 0;
    return decode(low | (this.half(lo, lo === 0 ? (hart.pcHi + 1) | 0 : hart.pcHi) << 16));
  }

  private half(lo: number, hi: number): number {
    return this.hart.view.getUint16(this.hart.memory.readable(this.address(lo, hi, 2)), true);
  }
}
