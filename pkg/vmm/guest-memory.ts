/**
 * The buffer that holds the harts' state and the guest's memory, and what is known of each page of that memory: where its bytes are, whether it is there, whether
 * it was written since the log began, whether instructions of it were decoded. Invariant: a translation buffer lets a store through only to
 * pages that are there, have a frame of their own, hold no decoded instruction, were written before and are in the log already (if there is one); so whoever changes one of these facts
 * for the worse raises `version`, and harts empty their buffers when it is not theirs. Where a page that was lent gets a frame of its own, in the middle of an instruction, harts are told at once,
 * by `onMoved`, if one of their buffers may let loads through to the old one. Knows neither harts nor devices.
 */
import { OwnFrames, type PageFrames } from './frames/page-frames.ts';
import { MEMORY_BASE, PAGE_SIZE } from './memory-map.ts';

const LINE_SHIFT = 6;
const LINES = PAGE_SIZE >> LINE_SHIFT;
/** So many lines beside its code that are written one after the other say of a page that it is being used for something else. */
const SWEPT_LINES = 2;
/** Pages that are remembered for having been; a loop that writes beside the code of more has that made anew each time. */
const FORGOTTEN_MAX = 4;

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
  /** Offset of the harts' part of the buffer. */
  readonly harts: number;
  readonly frames: PageFrames;
  readonly size: number;
  readonly pages: number;
  /** 1 for pages that are not there, written pages, and pages of which code is kept. */
  readonly missing: Uint8Array;
  readonly dirty: Uint8Array;
  /** Pages that were written before `dirty` began anew. */
  private readonly written: Uint8Array;
  readonly code: Uint8Array;
  /** 1 for pages that were read or written, or whose code was run, since the log began anew: translation buffers are emptied then, so that whoever uses a page is noted. */
  readonly touched: Uint8Array;
  /** 1 for lines of 64 bytes of such a page that hold decoded instructions: data beside them may be written. */
  private readonly codeLines: Uint8Array;
  /** The line beside code that was written last, by its number in all of memory, and how many there were in its page one after the other. */
  private sweptLine = -1;
  private swept = 0;
  /** The pages whose code was forgotten last as others of their lines were written, and what those with code were. */
  private forgotten: { readonly page: number; readonly lines: Uint8Array; readonly sum: number }[] = [];
  /** 1 for pages where that was wrong: they have code and data, until their code changes. */
  private readonly mixed: Uint8Array;
  /** 1 for pages that translation buffers were given while they were lent. */
  private readonly shown: Uint8Array;
  private readonly offsets: Uint32Array;
  private readonly lent: Uint8Array;
  logging = false;
  /** Raised when translation buffers may let through what they must not. */
  version = 0;
  missingPage = -1;
  keeper: CodeKeeper | undefined;
  onMoved: (() => void) | undefined;

  constructor(size: number, harts: number, frames: PageFrames = new OwnFrames(size, harts)) {
    this.frames = frames;
    this.harts = frames.harts;
    this.offsets = frames.offsets;
    this.lent = frames.lent;
    this.size = size;
    this.pages = size / PAGE_SIZE;
    this.wasm = frames.wasm;
    this.view = new DataView(this.wasm.buffer);
    this.bytes = new Uint8Array(this.wasm.buffer);
    this.missing = new Uint8Array(this.pages);
    this.dirty = new Uint8Array(this.pages);
    this.written = new Uint8Array(this.pages);
    this.shown = new Uint8Array(this.pages);
    this.code = new Uint8Array(this.pages);
    this.touched = new Uint8Array(this.pages);
    this.codeLines = new Uint8Array(this.pages * LINES);
    this.mixed = new Uint8Array(this.pages);
  }

  /** Whether all of `length` bytes from a physical address are memory. */
  holds(address: number, length: number): boolean {
    return address >= MEMORY_BASE && address + length <= MEMORY_BASE + this.size;
  }

  /** Offset in the buffer of a physical address that `holds`, for reading; throws MISSING_PAGE. The bytes must not cross a page. */
  readable(address: number): number {
    const page = (address - MEMORY_BASE) >>> 12;
    if (this.missing[page] === 1) this.miss(page);
    this.touched[page] = 1;
    return this.offsetOf(page) + (address & (PAGE_SIZE - 1));
  }

  /** The same for writing `length` bytes: notes it, and has the page's code forgotten if they hold some. Throws NO_FRAME too. */
  writable(address: number, length: number): number {
    const page = (address - MEMORY_BASE) >>> 12;
    if (this.missing[page] === 1) this.miss(page);
    if (this.lent[page] === 1) this.own(page);
    this.dirty[page] = 1;
    this.touched[page] = 1;
    if (this.code[page] === 1) this.writesBeside(page, address & (PAGE_SIZE - 1), length);
    return this.offsetOf(page) + (address & (PAGE_SIZE - 1));
  }

  /** Where a page's bytes are in the buffer; for reading, and until it is written or moved. */
  offsetOf(page: number): number {
    return this.offsets[page] ?? 0;
  }

  /** Notes that a translation buffer lets loads through to a page. */
  shows(page: number): void {
    this.touched[page] = 1;
    if (this.lent[page] === 1) this.shown[page] = 1;
  }

  /** A copy of bytes that may cross pages; throws MISSING_PAGE. Undefined where they are not all memory. */
  copyOut(address: number, length: number): Uint8Array | undefined {
    const copy = new Uint8Array(Math.max(0, length));
    return this.copyOutTo(copy, 0, { address, length }) ? copy : undefined;
  }

  /** The same into bytes that there are, from `at` on; false where they are not all memory. */
  copyOutTo(
    bytes: Uint8Array,
    at: number,
    { address, length }: { readonly address: number; readonly length: number },
  ): boolean {
    if (!this.holds(address, length)) return false;
    if (length > 0 && !isInPage(address, length)) this.need(address, length);
    for (let done = 0; done < length; ) {
      const from = address + done;
      const part = Math.min(length - done, PAGE_SIZE - (from % PAGE_SIZE));
      const offset = this.readable(from);
      bytes.set(this.bytes.subarray(offset, offset + part), at + done);
      done += part;
    }
    return true;
  }

  /** Writes bytes that may cross pages, all or none; throws MISSING_PAGE and NO_FRAME. False where they are not all memory. */
  copyIn(address: number, bytes: Uint8Array): boolean {
    if (!this.holds(address, bytes.length)) return false;
    if (bytes.length === 0) return true;
    if (isInPage(address, bytes.length)) {
      this.bytes.set(bytes, this.writable(address, bytes.length));
      return true;
    }
    this.needOwn(address, bytes.length);
    for (const { at, from, length } of piecesOf(address, bytes.length))
      this.bytes.set(bytes.subarray(from, from + length), this.writable(at, length));
    return true;
  }

  /** Throws MISSING_PAGE unless all pages of a range are there. */
  need(address: number, length: number): void {
    const last = (address + length - 1 - MEMORY_BASE) >>> 12;
    for (let page = (address - MEMORY_BASE) >>> 12; page <= last; page++) if (this.missing[page] === 1) this.miss(page);
  }

  /** The same, and NO_FRAME unless all of them can be written: afterwards they can, until other pages are shared. */
  needOwn(address: number, length: number): void {
    this.need(address, length);
    const last = (address + length - 1 - MEMORY_BASE) >>> 12;
    for (let page = (address - MEMORY_BASE) >>> 12; page <= last; page++) if (this.lent[page] === 1) this.own(page);
  }

  /** A copy; zeros where it is missing. */
  readPage(page: number): Uint8Array {
    if (this.missing[page] === 1) return new Uint8Array(PAGE_SIZE);
    const at = this.offsetOf(page);
    return this.bytes.slice(at, at + PAGE_SIZE);
  }

  /** Throws NO_FRAME. */
  writePage(page: number, bytes: Uint8Array): void {
    if (this.lent[page] === 1) this.own(page);
    this.dropCode(page);
    if (this.missing[page] === 1) this.missing[page] = 0;
    this.dirty[page] = 1;
    this.bytes.set(bytes.subarray(0, PAGE_SIZE), this.offsetOf(page));
  }

  /** Pages are zeros from now on, and their frames are given back where there are others who may have them; those that are missing stay so. */
  clearPages(pages: readonly number[]): void {
    for (const page of pages) {
      if (this.missing[page] === 1) continue;
      this.dropCode(page);
      this.frames.drop(page);
      const at = this.offsetOf(page);
      if (this.lent[page] === 0) this.bytes.fill(0, at, at + PAGE_SIZE);
      this.dirty[page] = 1;
    }
    this.moved();
  }

  /** Frames of pages have changed, or pages are lent now: buffers are emptied at once. */
  moved(): void {
    this.shown.fill(0);
    this.version++;
    this.onMoved?.();
  }

  forgetPage(page: number): void {
    this.dropCode(page);
    this.missing[page] = 1;
    this.frames.drop(page);
    this.version++;
  }

  startDirtyLog(): void {
    this.logging = true;
    this.clearDirty();
    this.touched.fill(0);
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
    const pages = numbersOf(this.dirty);
    this.startDirtyLog();
    return pages;
  }

  /** Pages that were used since the log began anew, ascending. */
  get touchedPages(): readonly number[] {
    return numbersOf(this.touched);
  }

  /** Whether a translation buffer may let stores to a page through without asking. */
  mayWriteFreely(page: number): boolean {
    // The first store asks, so that it is noted: a page that compiled code alone has written is not blank either.
    const isNoted = this.dirty[page] === 1 || (!this.logging && this.written[page] === 1);
    return isNoted && this.code[page] === 0 && this.lent[page] === 0;
  }

  /** Notes that code of a page is kept from now on; `keepsInstruction` says of which bytes. */
  keepsCode(page: number): void {
    if (this.code[page] === 1) return;
    this.code[page] = 1;
    this.version++;
    // One of those that comes next, and is the same, has not been filled anew.
    const found = this.forgotten.find((forgotten) => forgotten.page === page);
    const isSame = found !== undefined && this.sumOf(page, found.lines) === found.sum;
    if (isSame) this.mixed[page] = 1;
    this.forgotten = isSame ? this.forgotten.filter((forgotten) => forgotten !== found) : [];
  }

  /** Notes that bytes of a page were decoded. */
  keepsInstruction(page: number, offset: number, length: number): void {
    const first = page * LINES + (offset >> LINE_SHIFT);
    const last = page * LINES + ((offset + length - 1) >> LINE_SHIFT);
    this.codeLines[first] = 1;
    this.codeLines[last] = 1;
  }

  /**
   * A page with code is written, or only data beside that. Stores to it are slow while it has code, so a page that is filled anew, as one of a process that is no more, had better have none: its code
   * is forgotten already before it is reached.
   */
  private writesBeside(page: number, offset: number, length: number): void {
    if (this.holdsCode(page, offset, length)) {
      this.mixed[page] = 0;
      this.dropCode(page);
      return;
    }
    const line = page * LINES + (offset >> LINE_SHIFT);
    if (this.mixed[page] === 1 || line === this.sweptLine) return;
    const isSamePage = line >> (12 - LINE_SHIFT) === this.sweptLine >> (12 - LINE_SHIFT);
    this.swept = isSamePage ? this.swept + 1 : 1;
    this.sweptLine = line;
    if (this.swept < SWEPT_LINES) return;
    const lines = this.codeLines.slice(page * LINES, (page + 1) * LINES);
    this.forgotten.push({ page, lines, sum: this.sumOf(page, lines) });
    if (this.forgotten.length > FORGOTTEN_MAX) this.forgotten.shift();
    this.dropCode(page);
  }

  /** A number that says of some lines of a page whether they have changed. */
  private sumOf(page: number, lines: Uint8Array): number {
    const at = this.offsetOf(page);
    let sum = 0;
    for (let byte = 0; byte < PAGE_SIZE; byte += 4)
      if (lines[byte >> LINE_SHIFT] === 1) sum = (Math.imul(sum, 31) + this.view.getInt32(at + byte, true)) | 0;
    return sum;
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

  private own(page: number): void {
    this.frames.own(page);
    if (this.shown[page] === 1) this.moved();
  }

  private miss(page: number): never {
    this.missingPage = page;
    throw MISSING_PAGE;
  }
}

/** Numbers of the pages whose flag is 1. */
function numbersOf(flags: Uint8Array): readonly number[] {
  const pages: number[] = [];
  for (let page = flags.indexOf(1); page >= 0; page = flags.indexOf(1, page + 1)) pages.push(page);
  return pages;
}

/** Whether bytes that there are lie in one page. */
function isInPage(address: number, length: number): boolean {
  return length > 0 && (address % PAGE_SIZE) + length <= PAGE_SIZE;
}

/** The parts of a range that lie in one page each. */
function* piecesOf(
  address: number,
  length: number,
): Generator<{ readonly at: number; readonly from: number; readonly length: number }> {
  for (let from = 0; from < length; ) {
    const at = address + from;
    const part = Math.min(length - from, PAGE_SIZE - (at % PAGE_SIZE));
    yield { at, from, length: part };
    from += part;
  }
}
