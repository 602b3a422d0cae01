/**
 * Arithmetic on bits of floating-point numbers, in any rounding mode, with exceptions. Every NaN that comes out is the canonical one. Pure.
 * Source: IEEE 754-2019, sections 5.4 and 6; RISC-V unprivileged architecture 20191213, chapters 11 and 12.
 */
import {
  FLAGS,
  type Format,
  infinity,
  lengthOf,
  type Parts,
  ROUND_DOWN,
  type Rounded,
  round,
  shiftRounded,
  unpack,
  zero,
} from './format.ts';

/** What an operation needs to know besides its operands. */
export interface Context {
  readonly format: Format;
  readonly mode: number;
}

/** An operation on two numbers. */
export type Binary = (a: bigint, b: bigint, context: Context) => Rounded;

function nan(format: Format, isInvalid: boolean): Rounded {
  return { bits: format.quietNan, flags: isInvalid ? FLAGS.invalid : 0 };
}

const isSignaling = (...operands: readonly Parts[]): boolean => operands.some((operand) => operand.isSignaling);
const isNan = (...operands: readonly Parts[]): boolean => operands.some(({ kind }) => kind === 'nan');
const isZero = ({ kind, magnitude }: Parts): boolean => kind === 'number' && magnitude === 0n;

/** a + b. */
export const add: Binary = (a, b, context) => sum(unpack(a, context.format), unpack(b, context.format), context);

/** a - b. */
export const subtract: Binary = (a, b, context) => {
  const right = unpack(b, context.format);
  return sum(unpack(a, context.format), { ...right, isNegative: !right.isNegative }, context);
};

/** a * b. */
export const multiply: Binary = (a, b, context) => {
  const { format, mode } = context;
  const left = unpack(a, format);
  const right = unpack(b, format);
  const product = exactProduct(left, right);
  if (product === undefined) return nan(format, isSignaling(left, right) || !isNan(left, right));
  return product.kind === 'infinity'
    ? { bits: infinity(product.isNegative, format), flags: 0 }
    : round(product, format, mode);
};

/** a / b. */
export const divide: Binary = (a, b, { format, mode }) => {
  const left = unpack(a, format);
  const right = unpack(b, format);
  const isNegative = left.isNegative !== right.isNegative;
  if (isNan(left, right)) return nan(format, isSignaling(left, right));
  if (left.kind === 'infinity') {
    return right.kind === 'infinity' ? nan(format, true) : { bits: infinity(isNegative, format), flags: 0 };
  }
  if (right.kind === 'infinity') return { bits: zero(isNegative, format), flags: 0 };
  if (isZero(right)) {
    if (isZero(left)) return nan(format, true);
    return { bits: infinity(isNegative, format), flags: FLAGS.divideByZero };
  }
  const shift = Math.max(0, format.digits + 3 + lengthOf(right.magnitude) - lengthOf(left.magnitude));
  const dividend = left.magnitude << BigInt(shift);
  const quotient = dividend / right.magnitude;
  const hasRest = quotient * right.magnitude !== dividend;
  const exponent = left.exponent - right.exponent - shift - 1;
  return round({ isNegative, exponent, magnitude: (quotient << 1n) | (hasRest ? 1n : 0n) }, format, mode);
};

/** The square root. */
export function squareRoot(a: bigint, { format, mode }: Context): Rounded {
  const value = unpack(a, format);
  if (value.kind === 'nan') return nan(format, value.isSignaling);
  if (isZero(value)) return { bits: a, flags: 0 };
  if (value.isNegative) return nan(format, true);
  if (value.kind === 'infinity') return { bits: a, flags: 0 };
  const wanted = 2 * (format.digits + 3);
  let shift = Math.max(0, wanted - lengthOf(value.magnitude));
  if ((value.exponent - shift) % 2 !== 0) shift++;
  const scaled = value.magnitude << BigInt(shift);
  const root = integerRoot(scaled);
  const hasRest = root * root !== scaled;
  const exponent = (value.exponent - shift) / 2 - 1;
  return round({ isNegative: false, exponent, magnitude: (root << 1n) | (hasRest ? 1n : 0n) }, format, mode);
}

/** a * b + c, rounded once. */
export function multiplyAdd(a: bigint, b: bigint, c: bigint, context: Context): Rounded {
  const { format } = context;
  const left = unpack(a, format);
  const right = unpack(b, format);
  const addend = unpack(c, format);
  const product = exactProduct(left, right);
  const isInvalid = product === undefined && !isNan(left, right);
  if (isNan(left, right, addend) || product === undefined) {
    return nan(format, isInvalid || isSignaling(left, right, addend));
  }
  return sum(product, addend, context);
}

/** Undefined where the product is no number: of a NaN, or of infinity and zero. */
function exactProduct(left: Parts, right: Parts): Parts | undefined {
  const isNegative = left.isNegative !== right.isNegative;
  if (isNan(left, right)) return undefined;
  if (left.kind === 'infinity' || right.kind === 'infinity') {
    return isZero(left) || isZero(right) ? undefined : { ...left, kind: 'infinity', isNegative };
  }
  const magnitude = left.magnitude * right.magnitude;
  return { kind: 'number', isNegative, exponent: left.exponent + right.exponent, magnitude, isSignaling: false };
}

function sum(left: Parts, right: Parts, { format, mode }: Context): Rounded {
  if (isNan(left, right)) return nan(format, isSignaling(left, right));
  if (left.kind === 'infinity' || right.kind === 'infinity') {
    const isOpposed = left.kind === right.kind && left.isNegative !== right.isNegative;
    const isNegative = left.kind === 'infinity' ? left.isNegative : right.isNegative;
    return isOpposed ? nan(format, true) : { bits: infinity(isNegative, format), flags: 0 };
  }
  const exponent = Math.min(left.exponent, right.exponent);
  const total = signed(left, exponent) + signed(right, exponent);
  if (total !== 0n) {
    return round({ isNegative: total < 0n, exponent, magnitude: total < 0n ? -total : total }, format, mode);
  }
  const isNegative = left.isNegative === right.isNegative && isZero(left) ? left.isNegative : mode === ROUND_DOWN;
  return { bits: zero(isNegative, format), flags: 0 };
}

function signed({ magnitude, exponent, isNegative }: Parts, to: number): bigint {
  const scaled = magnitude << BigInt(exponent - to);
  return isNegative ? -scaled : scaled;
}

function integerRoot(value: bigint): bigint {
  let root = 1n << BigInt((lengthOf(value) + 1) >> 1);
  for (;;) {
    const better = (root + value / root) >> 1n;
    if (better >= root) return root;
    root = better;
  }
}

/** An integer of `width` bits as a number. */
export function fromInteger(value: bigint, { format, mode }: Context): Rounded {
  return round({ isNegative: value < 0n, exponent: 0, magnitude: value < 0n ? -value : value }, format, mode);
}

/** A number of one format in another. */
export function convert(bits: bigint, from: Format, { format, mode }: Context): Rounded {
  const value = unpack(bits, from);
  if (value.kind === 'nan') return nan(format, value.isSignaling);
  return value.kind === 'infinity'
    ? { bits: infinity(value.isNegative, format), flags: 0 }
    : round(value, format, mode);
}

/** The integer nearest to a number; what has none becomes the nearest end of the range, a NaN the upper one. */
export function toInteger(
  bits: bigint,
  { format, mode }: Context,
  range: { readonly least: bigint; readonly most: bigint },
): { readonly value: bigint; readonly flags: number } {
  const parts = unpack(bits, format);
  const isLow = parts.isNegative && parts.kind !== 'nan';
  const end = { value: isLow ? range.least : range.most, flags: FLAGS.invalid };
  if (parts.kind !== 'number') return end;
  const rounded = shiftRounded(parts.magnitude, -parts.exponent, { mode, isNegative: parts.isNegative });
  const value = parts.isNegative ? -rounded.value : rounded.value;
  if (value < range.least || value > range.most) return end;
  return { value, flags: rounded.isInexact ? FLAGS.inexact : 0 };
}

/** How two numbers compare; undefined where one is a NaN. */
export function compare(a: bigint, b: bigint, format: Format): number | undefined {
  const left = unpack(a, format);
  const right = unpack(b, format);
  if (isNan(left, right)) return undefined;
  if (isZero(left) && isZero(right)) return 0;
  if (left.isNegative !== right.isNegative) return left.isNegative ? -1 : 1;
  if (a === b) return 0;
  return a < b === left.isNegative ? 1 : -1;
}

/** The kind of a number as one bit of ten. */
export function classify(bits: bigint, format: Format): number {
  const { kind, isNegative, isSignaling: signals, magnitude } = unpack(bits, format);
  if (kind === 'nan') return signals ? 0x100 : 0x200;
  if (kind === 'infinity') return isNegative ? 1 : 0x80;
  if (magnitude === 0n) return isNegative ? 8 : 16;
  const isNormal = magnitude >> BigInt(format.digits - 1) === 1n;
  if (isNormal) return isNegative ? 2 : 0x40;
  return isNegative ? 4 : 0x20;
}
