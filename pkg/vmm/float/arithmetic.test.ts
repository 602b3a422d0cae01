import { expect, test } from 'vitest';
import {
  add,
  type Binary,
  classify,
  divide,
  fromInteger,
  multiply,
  multiplyAdd,
  squareRoot,
  subtract,
  toInteger,
} from './arithmetic.ts';
import { double, type Format, single } from './format.ts';

const view = new DataView(new ArrayBuffer(8));

function bitsOf(value: number, format: Format): bigint {
  if (format.bits === 64) {
    view.setFloat64(0, value);
    return view.getBigUint64(0);
  }
  view.setFloat32(0, value);
  return BigInt(view.getUint32(0));
}

function numberOf(bits: bigint, format: Format): number {
  if (format.bits === 64) {
    view.setBigUint64(0, bits);
    return view.getFloat64(0);
  }
  view.setUint32(0, Number(bits));
  return view.getFloat32(0);
}

/** Bits of numbers of all sizes: random ones, and those at the edges. */
function* samples(format: Format): Generator<bigint> {
  const mask = (1n << BigInt(format.bits)) - 1n;
  const edges = [
    0,
    1,
    0.1,
    1 / 3,
    Infinity,
    NaN,
    2 ** -149,
    2 ** -126,
    5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
  ];
  for (const edge of edges) yield* [bitsOf(edge, format), bitsOf(-edge, format)];
  let state = 0x9e37_79b9_7f4a_7c15n;
  for (let count = 0; count < 40; count++) {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn;
    yield (state >> (64n - BigInt(format.bits))) & mask;
    // Of like sizes, so that sums cancel and round.
    yield bitsOf(Number(state >> 40n) / 1e6, format);
  }
}

const same = (a: bigint, b: number, format: Format): boolean => {
  const nan = Number.isNaN(b) ? format.quietNan : bitsOf(b, format);
  return a === nan;
};

test.each<[string, Binary, (a: number, b: number) => number]>([
  ['+', add, (a, b) => a + b],
  ['-', subtract, (a, b) => a - b],
  ['*', multiply, (a, b) => a * b],
  ['/', divide, (a, b) => a / b],
])('%s agrees with the processor in both formats', (_, exact, native) => {
  const wrong: string[] = [];
  for (const format of [single, double]) {
    const all = [...samples(format)];
    for (const a of all) {
      for (const b of all) {
        const { bits } = exact(a, b, { format, mode: 0 });
        if (!same(bits, native(numberOf(a, format), numberOf(b, format)), format)) wrong.push(`${a} ${b} ${bits}`);
      }
    }
  }
  expect(wrong).toEqual([]);
});

test('square roots agree with the processor in both formats', () => {
  for (const format of [single, double]) {
    for (const a of samples(format)) {
      const { bits } = squareRoot(a, { format, mode: 0 });
      expect(same(bits, Math.sqrt(numberOf(a, format)), format)).toBe(true);
    }
  }
});

const ONE = bitsOf(1, double);
const TINY = bitsOf(2 ** -60, double);
const LARGEST = bitsOf(Number.MAX_VALUE, double);

test.each<[string, number, bigint, number]>([
  ['nearest even', 0, ONE, 1],
  ['towards zero', 1, ONE, 1],
  ['down', 2, ONE, 1],
  ['up', 3, ONE + 1n, 1],
  ['nearest away', 4, ONE, 1],
])('1 + 2^-60 rounds %s', (_, mode, bits, flags) => {
  expect(add(ONE, TINY, { format: double, mode })).toEqual({ bits, flags });
});

test.each<[number, bigint]>([
  [0, bitsOf(Infinity, double)],
  [1, LARGEST],
  [2, LARGEST],
  [3, bitsOf(Infinity, double)],
])('overflow in mode %d', (mode, bits) => {
  expect(add(LARGEST, LARGEST, { format: double, mode })).toEqual({ bits, flags: 5 });
});

test('exceptions are those of the standard', () => {
  const context = { format: double, mode: 0 };
  const zero = bitsOf(0, double);
  const signaling = 0x7ff0_0000_0000_0001n;
  expect(divide(ONE, zero, context)).toEqual({ bits: bitsOf(Infinity, double), flags: 8 });
  expect(divide(zero, zero, context)).toEqual({ bits: double.quietNan, flags: 16 });
  expect(squareRoot(bitsOf(-1, double), context)).toEqual({ bits: double.quietNan, flags: 16 });
  expect(add(signaling, ONE, context)).toEqual({ bits: double.quietNan, flags: 16 });
  expect(add(double.quietNan, ONE, context)).toEqual({ bits: double.quietNan, flags: 0 });
  // Tiny after rounding and inexact is an underflow; exact is none.
  expect(multiply(1n, bitsOf(0.5, double), context)).toEqual({ bits: 0n, flags: 3 });
  expect(multiply(2n, bitsOf(0.5, double), context)).toEqual({ bits: 1n, flags: 0 });
  expect(subtract(ONE, ONE, { format: double, mode: 2 })).toEqual({ bits: bitsOf(-0, double), flags: 0 });
});

test('a fused multiplication and addition rounds once', () => {
  // (1 + e)^2 - (1 + 2e) is e^2 exactly; two roundings would give 0.
  const e = 2 ** -52;
  const a = bitsOf(1 + e, double);
  const c = bitsOf(-(1 + 2 * e), double);
  expect(multiplyAdd(a, a, c, { format: double, mode: 0 })).toEqual({ bits: bitsOf(e * e, double), flags: 0 });
  const infinite = bitsOf(Infinity, double);
  expect(multiplyAdd(infinite, 0n, double.quietNan, { format: double, mode: 0 }).flags).toBe(16);
});

test('integers saturate, and say when they lost something', () => {
  const range = { least: -(1n << 31n), most: (1n << 31n) - 1n };
  const context = { format: double, mode: 1 };
  expect(toInteger(bitsOf(-1.5, double), context, range)).toEqual({ value: -1n, flags: 1 });
  expect(toInteger(bitsOf(1e10, double), context, range)).toEqual({ value: range.most, flags: 16 });
  expect(toInteger(bitsOf(-Infinity, double), context, range)).toEqual({ value: range.least, flags: 16 });
  expect(toInteger(double.quietNan, context, range)).toEqual({ value: range.most, flags: 16 });
  expect(fromInteger((1n << 53n) + 1n, { format: double, mode: 0 })).toEqual({
    bits: bitsOf(2 ** 53, double),
    flags: 1,
  });
});

test.each<[number, number]>([
  [-Infinity, 1],
  [-1, 2],
  [-5e-324, 4],
  [-0, 8],
  [0, 16],
  [5e-324, 32],
  [1, 64],
  [Infinity, 128],
])('the class of %d', (value, bit) => {
  expect(classify(bitsOf(value, double), double)).toBe(bit);
});
