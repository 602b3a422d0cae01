/**
 * Binary floating-point numbers as exact values: taken apart, and rounded once into a format. Numbers are bigints times powers of two, so that sums,
 * products and fused ones of them are exact until `round`. Pure. Tininess is found after rounding, as RISC-V says.
 * Source: IEEE 754-2019, sections 3.4, 4.3 and 7; RISC-V unprivileged architecture 20191213, chapter 11.
 */

/** Accrued exceptions by their bits. */
export const FLAGS = { inexact: 1, underflow: 2, overflow: 4, divideByZero: 8, invalid: 16 } as const;

/** Rounding modes by their numbers: nearest even, towards zero, down, up, nearest away from zero. */
const MODES = { even: 0, zero: 1, down: 2, up: 3, away: 4 } as const;

/** Rounding mode 2, in which an exact zero sum is negative. */
export const ROUND_DOWN: number = MODES.down;

/** A format: digits of the significand with the leading one, and the bias. */
export interface Format {
  readonly bits: number;
  readonly digits: number;
  readonly bias: number;
  readonly quietNan: bigint;
}

/** F. */
export const single: Format = { bits: 32, digits: 24, bias: 127, quietNan: 0x7fc0_0000n };
/** D. */
export const double: Format = { bits: 64, digits: 53, bias: 1023, quietNan: 0x7ff8_0000_0000_0000n };

/** A value: `magnitude` times 2 to `exponent` if it is a number (zero has magnitude 0). */
export interface Parts {
  readonly kind: 'number' | 'infinity' | 'nan';
  readonly isNegative: boolean;
  readonly exponent: number;
  readonly magnitude: bigint;
  /** A NaN that raises invalid. */
  readonly isSignaling: boolean;
}

/** Bits of a result and the exceptions on the way. */
export interface Rounded {
  readonly bits: bigint;
  readonly flags: number;
}

/** Number of bits of a positive bigint, 0 of 0. */
export function lengthOf(value: bigint): number {
  if (value === 0n) return 0;
  const hex = value.toString(16);
  return hex.length * 4 - Math.clz32(Number.parseInt(hex.charAt(0), 16)) + 28;
}

/** Takes bits apart. */
export function unpack(bits: bigint, format: Format): Parts {
  const fractionBits = format.digits - 1;
  const fraction = bits & ((1n << BigInt(fractionBits)) - 1n);
  const field = Number((bits >> BigInt(fractionBits)) & BigInt(2 * format.bias + 1));
  const isNegative = bits >> BigInt(format.bits - 1) === 1n;
  const base = { isNegative, isSignaling: false, exponent: 0, magnitude: 0n };
  if (field === 2 * format.bias + 1) {
    if (fraction === 0n) return { ...base, kind: 'infinity' };
    return { ...base, kind: 'nan', isSignaling: fraction >> BigInt(fractionBits - 1) === 0n };
  }
  const exponent = Math.max(field, 1) - format.bias - fractionBits;
  const magnitude = field === 0 ? fraction : fraction | (1n << BigInt(fractionBits));
  return { ...base, kind: 'number', exponent, magnitude };
}

/** Sign and nothing else, of a zero. */
export function zero(isNegative: boolean, format: Format): bigint {
  return isNegative ? 1n << BigInt(format.bits - 1) : 0n;
}

/** Infinity. */
export function infinity(isNegative: boolean, format: Format): bigint {
  return zero(isNegative, format) | (BigInt(2 * format.bias + 1) << BigInt(format.digits - 1));
}

/** Drops `count` low bits, rounding; says whether anything was lost. */
export function shiftRounded(
  value: bigint,
  count: number,
  how: { readonly mode: number; readonly isNegative: boolean },
): { readonly value: bigint; readonly isInexact: boolean } {
  if (count <= 0) return { value: value << BigInt(-count), isInexact: false };
  const kept = value >> BigInt(count);
  const rest = value - (kept << BigInt(count));
  if (rest === 0n) return { value: kept, isInexact: false };
  const half = 1n << BigInt(count - 1);
  const isUp =
    how.mode === MODES.even
      ? rest > half || (rest === half && (kept & 1n) === 1n)
      : how.mode === MODES.away
        ? rest >= half
        : how.mode === MODES.down
          ? how.isNegative
          : how.mode === MODES.up && !how.isNegative;
  return { value: isUp ? kept + 1n : kept, isInexact: true };
}

/** The number nearest to an exact value by a rounding mode. */
export function round(
  value: { readonly isNegative: boolean; readonly exponent: number; readonly magnitude: bigint },
  format: Format,
  mode: number,
): Rounded {
  const { isNegative, exponent, magnitude } = value;
  if (magnitude === 0n) return { bits: zero(isNegative, format), flags: 0 };
  const { digits, bias } = format;
  const smallest = 1 - bias;
  const leading = exponent + lengthOf(magnitude) - 1;
  const last = Math.max(leading, smallest) - digits + 1;
  const how = { mode, isNegative };
  const rounded = shiftRounded(magnitude, last - exponent, how);
  const top = last + lengthOf(rounded.value) - 1;
  if (top > bias) return overflow(isNegative, format, mode);
  let flags = rounded.isInexact ? FLAGS.inexact : 0;
  if (rounded.isInexact && leading < smallest) {
    const free = shiftRounded(magnitude, leading - digits + 1 - exponent, how);
    const isTiny = leading < smallest - 1 || lengthOf(free.value) === digits;
    if (isTiny) flags |= FLAGS.underflow;
  }
  // The leading one adds itself to the field of the exponent, also when rounding made one more.
  const field = last + digits - 1 - smallest;
  return { bits: zero(isNegative, format) | ((BigInt(field) << BigInt(digits - 1)) + rounded.value), flags };
}

function overflow(isNegative: boolean, format: Format, mode: number): Rounded {
  const isInfinite =
    mode === MODES.even || mode === MODES.away || (mode === MODES.down ? isNegative : mode === MODES.up && !isNegative);
  const bits = infinity(isNegative, format);
  return { bits: isInfinite ? bits : bits - 1n, flags: FLAGS.overflow | FLAGS.inexact };
}
