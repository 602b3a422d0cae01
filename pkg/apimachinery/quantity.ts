/**
 * Amounts of resources: exact decimal numbers with a suffix, such as `250m`, `1.5Gi` or `1e3`.
 *
 * Invariant: a quantity is a whole number of nano-units (finer fractions are rounded away from zero, as upstream does), so that sums and
 * comparisons are exact. Not here: which quantities a field allows. Upstream counterpart: apimachinery `api/resource`.
 */

/** How a quantity was written, which decides how it is printed. */
export type QuantityFormat = 'BinarySI' | 'DecimalExponent' | 'DecimalSI';

/** An amount, in several units at once, as callers count in one of them. */
export interface Quantity {
  /** The amount in units of 10^-9. */
  readonly nano: bigint;
  readonly format: QuantityFormat;
  /** The amount in thousandths, rounded away from zero; above 2^53 the nearest double. */
  readonly milli: number;
  /** The amount in whole units, rounded away from zero; above 2^53 the nearest double. */
  readonly value: number;
}

/** What is wrong with a text that is no quantity, in upstream's words. */
export const quantityFormatError =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

const suffixError = "unable to parse quantity's suffix";

/** Texts whose parse is remembered. A cluster has few different ones; when the table is full it starts anew. */
const memoEntriesMax = 4096;

/** Longest text looked at: longer ones cannot be a sensible amount and would cost time to convert. */
const textLengthMax = 256;

/** Exponents beyond this count as this: numbers that large are as good as one another, and have to be handled. */
const exponentMax = 600;

/** Exponents that Go can hold. */
const parsedExponentMax = 2 ** 31 - 1;

const nanoPerUnit = 1_000_000_000n;

/** The largest amount with a binary suffix. */
const binaryNanoMax = (2n ** 63n - 1n) * nanoPerUnit;

const decimalSuffixes: ReadonlyMap<string, number> = new Map([
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
]);
const decimalSuffixOf: ReadonlyMap<number, string> = new Map(
  [...decimalSuffixes].map(([text, power]) => [power, text]),
);
const binarySuffixOf: readonly string[] = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** Upstream takes a number without digits for zero. */
const pattern = /^([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[-+]?\d*)$/;

interface Parsed {
  readonly quantity: Quantity;
  /** How the quantity is written where it has not been calculated with. */
  readonly text: string;
}

const memo = new Map<string, Parsed>();

/** The quantity that `text` (or a JSON number) means, or undefined when it is none. Results are shared: never change one. */
export function parseQuantity(text: number | string): Quantity | undefined {
  return remembered(text)?.quantity;
}

/** The text in which a quantity given as text or number is answered, or undefined when it is none. */
export function canonicalQuantity(text: number | string): string | undefined {
  return remembered(text)?.text;
}

/** Why `text` is no quantity, in upstream's words. */
export function quantityError(text: string): string {
  return text !== '' && pattern.test(text) ? suffixError : quantityFormatError;
}

function remembered(text: number | string): Parsed | undefined {
  const key = typeof text === 'number' ? String(text) : text;
  const known = memo.get(key);
  if (known !== undefined) return known;
  const parsed = parse(key);
  if (parsed !== undefined) {
    if (memo.size >= memoEntriesMax) memo.clear();
    memo.set(key, parsed);
  }
  return parsed;
}

function parse(text: string): Parsed | undefined {
  if (text === '' || text.length > textLengthMax) return undefined;
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const scale = scaleOf(match[4]!);
  if (scale === undefined) return undefined;
  const whole = match[2]!.replace(/^0+/, '');
  const fraction = match[3] ?? '';
  const quantity = make(
    amountOf(match[1] === '-', { digits: whole + fraction, places: fraction.length }, scale),
    scale.format,
  );
  const asWritten = isAsGoWrites(whole || '0', fraction, scale);
  return { quantity, text: asWritten ? text : formatQuantity(quantity) };
}

interface Scale {
  /** Power of 10, or of 2 for `BinarySI`. */
  readonly power: number;
  readonly format: QuantityFormat;
}

function scaleOf(suffix: string): Scale | undefined {
  const decimal = decimalSuffixes.get(suffix);
  if (decimal !== undefined) return { power: decimal, format: 'DecimalSI' };
  const binary = binarySuffixOf.indexOf(suffix);
  if (binary > 0) return { power: binary * 10, format: 'BinarySI' };
  if (!/^[eE][-+]?\d+$/.test(suffix)) return undefined;
  const power = Number(suffix.slice(1));
  return Math.abs(power) > parsedExponentMax ? undefined : { power, format: 'DecimalExponent' };
}

function amountOf(
  isNegative: boolean,
  { digits, places }: { readonly digits: string; readonly places: number },
  { power, format }: Scale,
): bigint {
  const isBinary = format === 'BinarySI';
  const factor = isBinary ? 1n << BigInt(power) : 1n;
  const exponent = (isBinary ? 0 : Math.max(-exponentMax, Math.min(power, exponentMax))) - places + 9;
  let nano = BigInt(digits) * factor;
  if (exponent >= 0) nano *= 10n ** BigInt(exponent);
  else nano = ceilDivide(nano, 10n ** BigInt(-exponent));
  if (isBinary && nano > binaryNanoMax) nano = binaryNanoMax;
  return isNegative ? -nano : nano;
}

/** Digits that fit Go's fast way, which takes a text for canonical by a rule of thumb and keeps it as it is. Source: `ParseQuantity`. */
const fastDigitsMax = 18;
const fastBinaryDigitsMax = 14;

/** Whether upstream answers a number as it was written, sign and leading zeros included. */
function isAsGoWrites(whole: string, fraction: string, { power, format }: Scale): boolean {
  if (format === 'BinarySI') {
    const isFast = fraction === '' && whole.length + Math.trunc((power * 3) / 10) <= fastBinaryDigitsMax;
    return isFast && Number(whole) % 8 !== 0;
  }
  const digits = whole + fraction;
  const exponent = power - fraction.length;
  const isFast = digits.length <= fastDigitsMax && exponent >= -9;
  return isFast && exponent % 3 === 0 && !digits.endsWith('000') && !digits.startsWith('0');
}

/** Quotient of non-negative numbers, rounded up. */
function ceilDivide(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}

/** Rounded away from zero. */
function rounded(nano: bigint, unit: bigint): number {
  return Number(nano < 0n ? -ceilDivide(-nano, unit) : ceilDivide(nano, unit));
}

function make(nano: bigint, format: QuantityFormat): Quantity {
  return { nano, format, milli: rounded(nano, 1_000_000n), value: rounded(nano, nanoPerUnit) };
}

/** Zero. */
export const zeroQuantity: Quantity = make(0n, 'DecimalSI');

/** A quantity of whole units. */
export function quantityOf(value: number, format: QuantityFormat = 'DecimalSI'): Quantity {
  return make(BigInt(Math.ceil(value)) * nanoPerUnit, format);
}

/** The canonical text: no fraction, the largest suffix that needs none, binary suffixes only for whole amounts of 1024 and more. */
export function formatQuantity(quantity: Quantity): string {
  const { nano } = quantity;
  if (nano === 0n) return '0';
  const limit = 1024n * nanoPerUnit;
  const isBinary = quantity.format === 'BinarySI' && (nano >= limit || nano <= -limit) && nano % nanoPerUnit === 0n;
  return isBinary ? formatBinary(nano / nanoPerUnit) : formatDecimal(nano, quantity.format);
}

function formatBinary(units: bigint): string {
  let index = 0;
  while (index < binarySuffixOf.length - 1 && units % 1024n === 0n) {
    units /= 1024n;
    index++;
  }
  return `${units}${binarySuffixOf[index]}`;
}

/** Without a suffix for the exponent, as for those beyond `E`, it is written as a number. */
function formatDecimal(nano: bigint, format: QuantityFormat): string {
  let exponent = -9;
  while (nano % 1000n === 0n) {
    nano /= 1000n;
    exponent += 3;
  }
  const suffix = format === 'DecimalExponent' ? undefined : decimalSuffixOf.get(exponent);
  return `${nano}${suffix ?? (exponent === 0 ? '' : `e${exponent}`)}`;
}

/** The sum, in the format of the first that is not zero. */
export function addQuantity(a: Quantity, b: Quantity): Quantity {
  return make(a.nano + b.nano, a.nano === 0n ? b.format : a.format);
}

/** The difference, which may be negative. */
export function subtractQuantity(a: Quantity, b: Quantity): Quantity {
  return make(a.nano - b.nano, a.nano === 0n ? b.format : a.format);
}

/** Negative when `a` is less than `b`, 0 when they are the same amount, positive when it is more. */
export function compareQuantity(a: Quantity, b: Quantity): number {
  return a.nano < b.nano ? -1 : a.nano > b.nano ? 1 : 0;
}

/** The amount in thousandths, rounded away from zero. */
export function quantityMilliValue(quantity: Quantity): number {
  return quantity.milli;
}

/** The amount in whole units, rounded away from zero. */
export function quantityValue(quantity: Quantity): number {
  return quantity.value;
}
