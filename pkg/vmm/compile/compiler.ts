/**
 * The engine that compiles: code that was come to often runs as WebAssembly, the rest is interpreted, with the same result instruction by instruction. Compiled
 * code takes no traps and reaches no device: before an instruction that would, it comes back, and that one is interpreted. What is seldom, as floating point, it has interpreted and goes on.
 * What is compiled belongs to a page of memory and is dropped when the page's bytes change; it holds at any virtual address.
 */
import { NO_FRAME } from '../frames/page-frames.ts';
import type { GuestMemory } from '../guest-memory.ts';
import { MISSING_PAGE } from '../guest-memory.ts';
import type { Hart } from '../hart/hart.ts';
import { TRAP } from '../hart/hart-state.ts';
import type { Engine, Interpreter } from '../hart/interpreter.ts';
import { READ, WRITE } from '../hart/mmu.ts';
import type { CodeCache, CompiledPage, Entrance, PageCode } from '../isa/code-cache.ts';
import { hartLayout, MEMORY_BASE, PAGE_SIZE } from '../memory-map.ts';
import { ENDS, emitRegion, GOES_ON } from './emit.ts';
import type { ModuleShelf, ShelvedRegion } from './module-shelf.ts';
import { findRegion } from './region.ts';

/** Regions compiled at a time; when there are more, all are dropped and made anew as they are needed. Each costs some 30 KiB. */
const REGIONS_MAX = 4096;

/** The table of them grows by so many: few guests have more. */
const TABLE_STEP = 128;

/** What the engine works on. */
export interface CompilerParts {
  readonly memory: GuestMemory;
  readonly cache: CodeCache;
  readonly interpreter: Interpreter;
  readonly harts: readonly Hart[];
}

const isRegion = (value: unknown): value is Entrance['run'] => typeof value === 'function';

/** The compiling engine of a machine. */
export class Compiler implements Engine {
  /** Regions compiled since the start. */
  compiled = 0;
  /** Modules that were made for them: others were there. */
  private made = 0;
  private readonly parts: CompilerParts;
  private readonly hot: number;
  private readonly modules: ModuleShelf | undefined;
  private live = 0;
  /** The turn before ended with something that happened, such as an access to a device: what comes after that comes again. */
  private isCutShort = false;
  /** Functions of regions by their numbers, for those that lead to each other. */
  private readonly table = new WebAssembly.Table({ element: 'anyfunc', initial: TABLE_STEP, maximum: REGIONS_MAX });
  private readonly imports: {
    readonly m: {
      readonly m: WebAssembly.Memory;
      readonly t: WebAssembly.Table;
      readonly f: CompilerFill;
      readonly s: (base: number) => number;
    };
  };

  /** A place is compiled when it is come to for the `hot`th time; `modules`: what was compiled before. */
  constructor(parts: CompilerParts, hot: number, modules?: ModuleShelf) {
    this.parts = parts;
    this.hot = hot;
    this.modules = modules;
    const f: CompilerFill = (base, lo, hi, kind) => this.fill(base, lo, hi, kind);
    this.imports = { m: { m: parts.memory.wasm, t: this.table, f, s: (base: number) => this.step(base) } };
    parts.cache.onForget = () => {
      for (const hart of parts.harts) hart.mmu.forgetPlaces();
    };
  }

  run(hart: Hart): void {
    const { interpreter } = this.parts;
    // Where a turn begins as the one before had used all that it had is chance: such places are not counted.
    let isArrived = this.isCutShort;
    while (hart.left > 0 && !hart.attention) {
      const entrance = this.entranceAt(hart, isArrived);
      if (entrance === undefined) interpreter.runStraight(hart);
      // It is mostly one instruction, such as the first of a trap's handler, with much behind it that can be compiled.
      else if (entrance === 'never') interpreter.runOne(hart);
      else {
        hart.mmu.place(entrance.code, entrance.entry);
        this.enter(hart, entrance);
      }
      isArrived = true;
    }
    this.isCutShort = hart.left > 0;
  }

  /** Where code is compiled, as offsets in memory. */
  hotPlaces(): readonly number[] {
    return [...this.parts.cache.kept].flatMap((code) =>
      (code.compiled?.starts ?? []).map((offset) => code.page * PAGE_SIZE + offset),
    );
  }

  /** Compiles what is at an offset in memory, where that is code which can be; says whether a module was made for it, which is most of what it takes. */
  warm(place: number): boolean {
    const { cache, memory } = this.parts;
    const madeBefore = this.made;
    if (place % 2 !== 0 || place < 0 || place >= memory.size) return false;
    if (memory.missing[Math.floor(place / PAGE_SIZE)] === 1) return false;
    const code = cache.pageAt(MEMORY_BASE + place);
    const page = this.pageOf(code);
    const offset = place % PAGE_SIZE;
    const entrance = page.entrances[offset >> 1] ?? this.compile(code, page, offset);
    const [hart] = this.parts.harts;
    if (entrance === undefined || hart === undefined) return false;
    // With no instructions to run it does nothing, and its body is there from then on: engines compile one with its first call.
    hart.view.setInt32(hart.at + hartLayout.left, 0, true);
    entrance.run(hart.at, entrance.entry);
    return this.made > madeBefore;
  }

  private enter(hart: Hart, { run, entry }: Entrance): void {
    const { words, at } = hart;
    const pc = (at + hartLayout.pc) >>> 2;
    const left = (at + hartLayout.left) >>> 2;
    words[pc] = hart.pcLo;
    words[pc + 1] = hart.pcHi;
    words[left] = hart.left;
    const end = run(at, entry);
    hart.pcLo = words[pc] ?? 0;
    hart.pcHi = words[pc + 1] ?? 0;
    hart.left = words[left] ?? 0;
    if (end === ENDS.interpret && hart.left > 0) this.parts.interpreter.runOne(hart);
    else if (end === ENDS.budget) this.parts.interpreter.run(hart);
  }

  /**
   * Interprets an instruction in the middle of a region, with the registers that it names, pc and count in the hart's part; says whether the region may go on, or how it ends. Nothing is thrown
   * through the region, which would lose its registers: it ends there, and what comes next throws it again.
   */
  private step(base: number): number {
    const hart = this.hartAt(base);
    if (hart === undefined) return ENDS.interpret;
    const { interpreter } = this.parts;
    const { words, at } = hart;
    const pc = (at + hartLayout.pc) >>> 2;
    const left = (at + hartLayout.left) >>> 2;
    hart.pcLo = words[pc] ?? 0;
    hart.pcHi = words[pc + 1] ?? 0;
    hart.left = words[left] ?? 0;
    const code = interpreter.pageOf(hart);
    let end: number = ENDS.interpret;
    try {
      const isStraight = interpreter.runOne(hart);
      end = ENDS.interpreted;
      // Where the next instruction is may have changed, and what it is.
      if (isStraight && !hart.attention && interpreter.pageOf(hart) === code) end = GOES_ON;
    } catch (error) {
      if (error !== MISSING_PAGE && error !== NO_FRAME) throw error;
    }
    words[pc] = hart.pcLo;
    words[pc + 1] = hart.pcHi;
    words[left] = hart.left;
    return end;
  }

  private hartAt(base: number): Hart | undefined {
    return this.parts.harts[((base >>> 0) - this.parts.memory.harts) / hartLayout.bytes];
  }

  /** The compiled code at the hart's pc, which may be compiled now; undefined where it is to be interpreted, `never` where it cannot be compiled. */
  private entranceAt(hart: Hart, isArrived: boolean): Entrance | 'never' | undefined {
    const code = this.parts.interpreter.pageOf(hart);
    if (code === undefined) return undefined;
    const offset = hart.pcLo & (PAGE_SIZE - 1);
    const page = this.pageOf(code);
    const known = page.entrances[offset >> 1];
    if (known !== undefined || !isArrived) return known;
    const visits = (page.visits[offset >> 1] ?? 0) + 1;
    if (visits === 0) return 'never';
    page.visits[offset >> 1] = visits;
    return visits < this.hot ? undefined : this.compile(code, page, offset);
  }

  private pageOf(code: PageCode): CompiledPage {
    code.compiled ??= {
      entrances: new Array<Entrance | undefined>(PAGE_SIZE / 2),
      visits: new Int16Array(PAGE_SIZE / 2),
      starts: [],
    };
    return code.compiled;
  }

  private compile(code: PageCode, page: CompiledPage, offset: number): Entrance | undefined {
    const { cache, memory } = this.parts;
    if (this.live >= REGIONS_MAX) {
      for (const kept of cache.kept) kept.compiled = undefined;
      for (const hart of this.parts.harts) hart.mmu.forgetPlaces();
      this.live = 0;
      return undefined;
    }
    const region = this.regionAt(code, offset);
    if (region === undefined) {
      page.visits[offset >> 1] = -1;
      return undefined;
    }
    const { module, entries, decoded } = region;
    const run = new WebAssembly.Instance(module, this.imports).exports['r'];
    if (!isRegion(run)) return undefined;
    this.compiled++;
    const number = this.live++;
    if (number >= this.table.length) this.table.grow(TABLE_STEP);
    this.table.set(number, run);
    page.starts.push(offset);
    for (let at = 0; at < decoded.length; at += 2)
      memory.keepsInstruction(code.page, decoded[at] ?? 0, decoded[at + 1] ?? 0);
    for (const [entry, at] of entries.entries()) page.entrances[at >> 1] ??= { run, entry, code: number };
    return page.entrances[offset >> 1];
  }

  /** The region that begins at an offset of a page; it depends on nothing but the page's bytes. */
  private regionAt(code: PageCode, offset: number): ShelvedRegion | undefined {
    const { cache, memory } = this.parts;
    const kind = { pages: memory.wasm.buffer.byteLength / 65_536, isShared: memory.frames.isShared };
    const make = (): ShelvedRegion | undefined => {
      const decoded = new Map<number, number>();
      const region = findRegion(offset, (at) => {
        const instruction = cache.instructionAt(code, at);
        if (instruction !== undefined) decoded.set(at, instruction.length);
        return instruction;
      });
      if (region === undefined) return undefined;
      this.made++;
      return {
        module: new WebAssembly.Module(emitRegion(region, kind)),
        entries: region.entries.map((index) => region.blocks[index]?.offset ?? 0),
        decoded: [...decoded].flat(),
      };
    };
    if (this.modules === undefined) return make();
    return this.modules.regionOf({ page: memory.readPage(code.page), offset, memory: JSON.stringify(kind) }, make);
  }

  /** Makes the translation buffer let an access through; 0 where it does not: the access faults, is a device's, or must be noted. */
  private fill(base: number, lo: number, hi: number, kind: number): number {
    const hart = this.hartAt(base);
    if (hart === undefined) return 0;
    const access = (kind & 16) === 0 ? READ : WRITE;
    const size = kind & 15;
    if ((lo & (size - 1)) !== 0) return 0;
    try {
      hart.mmu.translate(access, lo, hi, size);
    } catch (error) {
      if (error === TRAP || error === MISSING_PAGE || error === NO_FRAME) return 0;
      throw error;
    }
    return hart.mmu.quick(access, lo, hi, size) < 0 ? 0 : 1;
  }
}

type CompilerFill = (base: number, lo: number, hi: number, kind: number) => number;
