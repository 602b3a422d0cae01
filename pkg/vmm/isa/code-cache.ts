/**
 * Decoded instructions by page of memory. Invariant: what is kept for a page is what its bytes decode to, since `GuestMemory` has the page forgotten
 * before a byte of it changes. An instruction that crosses into the next page is never kept.
 */
import type { CodeKeeper, GuestMemory } from '../guest-memory.ts';
import { MEMORY_BASE, PAGE_SIZE } from '../memory-map.ts';
import { decode } from './decode.ts';
import type { Instruction } from './instruction.ts';

/** Where compiled code is entered: a function of WebAssembly, given where the hart is in memory, and which of its entries; and its number among those of its machine. */
export interface Entrance {
  readonly run: (base: number, entry: number) => unknown;
  readonly entry: number;
  readonly code: number;
}

/** What is known of a page of code to who compiles it, by half of the offset: entrances, and how often others were come to; -1 is for those that cannot be compiled. */
export interface CompiledPage {
  readonly entrances: (Entrance | undefined)[];
  readonly visits: Int16Array;
  /** Offsets from which code was compiled. */
  readonly starts: number[];
}

/** Instructions of one page, by half of the offset. */
export interface PageCode {
  readonly page: number;
  readonly instructions: (Instruction | undefined)[];
  /** Of who compiles; goes with the instructions. */
  compiled: CompiledPage | undefined;
  /** False once the page's bytes changed: then nothing of it holds. */
  isValid: boolean;
}

/** Pages whose instructions are kept, of any guest; more are forgotten all at once. Each takes 20 to 200 KiB, by how much of it ran. */
const PAGES_MAX = 512;

/** The pages of one memory. */
export class CodeCache implements CodeKeeper {
  /** Told when code of a page is not valid any more. */
  onForget: (() => void) | undefined;
  private readonly memory: GuestMemory;
  private readonly pages = new Map<number, PageCode>();

  constructor(memory: GuestMemory) {
    this.memory = memory;
    memory.keeper = this;
  }

  /** The page that holds a physical address of memory. */
  pageAt(address: number): PageCode {
    const page = (address - MEMORY_BASE) >>> 12;
    this.memory.touched[page] = 1;
    const known = this.pages.get(page);
    if (known !== undefined) return known;
    this.memory.readable(address);
    if (this.pages.size >= PAGES_MAX) this.forgetAll();
    const instructions = new Array<Instruction | undefined>(PAGE_SIZE / 2);
    const code: PageCode = { page, instructions, compiled: undefined, isValid: true };
    this.pages.set(page, code);
    this.memory.keepsCode(page);
    return code;
  }

  /** All pages that are kept. */
  get kept(): Iterable<PageCode> {
    return this.pages.values();
  }

  /** The instruction at an offset of a page; undefined if it crosses into the next one. */
  instructionAt(code: PageCode, offset: number): Instruction | undefined {
    const known = code.instructions[offset >> 1];
    if (known !== undefined) return known;
    const at = this.memory.offsetOf(code.page) + offset;
    const low = this.memory.view.getUint16(at, true);
    const isLong = (low & 3) === 3;
    if (isLong && offset + 4 > PAGE_SIZE) return undefined;
    const instruction = decode(isLong ? low | (this.memory.view.getUint16(at + 2, true) << 16) : low);
    code.instructions[offset >> 1] = instruction;
    this.memory.keepsInstruction(code.page, offset, instruction.length);
    return instruction;
  }

  forgetCode(page: number): void {
    const code = this.pages.get(page);
    if (code === undefined) return;
    code.isValid = false;
    this.pages.delete(page);
    this.onForget?.();
  }

  private forgetAll(): void {
    for (const page of [...this.pages.keys()]) {
      this.memory.dropCode(page);
    }
  }
}
