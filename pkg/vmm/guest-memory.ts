/**
 * The buffer that holds the harts' state and the guest's memory, and what is known of each page of that memory: whether it is there, whether
 * it was written since the log began, whether instructions of it were decoded. Invariant: a translation buffer lets a store through only to
 * pages that are there, hold no decoded instruction, were written before and are in the log already (if there is one); so whoever changes one of these facts
 * for the worse raises `version`, and harts empty their buffers when it is not theirs. Knows neither harts nor devices.
 */
import { hartLayout, MEMORY_BASE, PAGE_SIZE } from './memory-map.ts';
import { newWasmMemory } from './web-assembly.ts';

const LINE_SHIFT = 6;
const LINES = PAGE_SIZE >> LINE_SHIFT;

/** Thrown (this very value) when a page that is not there is touched: `GuestMemory.missingPage` says which. */
export const MISSING_PAGE = Symbol('missing page');

/** Where instructions of a page are kept; told when they are not those of the memory any more. */
export interface CodeKeeper {
  forgetCode(page: number): void;
}

/** Memory of a guest with `harts` harts; `size` bytes. */
export class GuestMemory {
  readonly wasm: WebAssembly.Memory;
  readonly view: DataView;
  readonly bytes: Uint8Array;
  /** Offset of the guest's first byte in the buffer. */
  readonly base: number;
  readonly size: number;
  readonly pages: number;
  /** 1 for pages that are not there, written pages, and pages of which code is kept. */
  readonly missing: Uint8Array;
  readonly dirty: Uint8Array;
  /** Pages that were written before `dirty` began anew. */
  private readonly written: Uint8Array;
  readonly code: Uint8Array;
  /** 1 for lines of 64 bytes of such a page that hold decoded instructions: data beside them may be written. */
  private readonly codeLines: Uint8Array;
  logging = false;
  /** Raised when translation buffers may let through what they must not. */
  version = 0;
  missingPage = -1;
  keeper: CodeKeeper | undefined;

  constructor(size: number, harts: number) {
    this.base = harts * hartLayout.bytes;
    this.size = size;
    this.pages = size / PAGE_SIZE;
    this.wasm = newWasmMemory(this.base + size);
    this.view = new DataView(this.wasm.buffer);
    this.bytes = new Uint8Array(this.wasm.buffer);
    this.missing = new Uint8Array(this.pages);
    this.dirty = new Uint8Array(this.pages);
    this.written = new Uint8Array(this.pages);
    this.code = new Uint8Array(this.pages);
    this.codeLines = new Uint8Array(this.pages * LINES);
  }

  /** Whether all of `length` bytes from a physical address are memory. */
  holds(address: number, length: number): boolean {
    return address >= MEMORY_BASE && address + length <= MEMORY_BASE + this.size;
  }

  /** Offset in the buffer of a physical address that `holds`, for reading; throws MISSING_PAGE. The bytes must not cross a page. */
  readable(address: number): number {
    const page = (address - MEMORY_BASE) >>> 12;
    if (this.missing[page] === 1) this.miss(page);
    return address - MEMORY_BASE + this.base;
  }

  /** The same for writing `length` bytes: notes it, and has the page's code forgotten if they hold some. */
  writable(address: number, length: number): number {
    const page = (address - MEMORY_BASE) >>> 12;
    if (this.missing[page] === 1) this.miss(page);
    this.dirty[page] = 1;
    if (this.code[page] === 1 && this.holdsCode(page, address & (PAGE_SIZE - 1), length)) this.dropCode(page);
    return address - MEMORY_BASE + this.base;
  }

  /** A copy of bytes that may cross pages; throws MISSING_PAGE. Undefined where they are not all memory. */
  copyOut(address: number, length: number): Uint8Array | undefined {
    if (!this.holds(address, length)) return undefined;
    if (length > 0) this.need(address, length);
    const at = address - MEMORY_BASE + this.base;
    return this.bytes.slice(at, at + length);
  }

  /** Writes bytes that may cross pages, all or none; throws MISSING_PAGE. False where they are not all memory. */
  copyIn(address: number, bytes: Uint8Array): boolean {
    if (!this.holds(address, bytes.length)) return false;
    if (bytes.length === 0) return true;
    this.need(address, bytes.length);
    for (let at = address - (address % PAGE_SIZE); at < address + bytes.length; at += PAGE_SIZE)
      this.writable(at, PAGE_SIZE);
    this.bytes.set(bytes, address - MEMORY_BASE + this.base);
    return true;
  }

  /** Throws MISSING_PAGE unless all pages of a range are there. */
  need(address: number, length: number): void {
    const last = (address + length - 1 - MEMORY_BASE) >>> 12;
    for (let page = (address - MEMORY_BASE) >>> 12; page <= last; page++) if (this.missing[page] === 1) this.miss(page);
  }

  /** A copy; zeros where it is missing. */
  readPage(page: number): Uint8Array {
    if (this.missing[page] === 1) return new Uint8Array(PAGE_SIZE);
    const at = this.base + page * PAGE_SIZE;
    return this.bytes.slice(at, at + PAGE_SIZE);
  }

  writePage(page: number, bytes: Uint8Array): void {
    this.dropCode(page);
    if (this.missing[page] === 1) this.missing[page] = 0;
    this.dirty[page] = 1;
    this.bytes.set(bytes.subarray(0, PAGE_SIZE), this.base + page * PAGE_SIZE);
  }

  forgetPage(page: number): void {
    this.dropCode(page);
    this.missing[page] = 1;
    this.version++;
  }

  startDirtyLog(): void {
    this.logging = true;
    this.clearDirty();
    this.version++;
  }

  /** No page counts as written from now on, but for `isBlank`. */
  clearDirty(): void {
    for (let page = this.dirty.indexOf(1); page >= 0; page = this.dirty.indexOf(1, page + 1)) this.written[page] = 1;
    this.dirty.fill(0);
  }

  /** Whether a page was never written: it is zeros, and the host need not give memory for it by looking at it. */
  isBlank(page: number): boolean {
    return this.dirty[page] === 0 && this.written[page] === 0;
  }

  takeDirty(): readonly number[] {
    const pages: number[] = [];
    for (let page = this.dirty.indexOf(1); page >= 0; page = this.dirty.indexOf(1, page + 1)) pages.push(page);
    this.startDirtyLog();
    return pages;
  }

  /** Whether a translation buffer may let stores to a page through without asking. */
  mayWriteFreely(page: number): boolean {
    // The first store asks, so that it is noted: a page that compiled code alone has written is not blank either.
    const isNoted = this.dirty[page] === 1 || (!this.logging && this.written[page] === 1);
    return isNoted && this.code[page] === 0;
  }

  /** Notes that code of a page is kept from now on; `keepsInstruction` says of which bytes. */
  keepsCode(page: number): void {
    if (this.code[page] === 1) return;
    this.code[page] = 1;
    this.version++;
  }

  /** Notes that bytes of a page were decoded. */
  keepsInstruction(page: number, offset: number, length: number): void {
    const first = page * LINES + (offset >> LINE_SHIFT);
    const last = page * LINES + ((offset + length - 1) >> LINE_SHIFT);
    this.codeLines[first] = 1;
    this.codeLines[last] = 1;
  }

  private holdsCode(page: number, offset: number, length: number): boolean {
    const last = page * LINES + ((Math.min(offset + length, PAGE_SIZE) - 1) >> LINE_SHIFT);
    for (let line = page * LINES + (offset >> LINE_SHIFT); line <= last; line++)
      if (this.codeLines[line] === 1) return true;
    return false;
  }

  /** Has the code of a page forgotten. */
  dropCode(page: number): void {
    if (this.code[page] !== 1) return;
    this.code[page] = 0;
    this.codeLines.fill(0, page * LINES, (page + 1) * LINES);
    this.keeper?.forgetCode(page);
  }

  private miss(page: number): never {
    this.missingPage = page;
    throw MISSING_PAGE;
  }
}
