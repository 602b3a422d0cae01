/**
 * Single instructions as WebAssembly: what the interpreter's handlers do, on registers in locals. What is not in the tables is interpreted (`control.ts` has more of them). An access that its
 * translation buffer does not let through asks `fill`; where that does not help either, the region ends before the instruction.
 */
import type { Format, Instruction } from '../isa/instruction.ts';
import { CONTEXTS, TLB_BYTES, TLB_ENTRIES } from '../memory-map.ts';
import { functions, type WasmWriter, wasm, wasmTypes } from './wasm-writer.ts';

/** Where a region's function keeps things. */
export interface Locals {
  /** Offset of the hart's part of the buffer. */
  readonly base: number;
  readonly register: (register: number) => number;
  /** i64: an address, the page's own, and a value. */
  readonly address: number;
  readonly page: number;
  readonly value: number;
  /** i32: the low half of the address, an entry of the buffer, and the buffer of reads. */
  readonly low: number;
  readonly entry: number;
  readonly buffer: number;
}

/** What a translation writes to, and how it leaves the region before the instruction that it is of. */
export interface Target {
  readonly out: WasmWriter;
  readonly locals: Locals;
  readonly leave: () => void;
}

type Translation = (target: Target, instruction: Instruction) => void;

/** Leaves a register on the stack. */
export function read({ out, locals }: Target, register: number): void {
  if (register === 0) out.i64(0);
  else out.get(locals.register(register));
}

/** Puts what is on the stack into a register. */
export function write({ out, locals }: Target, register: number): void {
  if (register === 0) out.op(wasm.drop);
  else out.set(locals.register(register));
}

const registers =
  (...codes: readonly number[]): Translation =>
  (target, { rd, rs1, rs2 }) => {
    read(target, rs1);
    read(target, rs2);
    target.out.op(...codes);
    write(target, rd);
  };

const immediate =
  (...codes: readonly number[]): Translation =>
  (target, { rd, rs1, imm }) => {
    read(target, rs1);
    target.out.i64(imm);
    target.out.op(...codes);
    write(target, rd);
  };

/** On the low halves; the result is sign-extended. */
const words =
  (...codes: readonly number[]): Translation =>
  (target, { rd, rs1, rs2 }) => {
    read(target, rs1);
    target.out.op(wasm.i32Wrap);
    read(target, rs2);
    target.out.op(wasm.i32Wrap, ...codes, wasm.i64ExtendS);
    write(target, rd);
  };

const wordShift =
  (code: number): Translation =>
  (target, { rd, rs1, imm }) => {
    read(target, rs1);
    target.out.op(wasm.i32Wrap);
    target.out.i32(imm);
    target.out.op(code, wasm.i64ExtendS);
    write(target, rd);
  };

/** Leaves the address in `address`, its low half in `low`, and the offset of the byte in the buffer on the stack. */
function locate(target: Target, { rs1, imm }: Instruction, size: number, isWrite: boolean): void {
  const { out, locals } = target;
  const part = isWrite ? TLB_BYTES * CONTEXTS : 0;
  read(target, rs1);
  if (imm !== 0) {
    out.i64(imm);
    out.op(wasm.i64Add);
  }
  out.tee(locals.address);
  out.op(wasm.i32Wrap);
  out.tee(locals.low);
  out.i32(8);
  out.op(wasm.i32ShrU);
  out.i32((TLB_ENTRIES - 1) * 16);
  out.op(wasm.i32And);
  out.get(locals.buffer);
  out.op(wasm.i32Add);
  out.tee(locals.entry);
  out.memory(wasm.i64Load, part);
  out.get(locals.address);
  out.i64(-4096 | (size - 1));
  out.op(wasm.i64And, wasm.i64Ne);
  out.if();
  out.get(locals.base);
  out.get(locals.low);
  out.get(locals.address);
  out.i64(32);
  out.op(wasm.i64ShrU, wasm.i32Wrap);
  out.i32(size | (isWrite ? 16 : 0));
  out.call(functions.fill);
  out.op(wasm.i32Eqz);
  out.if();
  target.leave();
  out.end();
  out.end();
  out.get(locals.entry);
  out.memory(wasm.i32Load, part + 8);
  out.get(locals.low);
  out.op(wasm.i32Add);
}

const load =
  (size: number, code: number): Translation =>
  (target, i) => {
    locate(target, i, size, false);
    target.out.memory(code, 0);
    write(target, i.rd);
  };

const store =
  (size: number, code: number): Translation =>
  (target, i) => {
    locate(target, i, size, true);
    read(target, i.rs2);
    target.out.memory(code, 0);
  };

/** Read, combined with rs2 and written back; the old value is the result. */
const modify =
  (size: 4 | 8, codes: readonly number[]): Translation =>
  (target, i) => {
    const { out, locals } = target;
    const at = { ...i, imm: 0 };
    locate(target, at, size, true);
    out.tee(locals.entry);
    out.memory(size === 4 ? wasm.i64Load32S : wasm.i64Load, 0);
    out.set(locals.address);
    out.get(locals.entry);
    if (codes.length > 0) out.get(locals.address);
    read(target, i.rs2);
    out.op(...codes);
    out.memory(size === 4 ? wasm.i64Store32 : wasm.i64Store, 0);
    out.get(locals.address);
    write(target, i.rd);
  };

const modifications: readonly (readonly [string, readonly number[]])[] = [
  ['amoswap', []],
  ['amoadd', [wasm.i64Add]],
  ['amoxor', [wasm.i64Xor]],
  ['amoand', [wasm.i64And]],
  ['amoor', [wasm.i64Or]],
];

/** `whenZero` answers a divisor of 0; where the one overflow would trap, `whenMinusOne` answers -1. */
const divide =
  (code: number, whenZero: 'ones' | 'dividend', whenMinusOne: boolean): Translation =>
  (target, { rd, rs1, rs2 }) => {
    const { out } = target;
    read(target, rs2);
    out.op(wasm.i64Eqz);
    out.if(wasmTypes.i64);
    if (whenZero === 'ones') out.i64(-1);
    else read(target, rs1);
    out.else();
    if (whenMinusOne) {
      read(target, rs2);
      out.i64(-1);
      out.op(wasm.i64Eq);
      out.if(wasmTypes.i64);
      out.i64(0);
      read(target, rs1);
      out.op(wasm.i64Sub);
      out.else();
    }
    read(target, rs1);
    read(target, rs2);
    out.op(code);
    if (whenMinusOne) out.end();
    out.end();
    write(target, rd);
  };

/** Words are extended to 64 bits, in which nothing overflows. */
const divideWords =
  (code: number, extend: readonly number[], whenZero: 'ones' | 'dividend'): Translation =>
  (target, { rd, rs1, rs2 }) => {
    const { out } = target;
    read(target, rs2);
    out.op(wasm.i32Wrap, wasm.i32Eqz);
    out.if(wasmTypes.i64);
    if (whenZero === 'ones') out.i64(-1);
    else {
      read(target, rs1);
      out.op(wasm.i64Extend32);
    }
    out.else();
    read(target, rs1);
    out.op(...extend);
    read(target, rs2);
    out.op(...extend, code, wasm.i64Extend32);
    out.end();
    write(target, rd);
  };

/** The high half of a product; a negative operand that is signed takes the other one off. */
const high =
  (isFirstSigned: boolean, isSecondSigned: boolean): Translation =>
  (target, { rd, rs1, rs2 }) => {
    const { out } = target;
    read(target, rs1);
    read(target, rs2);
    out.call(functions.mulhu);
    for (const [sign, other] of [...(isFirstSigned ? [[rs1, rs2]] : []), ...(isSecondSigned ? [[rs2, rs1]] : [])]) {
      read(target, sign ?? 0);
      out.i64(63);
      out.op(wasm.i64ShrS);
      read(target, other ?? 0);
      out.op(wasm.i64And, wasm.i64Sub);
    }
    write(target, rd);
  };

const upper: Translation = (target, { rd, imm }) => {
  target.out.i64(imm);
  write(target, rd);
};

const zeroExtended = [wasm.i32Wrap, wasm.i64ExtendU];

const translations = new Map<string, Translation>([
  ['lui', upper],
  ['add', registers(wasm.i64Add)],
  ['sub', registers(wasm.i64Sub)],
  ['sll', registers(wasm.i64Shl)],
  ['slt', registers(wasm.i64LtS, wasm.i64ExtendU)],
  ['sltu', registers(wasm.i64LtU, wasm.i64ExtendU)],
  ['xor', registers(wasm.i64Xor)],
  ['srl', registers(wasm.i64ShrU)],
  ['sra', registers(wasm.i64ShrS)],
  ['or', registers(wasm.i64Or)],
  ['and', registers(wasm.i64And)],
  ['addi', immediate(wasm.i64Add)],
  ['slti', immediate(wasm.i64LtS, wasm.i64ExtendU)],
  ['sltiu', immediate(wasm.i64LtU, wasm.i64ExtendU)],
  ['xori', immediate(wasm.i64Xor)],
  ['ori', immediate(wasm.i64Or)],
  ['andi', immediate(wasm.i64And)],
  ['slli', immediate(wasm.i64Shl)],
  ['srli', immediate(wasm.i64ShrU)],
  ['srai', immediate(wasm.i64ShrS)],
  ['addiw', immediate(wasm.i64Add, wasm.i64Extend32)],
  ['addw', registers(wasm.i64Add, wasm.i64Extend32)],
  ['subw', registers(wasm.i64Sub, wasm.i64Extend32)],
  ['slliw', wordShift(wasm.i32Shl)],
  ['srliw', wordShift(wasm.i32ShrU)],
  ['sraiw', wordShift(wasm.i32ShrS)],
  ['sllw', words(wasm.i32Shl)],
  ['srlw', words(wasm.i32ShrU)],
  ['sraw', words(wasm.i32ShrS)],
  ['mul', registers(wasm.i64Mul)],
  ['mulw', registers(wasm.i64Mul, wasm.i64Extend32)],
  ['mulhu', high(false, false)],
  ['mulh', high(true, true)],
  ['mulhsu', high(true, false)],
  ['div', divide(wasm.i64DivS, 'ones', true)],
  ['divu', divide(wasm.i64DivU, 'ones', false)],
  ['rem', divide(wasm.i64RemS, 'dividend', false)],
  ['remu', divide(wasm.i64RemU, 'dividend', false)],
  ['divw', divideWords(wasm.i64DivS, [wasm.i64Extend32], 'ones')],
  ['divuw', divideWords(wasm.i64DivU, zeroExtended, 'ones')],
  ['remw', divideWords(wasm.i64RemS, [wasm.i64Extend32], 'dividend')],
  ['remuw', divideWords(wasm.i64RemU, zeroExtended, 'dividend')],
  ['lb', load(1, wasm.i64Load8S)],
  ['lh', load(2, wasm.i64Load16S)],
  ['lw', load(4, wasm.i64Load32S)],
  ['ld', load(8, wasm.i64Load)],
  ['lbu', load(1, wasm.i64Load8U)],
  ['lhu', load(2, wasm.i64Load16U)],
  ['lwu', load(4, wasm.i64Load32U)],
  ['sb', store(1, wasm.i64Store8)],
  ['sh', store(2, wasm.i64Store16)],
  ['sw', store(4, wasm.i64Store32)],
  ['sd', store(8, wasm.i64Store)],
  ...modifications.flatMap(([name, codes]): [string, Translation][] => [
    [`${name}.w`, modify(4, codes)],
    [`${name}.d`, modify(8, codes)],
  ]),
  ['fence', () => undefined],
  ['fence.i', () => undefined],
]);

/** Tests of branches: true where the branch is taken. */
const tests = new Map<string, number>([
  ['beq', wasm.i64Eq],
  ['bne', wasm.i64Ne],
  ['blt', wasm.i64LtS],
  ['bge', wasm.i64GeS],
  ['bltu', wasm.i64LtU],
  ['bgeu', wasm.i64GeU],
]);

/** What the end of a block does, besides. */
const ends = new Set(['jal', 'jalr', 'auipc']);

/** What is interpreted in the middle of a region where it is not translated: it goes on to the next instruction, but for traps. */
const interpreted: ReadonlySet<Format> = new Set(['csr', 'atomic', 'float', 'fused', 'sfence']);
const floatAccess = /^f[ls][wd]$/;

/** Whether an instruction is to be interpreted, and the region goes on behind it. */
export function isInterpreted({ operation: { name, format } }: Instruction): boolean {
  return !translations.has(name) && (interpreted.has(format) || floatAccess.test(name));
}

/** Whether an instruction can be part of a region. */
export function canTranslate(instruction: Instruction): boolean {
  const { name } = instruction.operation;
  return translations.has(name) || tests.has(name) || ends.has(name) || isInterpreted(instruction);
}

/** Writes an instruction that is no jump; `offset` is its place in the page. */
export function translate(target: Target, instruction: Instruction, offset: number): void {
  if (instruction.operation.name === 'auipc') {
    target.out.get(target.locals.page);
    target.out.i64(offset + instruction.imm);
    target.out.op(wasm.i64Add);
    write(target, instruction.rd);
  } else translations.get(instruction.operation.name)?.(target, instruction);
}

/** Leaves on the stack whether a branch is taken. */
export function translateTest(target: Target, { operation, rs1, rs2 }: Instruction): void {
  read(target, rs1);
  read(target, rs2);
  target.out.op(tests.get(operation.name) ?? wasm.i64Eq);
}

/** Puts the address after a jump into its register; before that leaves the address of a jalr in `address`. */
export function translateLink(target: Target, { operation, rd, rs1, imm, length }: Instruction, offset: number): void {
  const { out, locals } = target;
  if (operation.name === 'jalr') {
    read(target, rs1);
    out.i64(imm);
    out.op(wasm.i64Add);
    out.i64(-2);
    out.op(wasm.i64And);
    out.set(locals.address);
  }
  if (rd === 0) return;
  out.get(locals.page);
  out.i64(offset + length);
  out.op(wasm.i64Add);
  write(target, rd);
}

/** Registers that an instruction reads or writes, without x0. */
export function registersOf({ operation: { format }, rd, rs1, rs2 }: Instruction): readonly number[] {
  const used =
    format === 'U' || format === 'J'
      ? [rd]
      : format === 'S' || format === 'B'
        ? [rs1, rs2]
        : [rd, rs1, ...(format === 'R' || format === 'atomic' ? [rs2] : [])];
  return used.filter((register) => register !== 0);
}
