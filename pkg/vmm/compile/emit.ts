/**
 * A region as a module. Its function takes the hart's offset and the number of an entry, runs blocks until one leads out of the page, must be interpreted, or
 * does not fit into the instructions that are left; then writes registers, pc and count back, and says why it ended. Counts are exact where it ends.
 */
import type { Instruction } from '../isa/instruction.ts';
import { hartLayout, JUMP_ENTRIES, PAGE_SIZE } from '../memory-map.ts';
import { isControl, translateControl } from './control.ts';
import type { Block, Region } from './region.ts';
import {
  isInterpreted,
  type Locals,
  registersOf,
  type Target,
  translate,
  translateLink,
  translateTest,
} from './translate.ts';
import { functions, type ModuleMemory, moduleOf, type WasmFunction, WasmWriter, wasm } from './wasm-writer.ts';

/** Why a region's function came back: it goes on where no code is known, the instruction at pc must be interpreted, too few are left for its next block, or an instruction that was interpreted has the last word. */
export const ENDS = { elsewhere: 0, interpret: 1, budget: 2, interpreted: 3 } as const;
/** What `step` answers where the region goes on; else it is how it ends, with pc and count where it left them. */
export const GOES_ON = -1;

const BASE = 0;
const ENTRY = 1;
/** Return points that a jump by register is compared with; more would cost more than they save. */
const RETURNS_MAX = 6;

/** Numbers of the locals: two parameters, then those of i64, then those of i32. */
function localsOf(
  used: readonly number[],
): Locals & { readonly pc: number; readonly left: number; readonly end: number } {
  const i64 = 2 + used.length;
  const i32 = i64 + 4;
  return {
    base: BASE,
    register: (register) => 2 + used.indexOf(register),
    address: i64,
    page: i64 + 1,
    pc: i64 + 2,
    value: i64 + 3,
    left: i32,
    low: i32 + 1,
    entry: i32 + 2,
    buffer: i32 + 3,
    end: i32 + 4,
  };
}

/** Writes one region. */
class RegionEmitter {
  readonly out = new WasmWriter();
  private readonly region: Region;
  private readonly used: readonly number[];
  private readonly locals: ReturnType<typeof localsOf>;
  private readonly indices: ReadonlyMap<number, number>;
  /** Offsets after calls, which jumps by register may lead to. */
  private readonly returns: readonly number[];

  constructor(region: Region) {
    this.region = region;
    const instructions = region.blocks.flatMap(({ code }) => code.map(({ instruction }) => instruction));
    this.used = [...new Set(instructions.flatMap(registersOf))].sort((a, b) => a - b);
    this.locals = localsOf(this.used);
    this.indices = new Map(region.blocks.map(({ offset }, index) => [offset, index]));
    this.returns = region.entries
      .slice(1)
      .map((index) => region.blocks[index]?.offset ?? 0)
      .slice(0, RETURNS_MAX);
  }

  write(): WasmFunction {
    const { out, locals, region } = this;
    this.enter();
    out.block('exit');
    out.loop('dispatch');
    this.range(0, region.blocks.length - 1, true);
    out.end();
    out.end();
    this.exit();
    this.goOn();
    out.get(locals.end);
    return { i64Locals: this.used.length + 4, i32Locals: 5, bytes: out.bytes };
  }

  private enter(): void {
    const { out, locals } = this;
    for (const register of this.used) this.get(register);
    out.get(BASE);
    out.memory(wasm.i64Load, hartLayout.pc);
    out.i64(-PAGE_SIZE);
    out.op(wasm.i64And);
    out.set(locals.page);
    this.take(hartLayout.left, locals.left);
    this.take(hartLayout.dataTlb, locals.buffer);
  }

  /** A register comes from the hart's part. */
  private get(register: number): void {
    const { out } = this;
    out.get(BASE);
    out.memory(wasm.i64Load, hartLayout.x + register * 8);
    out.set(this.locals.register(register));
  }

  /** A register goes there. */
  private put(register: number): void {
    const { out } = this;
    out.get(BASE);
    out.get(this.locals.register(register));
    out.memory(wasm.i64Store, hartLayout.x + register * 8);
  }

  /** A word comes from there. */
  private take(field: number, local: number): void {
    const { out } = this;
    out.get(BASE);
    out.memory(wasm.i32Load, field);
    out.set(local);
  }

  private exit(): void {
    const { out, locals } = this;
    for (const register of this.used) this.put(register);
    out.get(BASE);
    out.get(locals.pc);
    out.memory(wasm.i64Store, hartLayout.pc);
    out.get(BASE);
    out.get(locals.left);
    out.memory(wasm.i32Store, hartLayout.left);
  }

  /** Where it goes on elsewhere, and the hart has found code there before, becomes that. */
  private goOn(): void {
    const { out, locals } = this;
    out.get(locals.end);
    out.op(wasm.i32Eqz);
    out.if();
    out.get(locals.pc);
    out.op(wasm.i32Wrap);
    out.i32(3);
    out.op(wasm.i32Shl);
    out.i32((JUMP_ENTRIES - 1) * 16);
    out.op(wasm.i32And);
    out.get(BASE);
    out.memory(wasm.i32Load, hartLayout.places);
    out.op(wasm.i32Add);
    out.tee(locals.entry);
    out.memory(wasm.i64Load, 0);
    out.get(locals.pc);
    out.op(wasm.i64Eq);
    out.if();
    out.get(BASE);
    out.get(locals.entry);
    out.memory(wasm.i32Load, 12);
    out.get(locals.entry);
    out.memory(wasm.i32Load, 8);
    out.becomes();
    out.end();
    out.end();
  }

  /** Blocks of a range, loops in it as one; each can be jumped to from those before it. */
  private range(first: number, last: number, isOutermost: boolean): void {
    const { out, region } = this;
    const items: { readonly first: number; readonly last: number; readonly isLoop: boolean }[] = [];
    for (let index = first; index <= last; ) {
      const isInner = isOutermost || index !== first;
      const outer = region.loops.filter((loop) => loop.first === index).sort((a, b) => b.last - a.last)[0];
      const loop = isInner ? outer : undefined;
      items.push({ first: index, last: loop?.last ?? index, isLoop: loop !== undefined });
      index = (loop?.last ?? index) + 1;
    }
    const labelled = isOutermost ? items : items.slice(1);
    for (const item of [...labelled].reverse()) out.block(`to ${item.first}`);
    if (isOutermost) {
      out.get(ENTRY);
      out.brTable(region.entries.map((index) => `to ${index}`));
    }
    for (const [position, item] of items.entries()) {
      if (isOutermost || position > 0) out.end();
      if (item.isLoop) {
        out.loop(`to ${item.first}`);
        this.range(item.first, item.last, false);
        out.end();
      } else this.block(item.first, last);
    }
  }

  private block(index: number, last: number): void {
    const { out, locals, region } = this;
    const block = region.blocks[index];
    if (block === undefined) return;
    const count = block.code.length;
    out.get(locals.left);
    out.i32(count);
    out.op(wasm.i32Sub);
    out.tee(locals.left);
    out.i32(0);
    out.op(wasm.i32LtS);
    out.if();
    this.leave(block.offset, ENDS.budget, count);
    out.end();
    for (const [at, { instruction, offset }] of block.code.entries()) {
      const target: Target = { out, locals, leave: () => this.leave(offset, ENDS.interpret, count - at) };
      if (instruction.operation.format === 'B') this.branch(target, instruction, block);
      else if (instruction.operation.name === 'jal') {
        translateLink(target, instruction, offset);
        this.goTo(offset + instruction.imm);
      } else if (instruction.operation.name === 'jalr') this.indirect(target, instruction, offset);
      else if (isControl(instruction))
        translateControl(target, instruction, () => this.step(instruction, offset, count - at));
      else if (isInterpreted(instruction)) this.step(instruction, offset, count - at);
      else translate(target, instruction, offset);
    }
    const end = block.code.at(-1);
    const after = (end?.offset ?? 0) + (end?.instruction.length ?? 0);
    if (block.isCut) this.leave(after, after < PAGE_SIZE ? ENDS.interpret : ENDS.elsewhere, 0);
    else if (block.next !== undefined && (this.indices.get(block.next) !== index + 1 || index === last))
      this.goTo(block.next);
  }

  private branch(target: Target, instruction: Instruction, block: Block): void {
    const { out } = this;
    const placed = block.code.at(-1);
    translateTest(target, instruction);
    out.if();
    this.goTo((placed?.offset ?? 0) + instruction.imm);
    out.end();
  }

  /** Goes on at an offset of the page, which may lie outside of the region and of the page. */
  private goTo(offset: number): void {
    const { out } = this;
    const index = this.indices.get(offset);
    const label = `to ${index}`;
    if (index === undefined) this.leave(offset, ENDS.elsewhere, 0);
    else if (out.has(label)) out.br(label);
    else {
      out.i32(this.region.entries.indexOf(index));
      out.set(ENTRY);
      out.br('dispatch');
    }
  }

  private indirect(target: Target, instruction: Instruction, offset: number): void {
    const { out, locals } = this;
    translateLink(target, instruction, offset);
    for (const point of instruction.rd === 0 ? this.returns : []) {
      out.get(locals.address);
      out.get(locals.page);
      out.i64(point);
      out.op(wasm.i64Add, wasm.i64Eq);
      out.if();
      this.goTo(point);
      out.end();
    }
    out.get(locals.address);
    out.set(locals.pc);
    out.i32(ENDS.elsewhere);
    out.set(locals.end);
    out.br('exit');
  }

  /** Has the interpreter do an instruction, and goes on behind it where it says so; `left`: how many of its block are not run yet. */
  private step(instruction: Instruction, offset: number, left: number): void {
    const { out, locals } = this;
    const registers = registersOf(instruction);
    for (const register of registers) this.put(register);
    out.get(BASE);
    out.get(locals.page);
    out.i64(offset);
    out.op(wasm.i64Add);
    out.memory(wasm.i64Store, hartLayout.pc);
    out.get(BASE);
    out.get(locals.left);
    out.i32(left);
    out.op(wasm.i32Add);
    out.memory(wasm.i32Store, hartLayout.left);
    out.get(BASE);
    out.call(functions.step);
    out.set(locals.end);
    if (registers.includes(instruction.rd)) this.get(instruction.rd);
    this.take(hartLayout.dataTlb, locals.buffer);
    out.get(locals.end);
    out.i32(GOES_ON);
    out.op(wasm.i32Ne);
    out.if();
    out.get(BASE);
    out.memory(wasm.i64Load, hartLayout.pc);
    out.set(locals.pc);
    this.take(hartLayout.left, locals.left);
    out.br('exit');
    out.end();
  }

  /** Ends the function before the instruction at an offset, giving back the count of those that were not run. */
  private leave(offset: number, end: number, unused: number): void {
    const { out, locals } = this;
    if (unused > 0) {
      out.get(locals.left);
      out.i32(unused);
      out.op(wasm.i32Add);
      out.set(locals.left);
    }
    out.get(locals.page);
    out.i64(offset);
    out.op(wasm.i64Add);
    out.set(locals.pc);
    out.i32(end);
    out.set(locals.end);
    out.br('exit');
  }
}

/** The high half of the product of two unsigned numbers, from their halves. */
function mulhu(): WasmFunction {
  const out = new WasmWriter();
  const [a, b, middle, other] = [0, 1, 2, 3];
  const lowHalf = (local: number): void => {
    out.get(local);
    out.i64(0xffff_ffffn);
    out.op(wasm.i64And);
  };
  const highHalf = (local: number): void => {
    out.get(local);
    out.i64(32);
    out.op(wasm.i64ShrU);
  };
  // middle = high(a) * low(b) + high half of low(a) * low(b)
  highHalf(a);
  lowHalf(b);
  out.op(wasm.i64Mul);
  lowHalf(a);
  lowHalf(b);
  out.op(wasm.i64Mul);
  out.i64(32);
  out.op(wasm.i64ShrU, wasm.i64Add);
  out.set(middle);
  // other = low(a) * high(b) + low half of middle
  lowHalf(a);
  highHalf(b);
  out.op(wasm.i64Mul);
  lowHalf(middle);
  out.op(wasm.i64Add);
  out.set(other);
  highHalf(a);
  highHalf(b);
  out.op(wasm.i64Mul);
  highHalf(middle);
  out.op(wasm.i64Add);
  highHalf(other);
  out.op(wasm.i64Add);
  return { i64Locals: 2, i32Locals: 0, bytes: out.bytes };
}

const highProduct = mulhu();

/** The module of a region; its function's entries are those of the region, by their place in the list. */
export function emitRegion(region: Region, memory: ModuleMemory): Uint8Array {
  return moduleOf(new RegionEmitter(region).write(), highProduct, memory);
}
