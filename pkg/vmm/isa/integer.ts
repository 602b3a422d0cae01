/**
 * RV64I: arithmetic, branches, loads and stores. Values are pairs of 32-bit halves; see `HartState`.
 * Source: RISC-V unprivileged architecture 20191213, chapters 2 and 5.
 */
import type { Hart } from '../hart/hart.ts';
import { type Handler, type Instruction, type Operation, op } from './instruction.ts';

const high = (value: number): number => value >> 31;

function add(hart: Hart, rd: number, aLo: number, aHi: number, bLo: number, bHi: number): void {
  const lo = (aLo + bLo) | 0;
  hart.set(rd, lo, (aHi + bHi + (lo >>> 0 < aLo >>> 0 ? 1 : 0)) | 0);
}

function sub(hart: Hart, rd: number, aLo: number, aHi: number, bLo: number, bHi: number): void {
  hart.set(rd, (aLo - bLo) | 0, (aHi - bHi - (aLo >>> 0 < bLo >>> 0 ? 1 : 0)) | 0);
}

const isLess = (aLo: number, aHi: number, bLo: number, bHi: number): boolean =>
  aHi === bHi ? aLo >>> 0 < bLo >>> 0 : aHi < bHi;
const isBelow = (aLo: number, aHi: number, bLo: number, bHi: number): boolean =>
  aHi === bHi ? aLo >>> 0 < bLo >>> 0 : aHi >>> 0 < bHi >>> 0;

function shiftLeft(hart: Hart, rd: number, lo: number, hi: number, amount: number): void {
  if (amount === 0) hart.set(rd, lo, hi);
  else if (amount < 32) hart.set(rd, lo << amount, (hi << amount) | (lo >>> (32 - amount)));
  else hart.set(rd, 0, lo << (amount - 32));
}

function shiftRight(hart: Hart, rd: number, lo: number, hi: number, amount: number): void {
  if (amount === 0) hart.set(rd, lo, hi);
  else if (amount < 32) hart.set(rd, (lo >>> amount) | (hi << (32 - amount)), hi >>> amount);
  else hart.set(rd, hi >>> (amount - 32), 0);
}

function shiftArithmetic(hart: Hart, rd: number, lo: number, hi: number, amount: number): void {
  if (amount === 0) hart.set(rd, lo, hi);
  else if (amount < 32) hart.set(rd, (lo >>> amount) | (hi << (32 - amount)), hi >> amount);
  else hart.set(rd, hi >> (amount - 32), hi >> 31);
}

type Arithmetic = (hart: Hart, rd: number, aLo: number, aHi: number, bLo: number, bHi: number) => void;

const flag =
  (test: typeof isLess): Arithmetic =>
  (hart, rd, aLo, aHi, bLo, bHi) =>
    hart.set(rd, test(aLo, aHi, bLo, bHi) ? 1 : 0, 0);
const bits =
  (apply: (a: number, b: number) => number): Arithmetic =>
  (hart, rd, aLo, aHi, bLo, bHi) =>
    hart.set(rd, apply(aLo, bLo), apply(aHi, bHi));
const and = bits((a, b) => a & b);
const or = bits((a, b) => a | b);
const xor = bits((a, b) => a ^ b);

const registers =
  (apply: Arithmetic): Handler =>
  (hart, { rd, rs1, rs2 }) =>
    apply(hart, rd, hart.lo(rs1), hart.hi(rs1), hart.lo(rs2), hart.hi(rs2));
const immediate =
  (apply: Arithmetic): Handler =>
  (hart, { rd, rs1, imm }) =>
    apply(hart, rd, hart.lo(rs1), hart.hi(rs1), imm, high(imm));
type Shift = typeof shiftLeft;
const shiftBy =
  (shift: Shift): Handler =>
  (hart, { rd, rs1, rs2 }) =>
    shift(hart, rd, hart.lo(rs1), hart.hi(rs1), hart.lo(rs2) & 63);
const shiftImmediate =
  (shift: Shift): Handler =>
  (hart, { rd, rs1, imm }) =>
    shift(hart, rd, hart.lo(rs1), hart.hi(rs1), imm);
const words =
  (apply: (a: number, b: number) => number): Handler =>
  (hart, { rd, rs1, rs2 }) =>
    hart.setWord(rd, apply(hart.lo(rs1), hart.lo(rs2)) | 0);
const wordImmediate =
  (apply: (a: number, b: number) => number): Handler =>
  (hart, { rd, rs1, imm }) =>
    hart.setWord(rd, apply(hart.lo(rs1), imm) | 0);

const branch =
  (test: (hart: Hart, i: Instruction) => boolean): Handler =>
  (hart, i) => {
    if (test(hart, i)) jump(hart, i.imm);
  };
const compare = (test: typeof isLess, isNot: boolean): Handler =>
  branch((hart, { rs1, rs2 }) => test(hart.lo(rs1), hart.hi(rs1), hart.lo(rs2), hart.hi(rs2)) !== isNot);
const equal = (isNot: boolean): Handler =>
  branch((hart, { rs1, rs2 }) => (hart.lo(rs1) === hart.lo(rs2) && hart.hi(rs1) === hart.hi(rs2)) !== isNot);

/** Goes on at an offset from the instruction that runs. */
function jump(hart: Hart, offset: number): void {
  hart.nextLo = (hart.pcLo + offset) | 0;
  hart.nextHi = (hart.pcHi + high(offset) + (hart.nextLo >>> 0 < hart.pcLo >>> 0 ? 1 : 0)) | 0;
}

const jal: Handler = (hart, { rd, imm }) => {
  const { nextLo, nextHi } = hart;
  jump(hart, imm);
  hart.set(rd, nextLo, nextHi);
};

const jalr: Handler = (hart, { rd, rs1, imm }) => {
  const { nextLo, nextHi } = hart;
  const baseLo = hart.lo(rs1);
  const lo = (baseLo + imm) | 0;
  hart.nextHi = (hart.hi(rs1) + high(imm) + (lo >>> 0 < baseLo >>> 0 ? 1 : 0)) | 0;
  hart.nextLo = lo & ~1;
  hart.set(rd, nextLo, nextHi);
};

const load =
  (size: number, extend: 'sign' | 'zero'): Handler =>
  (hart, { rd, rs1, imm }) => {
    const baseLo = hart.lo(rs1);
    const lo = (baseLo + imm) | 0;
    hart.load(lo, (hart.hi(rs1) + high(imm) + (lo >>> 0 < baseLo >>> 0 ? 1 : 0)) | 0, size);
    if (size === 8 || extend === 'zero') hart.set(rd, hart.valueLo, hart.valueHi);
    else hart.setWord(rd, (hart.valueLo << (32 - 8 * size)) >> (32 - 8 * size));
  };

const store =
  (size: number): Handler =>
  (hart, { rs1, rs2, imm }) => {
    const baseLo = hart.lo(rs1);
    const lo = (baseLo + imm) | 0;
    const hi = (hart.hi(rs1) + high(imm) + (lo >>> 0 < baseLo >>> 0 ? 1 : 0)) | 0;
    hart.store(lo, hi, size, hart.lo(rs2), hart.hi(rs2));
  };

const auipc: Handler = (hart, { rd, imm }) => add(hart, rd, hart.pcLo, hart.pcHi, imm, high(imm));

/** The instructions of RV64I but for those of its system. */
export const integerOperations: readonly Operation[] = [
  op('lui', 'U', 0x37, (hart, { rd, imm }) => hart.setWord(rd, imm)),
  op('auipc', 'U', 0x17, auipc),
  op('jal', 'J', 0x6f, jal),
  op('jalr', 'I', 0x67, jalr),
  op('beq', 'B', 0x63, equal(false)),
  op('bne', 'B', 0x1063, equal(true)),
  op('blt', 'B', 0x4063, compare(isLess, false)),
  op('bge', 'B', 0x5063, compare(isLess, true)),
  op('bltu', 'B', 0x6063, compare(isBelow, false)),
  op('bgeu', 'B', 0x7063, compare(isBelow, true)),
  op('lb', 'I', 0x03, load(1, 'sign')),
  op('lh', 'I', 0x1003, load(2, 'sign')),
  op('lw', 'I', 0x2003, load(4, 'sign')),
  op('ld', 'I', 0x3003, load(8, 'sign')),
  op('lbu', 'I', 0x4003, load(1, 'zero')),
  op('lhu', 'I', 0x5003, load(2, 'zero')),
  op('lwu', 'I', 0x6003, load(4, 'zero')),
  op('sb', 'S', 0x23, store(1)),
  op('sh', 'S', 0x1023, store(2)),
  op('sw', 'S', 0x2023, store(4)),
  op('sd', 'S', 0x3023, store(8)),
  op('addi', 'I', 0x13, immediate(add)),
  op('slti', 'I', 0x2013, immediate(flag(isLess))),
  op('sltiu', 'I', 0x3013, immediate(flag(isBelow))),
  op('xori', 'I', 0x4013, immediate(xor)),
  op('ori', 'I', 0x6013, immediate(or)),
  op('andi', 'I', 0x7013, immediate(and)),
  op('slli', 'shift64', 0x1013, shiftImmediate(shiftLeft)),
  op('srli', 'shift64', 0x5013, shiftImmediate(shiftRight)),
  op('srai', 'shift64', 0x4000_5013, shiftImmediate(shiftArithmetic)),
  op('add', 'R', 0x33, registers(add)),
  op('sub', 'R', 0x4000_0033, registers(sub)),
  op('sll', 'R', 0x1033, shiftBy(shiftLeft)),
  op('slt', 'R', 0x2033, registers(flag(isLess))),
  op('sltu', 'R', 0x3033, registers(flag(isBelow))),
  op('xor', 'R', 0x4033, registers(xor)),
  op('srl', 'R', 0x5033, shiftBy(shiftRight)),
  op('sra', 'R', 0x4000_5033, shiftBy(shiftArithmetic)),
  op('or', 'R', 0x6033, registers(or)),
  op('and', 'R', 0x7033, registers(and)),
  op(
    'addiw',
    'I',
    0x1b,
    wordImmediate((a, b) => a + b),
  ),
  op(
    'slliw',
    'shift32',
    0x101b,
    wordImmediate((a, b) => a << b),
  ),
  op(
    'srliw',
    'shift32',
    0x501b,
    wordImmediate((a, b) => a >>> b),
  ),
  op(
    'sraiw',
    'shift32',
    0x4000_501b,
    wordImmediate((a, b) => a >> b),
  ),
  op(
    'addw',
    'R',
    0x3b,
    words((a, b) => a + b),
  ),
  op(
    'subw',
    'R',
    0x4000_003b,
    words((a, b) => a - b),
  ),
  op(
    'sllw',
    'R',
    0x103b,
    words((a, b) => a << (b & 31)),
  ),
  op(
    'srlw',
    'R',
    0x503b,
    words((a, b) => a >>> (b & 31)),
  ),
  op(
    'sraw',
    'R',
    0x4000_503b,
    words((a, b) => a >> (b & 31)),
  ),
];
