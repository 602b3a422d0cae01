/**
 * F and D. Results are exact values rounded once (`float/arithmetic.ts`); where the processor's own arithmetic cannot differ it is used: rounding to
 * nearest, inexact already accrued, operands and result normal. Single-precision values lie NaN-boxed in 64 bits.
 * Source: RISC-V unprivileged architecture 20191213, chapters 11 and 12.
 */
import {
  add,
  type Binary,
  type Context,
  classify,
  compare,
  convert,
  divide,
  fromInteger,
  multiply,
  multiplyAdd,
  squareRoot,
  subtract,
  toInteger,
} from '../float/arithmetic.ts';
import { double, FLAGS, type Format, type Rounded, single } from '../float/format.ts';
import type { Hart } from '../hart/hart.ts';
import { type Handler, type Instruction, type Operation, op } from './instruction.ts';

const DYNAMIC = 7;
const BOX = 0xffff_ffff_0000_0000n;
const scratch = new DataView(new ArrayBuffer(8));

function require(hart: Hart, i: Instruction): void {
  if (!hart.hasFloats) hart.fault(2, i.raw, 0);
}

/** The rounding mode of an instruction; one that does not exist is an illegal instruction. */
function contextOf(hart: Hart, i: Instruction, format: Format): Context {
  require(hart, i);
  const field = (i.word >>> 12) & 7;
  const mode = field === DYNAMIC ? hart.frm : field;
  if (mode > 4) hart.fault(2, i.raw, 0);
  return { format, mode };
}

/** A register; a single that is not boxed is a NaN. */
function read(hart: Hart, register: number, format: Format): bigint {
  const bits = hart.floatBig(register);
  if (format.bits === 64) return bits;
  return bits >= BOX ? bits & 0xffff_ffffn : format.quietNan;
}

function write(hart: Hart, register: number, bits: bigint, format: Format): void {
  hart.setFloatBig(register, format.bits === 64 ? bits : bits | BOX);
  hart.dirtyFloats();
}

function raise(hart: Hart, flags: number): void {
  if (flags === 0) return;
  hart.fflags |= flags;
  hart.dirtyFloats();
}

function finish(hart: Hart, register: number, { bits, flags }: Rounded, format: Format): void {
  raise(hart, flags);
  write(hart, register, bits, format);
}

/** A number in the processor's own form. */
function toNative(bits: bigint, format: Format): number {
  if (format.bits === 64) {
    scratch.setBigUint64(0, bits);
    return scratch.getFloat64(0);
  }
  scratch.setUint32(0, Number(bits));
  return scratch.getFloat32(0);
}

function fromNative(value: number, format: Format): bigint {
  if (format.bits === 64) {
    scratch.setFloat64(0, value);
    return scratch.getBigUint64(0);
  }
  scratch.setFloat32(0, value);
  return BigInt(scratch.getUint32(0));
}

const isPlain = (value: number, format: Format): boolean => {
  const size = Math.abs(value);
  return format.bits === 64 ? size > 1e-290 && size < 1e290 : size > 1e-30 && size < 1e30;
};

type Native = (a: number, b: number) => number;

/** Double rounding does no harm to singles computed as doubles, as a double has more than twice the digits. */
function quick(hart: Hart, context: Context, operands: readonly [bigint, bigint], native: Native): bigint | undefined {
  if (context.mode !== 0 || (hart.fflags & FLAGS.inexact) === 0) return undefined;
  const a = toNative(operands[0], context.format);
  const b = toNative(operands[1], context.format);
  const result = native(a, b);
  if (!isPlain(a, context.format) || !isPlain(b, context.format) || !isPlain(result, context.format)) return undefined;
  return fromNative(result, context.format);
}

const binary =
  (format: Format, exact: Binary, native: Native): Handler =>
  (hart, i) => {
    const context = contextOf(hart, i, format);
    const a = read(hart, i.rs1, format);
    const b = read(hart, i.rs2, format);
    const bits = quick(hart, context, [a, b], native);
    if (bits === undefined) finish(hart, i.rd, exact(a, b, context), format);
    else write(hart, i.rd, bits, format);
  };

const root =
  (format: Format): Handler =>
  (hart, i) =>
    finish(hart, i.rd, squareRoot(read(hart, i.rs1, format), contextOf(hart, i, format)), format);

/** `product` and `addend` are the signs. */
const fused =
  (format: Format, product: 1 | -1, addend: 1 | -1): Handler =>
  (hart, i) => {
    const context = contextOf(hart, i, format);
    const sign = 1n << BigInt(format.bits - 1);
    const a = read(hart, i.rs1, format) ^ (product < 0 ? sign : 0n);
    const c = read(hart, i.word >>> 27, format) ^ (addend < 0 ? sign : 0n);
    finish(hart, i.rd, multiplyAdd(a, read(hart, i.rs2, format), c, context), format);
  };

const withSign =
  (format: Format, signOf: (a: bigint, b: bigint) => bigint): Handler =>
  (hart, i) => {
    require(hart, i);
    const sign = 1n << BigInt(format.bits - 1);
    const a = read(hart, i.rs1, format);
    write(hart, i.rd, (a & (sign - 1n)) | (signOf(a, read(hart, i.rs2, format)) & sign), format);
  };

/** The other operand of a NaN; -0 is less than +0. */
const extreme =
  (format: Format, wanted: -1 | 1): Handler =>
  (hart, i) => {
    require(hart, i);
    const a = read(hart, i.rs1, format);
    const b = read(hart, i.rs2, format);
    const [aClass, bClass] = [classify(a, format), classify(b, format)];
    raise(hart, ((aClass | bClass) & 0x100) === 0 ? 0 : FLAGS.invalid);
    const order = compare(a, b, format);
    if (order === undefined) {
      write(hart, i.rd, aClass < 0x100 ? a : bClass < 0x100 ? b : format.quietNan, format);
      return;
    }
    const isFirst = order === 0 ? aClass < bClass === wanted < 0 : order === wanted;
    write(hart, i.rd, isFirst ? a : b, format);
  };

const test =
  (format: Format, holds: (order: number) => boolean, isQuiet: boolean): Handler =>
  (hart, i) => {
    require(hart, i);
    const a = read(hart, i.rs1, format);
    const b = read(hart, i.rs2, format);
    const order = compare(a, b, format);
    const isInvalid = isQuiet ? ((classify(a, format) | classify(b, format)) & 0x100) !== 0 : true;
    if (order === undefined && isInvalid) raise(hart, FLAGS.invalid);
    hart.set(i.rd, order !== undefined && holds(order) ? 1 : 0, 0);
  };

/** Integers by the number in rs2: w, wu, l, lu. */
const ranges = [
  { least: -(1n << 31n), most: (1n << 31n) - 1n },
  { least: 0n, most: (1n << 32n) - 1n },
  { least: -(1n << 63n), most: (1n << 63n) - 1n },
  { least: 0n, most: (1n << 64n) - 1n },
];

const toInt =
  (format: Format, kind: number): Handler =>
  (hart, i) => {
    const range = ranges[kind] ?? { least: 0n, most: 0n };
    const { value, flags } = toInteger(read(hart, i.rs1, format), contextOf(hart, i, format), range);
    raise(hart, flags);
    hart.setBig(i.rd, kind < 2 ? BigInt.asIntN(32, value) : value);
  };

const fromInt =
  (format: Format, kind: number): Handler =>
  (hart, i) => {
    const context = contextOf(hart, i, format);
    const width = kind < 2 ? 32 : 64;
    const bits = hart.big(i.rs1);
    finish(
      hart,
      i.rd,
      fromInteger(kind % 2 === 0 ? BigInt.asIntN(width, bits) : BigInt.asUintN(width, bits), context),
      format,
    );
  };

const resize =
  (from: Format, format: Format): Handler =>
  (hart, i) =>
    finish(hart, i.rd, convert(read(hart, i.rs1, from), from, contextOf(hart, i, format)), format);

const kindOf =
  (format: Format): Handler =>
  (hart, i) => {
    require(hart, i);
    hart.set(i.rd, classify(read(hart, i.rs1, format), format), 0);
  };

const moveOut =
  (format: Format): Handler =>
  (hart, i) => {
    require(hart, i);
    hart.setBig(i.rd, BigInt.asIntN(format.bits, hart.floatBig(i.rs1)));
  };

const moveIn =
  (format: Format): Handler =>
  (hart, i) => {
    require(hart, i);
    write(hart, i.rd, BigInt.asUintN(format.bits, hart.big(i.rs1)), format);
  };

/** Address of a load or store. */
function access(hart: Hart, { rs1, imm }: Instruction): { readonly lo: number; readonly hi: number } {
  const base = hart.lo(rs1);
  const lo = (base + imm) | 0;
  return { lo, hi: (hart.hi(rs1) + (imm >> 31) + (lo >>> 0 < base >>> 0 ? 1 : 0)) | 0 };
}

const load =
  (format: Format): Handler =>
  (hart, i) => {
    require(hart, i);
    const { lo, hi } = access(hart, i);
    hart.load(lo, hi, format.bits / 8);
    write(hart, i.rd, (BigInt(hart.valueHi >>> 0) << 32n) | BigInt(hart.valueLo >>> 0), format);
  };

const store =
  (format: Format): Handler =>
  (hart, i) => {
    require(hart, i);
    const { lo, hi } = access(hart, i);
    const bits = hart.floatBig(i.rs2);
    hart.store(lo, hi, format.bits / 8, Number(BigInt.asIntN(32, bits)), Number(BigInt.asIntN(32, bits >> 32n)));
  };

const F3 = 0x7000;
const RS2 = 0x1f0_0000;

const integers = ['w', 'wu', 'l', 'lu'];

/** One of the two formats; `bit` is what the words of its instructions have besides. */
interface Kind {
  readonly name: 's' | 'd';
  readonly format: Format;
  readonly bit: number;
}

function arithmeticOf({ name, format, bit }: Kind): readonly Operation[] {
  return [
    op(
      `fadd.${name}`,
      'float',
      0x53 | bit,
      binary(format, add, (a, b) => a + b),
    ),
    op(
      `fsub.${name}`,
      'float',
      0x0800_0053 | bit,
      binary(format, subtract, (a, b) => a - b),
    ),
    op(
      `fmul.${name}`,
      'float',
      0x1000_0053 | bit,
      binary(format, multiply, (a, b) => a * b),
    ),
    op(
      `fdiv.${name}`,
      'float',
      0x1800_0053 | bit,
      binary(format, divide, (a, b) => a / b),
    ),
    op(`fsqrt.${name}`, 'float', 0x5800_0053 | bit, root(format), RS2),
    op(`fmadd.${name}`, 'fused', 0x43 | bit, fused(format, 1, 1)),
    op(`fmsub.${name}`, 'fused', 0x47 | bit, fused(format, 1, -1)),
    op(`fnmsub.${name}`, 'fused', 0x4b | bit, fused(format, -1, 1)),
    op(`fnmadd.${name}`, 'fused', 0x4f | bit, fused(format, -1, -1)),
  ];
}

function othersOf({ name, format, bit }: Kind): readonly Operation[] {
  const of = (text: string, match: number, run: Handler, mask: number) =>
    op(`${text}.${name}`, 'float', match | bit | 0x53, run, mask);
  return [
    of(
      'fsgnj',
      0x2000_0000,
      withSign(format, (_, b) => b),
      F3,
    ),
    of(
      'fsgnjn',
      0x2000_1000,
      withSign(format, (_, b) => ~b),
      F3,
    ),
    of(
      'fsgnjx',
      0x2000_2000,
      withSign(format, (a, b) => a ^ b),
      F3,
    ),
    of('fmin', 0x2800_0000, extreme(format, -1), F3),
    of('fmax', 0x2800_1000, extreme(format, 1), F3),
    of(
      'fle',
      0xa000_0000,
      test(format, (order) => order <= 0, false),
      F3,
    ),
    of(
      'flt',
      0xa000_1000,
      test(format, (order) => order < 0, false),
      F3,
    ),
    of(
      'feq',
      0xa000_2000,
      test(format, (order) => order === 0, true),
      F3,
    ),
    of('fclass', 0xe000_1000, kindOf(format), F3 | RS2),
    of('fmv.x', 0xe000_0000, moveOut(format), F3 | RS2),
    of('fmv.f', 0xf000_0000, moveIn(format), F3 | RS2),
    ...integers.map((kind, index) => of(`fcvt.${kind}`, 0xc000_0000 | (index << 20), toInt(format, index), RS2)),
    ...integers.map((kind, index) => of(`fcvt.from.${kind}`, 0xd000_0000 | (index << 20), fromInt(format, index), RS2)),
  ];
}

const kinds: readonly Kind[] = [
  { name: 's', format: single, bit: 0 },
  { name: 'd', format: double, bit: 0x200_0000 },
];

/** The instructions of F and D. */
export const floatOperations: readonly Operation[] = [
  ...kinds.flatMap(arithmeticOf),
  ...kinds.flatMap(othersOf),
  op('fcvt.s.d', 'float', 0x4010_0053, resize(double, single), RS2),
  op('fcvt.d.s', 'float', 0x4200_0053, resize(single, double), RS2),
  op('flw', 'I', 0x2007, load(single)),
  op('fld', 'I', 0x3007, load(double)),
  op('fsw', 'S', 0x2027, store(single)),
  op('fsd', 'S', 0x3027, store(double)),
];
