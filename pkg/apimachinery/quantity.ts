/**
 * Amounts of resources: exact decimal numbers with a suffix, such as `250m`, `1.5Gi` or `1e3`.
 *
 * Invariant: a quantity is a whole number of nano-units (finer fractions are rounded up, as upstream does), so that sums and
 * comparisons are exact. Not here: which quantities a field allows. Upstream counterpart: apimachinery `api/resource`.
 */

/** How a quantity was written, which decides how it is printed. */
export type QuantityFormat = 'BinarySI' | 'DecimalExponent' | 'DecimalSI';

export interface Quantity {
  /** The amount in units of 10^-9. */
  readonly nano: bigint;
  readonly format: QuantityFormat;
  /** The amount in thousandths, rounded up; above 2^53 the nearest double. */
  readonly milli: number;
  /** The amount in whole units, rounded up; above 2^53 the nearest double. */
  readonly value: number;
}

/** What is wrong with a text that is no quantity, in upstream's words. */
export const quantityFormatError =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/** Texts whose parse is remembered. A cluster has few different ones; when the table is full it starts anew. */
const memoEntriesMax = 4096;

/** Longest text looked at: longer ones cannot be a sensible amount and would cost time to convert. */
const textLengthMax = 256;

/** Exponents beyond this are out of range whatever their digits are (nano to 2^63). */
const exponentMax = 600;

const nanoPerUnit = 1_000_000_000n;
const nanoMax = (2n ** 63n - 1n) * nanoPerUnit;

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
const binarySuffixes: ReadonlyMap<string, bigint> = new Map(
  ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map((text, index) => [text, 1024n ** BigInt(index + 1)]),
);
const binarySuffixOf: readonly string[] = ['', ...binarySuffixes.keys()];

const pattern = /^([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[-+]?\d*)$/;

const memo = new Map<string, Quantity>();

/** The quantity that `text` (or a JSON number) means, or undefined when it is none. Results are shared: never change one. */
export function parseQuantity(text: number | string): Quantity | undefined {
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

function parse(text: string): Quantity | undefined {
  if (text.length > textLengthMax) return undefined;
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const whole = match[2]!;
  const fraction = match[3] ?? '';
  if (whole === '' && fraction === '') return undefined;
  const scale = scaleOf(match[4]!);
  if (scale === undefined) return undefined;
  const digits = BigInt(whole + fraction);
  const power = Math.min(scale.power, exponentMax) - fraction.length + 9;
  let nano = digits * scale.factor;
  if (power >= 0) nano *= 10n ** BigInt(power);
  else nano = ceilDivide(nano, 10n ** BigInt(Math.min(-power, exponentMax + textLengthMax)));
  if (nano > nanoMax) nano = nanoMax;
  return make(match[1] === '-' ? -nano : nano, scale.format);
}

function scaleOf(suffix: string): { factor: bigint; power: number; format: QuantityFormat } | undefined {
  const decimal = decimalSuffixes.get(suffix);
  if (decimal !== undefined) return { factor: 1n, power: decimal, format: 'DecimalSI' };
  const binary = binarySuffixes.get(suffix);
  if (binary !== undefined) return { factor: binary, power: 0, format: 'BinarySI' };
  if (!/^[eE][-+]?\d{1,18}$/.test(suffix)) return undefined;
  return { factor: 1n, power: Number(suffix.slice(1)), format: 'DecimalExponent' };
}

/** Quotient of non-negative numbers, rounded up. */
function ceilDivide(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}

function roundUp(nano: bigint, unit: bigint): number {
  return Number(nano > 0n ? ceilDivide(nano, unit) : nano / unit);
}

function make(nano: bigint, format: QuantityFormat): Quantity {
  return { nano, format, milli: roundUp(nano, 1_000_000n), value: roundUp(nano, nanoPerUnit) };
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
  return `${units}${binarySuffixOf[index]!}`;
}

function formatDecimal(nano: bigint, format: QuantityFormat): string {
  let exponent = -9;
  while (nano % 1000n === 0n && exponent < 18) {
    nano /= 1000n;
    exponent += 3;
  }
  const suffix =
    format === 'DecimalExponent' ? (exponent === 0 ? '' : `e${exponent}`) : (decimalSuffixOf.get(exponent) ?? '');
  return `${nano}${suffix}`;
}

const canonicalMemo = new Map<string, string>();

/** The canonical text of a quantity given as text or number, or undefined when it is none. */
export function canonicalQuantity(text: number | string): string | undefined {
  const key = typeof text === 'number' ? String(text) : text;
  const known = canonicalMemo.get(key);
  if (known !== undefined) return known;
  const parsed = parseQuantity(key);
  if (parsed === undefined) return undefined;
  const canonical = formatQuantity(parsed);
  if (canonicalMemo.size >= memoEntriesMax) canonicalMemo.clear();
  canonicalMemo.set(key, canonical);
  return canonical;
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

/** The amount in thousandths, rounded up. */
export function quantityMilliValue(quantity: Quantity): number {
  return quantity.milli;
}

/** The amount in whole units, rounded up. */
export function quantityValue(quantity: Quantity): number {
  return quantity.value;
}
