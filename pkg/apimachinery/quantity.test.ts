import { expect, test } from 'vitest';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import {
  addQuantity,
  canonicalQuantity,
  compareQuantity,
  formatQuantity,
  parseQuantity,
  quantityError,
  quantityFormatError,
  quantityMilliValue,
  quantityOf,
  quantityValue,
  subtractQuantity,
} from './quantity.ts';

test.each([
  ['0', '0'],
  ['0Ki', '0'],
  ['00.00m', '0'],
  ['1', '1'],
  ['100', '100'],
  ['1000', '1k'],
  ['1024', '1024'],
  ['1500', '1500'],
  ['1000m', '1'],
  ['1500m', '1500m'],
  ['0.5', '500m'],
  ['.5', '500m'],
  ['1.G', '1.G'],
  ['.', '0'],
  ['m', '0'],
  ['-', '0'],
  ['-1500m', '-1500m'],
  ['1Ki', '1Ki'],
  ['1024Ki', '1Mi'],
  ['1.5Gi', '1536Mi'],
  ['0.5Ki', '512'],
  ['1000Ki', '1000Ki'],
  ['0.1Ki', '102400m'],
  ['1e3', '1e3'],
  ['12e2', '1200'],
  ['1e-3', '1e-3'],
  ['1E', '1E'],
  ['1u', '1u'],
  ['1n', '1n'],
  ['0.1n', '1n'],
  ['1.00000000001', '1000000001n'],
  ['12E', '12E'],
  ['1000E', '1e21'],
  ['100000000000000000000', '100E'],
  ['9Ei', '9223372036854775807'],
  ['-9Ei', '-9223372036854775807'],
  ['9223372036854775807Ki', '9223372036854775807'],
  ['.000000000001Ki', '2n'],
  ['1e2000000000', '1e600'],
  [1.5, '1500m'],
  [2, '2'],
])('%j has the canonical form %s', (text, canonical) => {
  expect(canonicalQuantity(text)).toBe(canonical);
});

test.each(['+2', '5.', '01', '1.123', '1E3', '1e+3', '+1Ki', '-1.500k'])('%j is answered as it was written', (text) => {
  expect(canonicalQuantity(text)).toBe(text);
});

const suffixError = "unable to parse quantity's suffix";

test.each([
  ['', quantityFormatError],
  ['1Mib', quantityFormatError],
  ['1 Gi', quantityFormatError],
  [' 1', quantityFormatError],
  ['ten', quantityFormatError],
  ['1.2.3', quantityFormatError],
  ['1e3m', quantityFormatError],
  ['--1', suffixError],
  ['1e', suffixError],
  ['1K', suffixError],
  ['.5i', suffixError],
  ['0.1mi', suffixError],
  ['-3.01e-', suffixError],
  ['1e4294967297', suffixError],
  ['1e99999999999999999999', suffixError],
])('%j is no quantity: %s', (text, error) => {
  expect(parseQuantity(text)).toBe(undefined);
  expect(quantityError(text)).toBe(error);
});

test('a text of hundreds of digits is no quantity', () => {
  expect(parseQuantity('1'.repeat(300))).toBe(undefined);
});

test.each([
  ['100m', 100, 1],
  ['1', 1000, 1],
  ['1u', 1, 1],
  ['1001m', 1001, 2],
  ['1Ki', 1_024_000, 1024],
  ['-1500m', -1500, -2],
])('%s is %d thousandths and %d units, rounded away from zero', (text, milli, value) => {
  const quantity = parseQuantity(text)!;
  expect([quantityMilliValue(quantity), quantityValue(quantity)]).toEqual([milli, value]);
});

test('sums and differences are exact and keep the format of the first that is not zero', () => {
  const [gibi, milli, zero] = [parseQuantity('1Gi')!, parseQuantity('1m')!, parseQuantity('0')!];
  expect(formatQuantity(addQuantity(gibi, gibi))).toBe('2Gi');
  expect(formatQuantity(addQuantity(gibi, milli))).toBe('1073741824001m');
  expect(formatQuantity(addQuantity(zero, gibi))).toBe('1Gi');
  expect(formatQuantity(subtractQuantity(milli, milli))).toBe('0');
  expect(formatQuantity(quantityOf(3))).toBe('3');
});

test('quantities compare by amount, whatever their form', () => {
  expect(compareQuantity(parseQuantity('1000m')!, parseQuantity('1')!)).toBe(0);
  expect(compareQuantity(parseQuantity('1Ki')!, parseQuantity('1k')!)).toBe(1);
  expect(compareQuantity(parseQuantity('-1')!, parseQuantity('0')!)).toBe(-1);
});

/** An exact fraction, as a check that shares nothing with what it checks. */
interface Rational {
  readonly top: bigint;
  readonly bottom: bigint;
}

const powers: Readonly<Record<string, Rational>> = Object.fromEntries([
  ...['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'].map((suffix, index) => [suffix, tenTo(3 * index - 9)]),
  ...['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map((suffix, index) => [
    suffix,
    { top: 1024n ** BigInt(index + 1), bottom: 1n },
  ]),
]);

function tenTo(power: number): Rational {
  return power >= 0 ? { top: 10n ** BigInt(power), bottom: 1n } : { top: 1n, bottom: 10n ** BigInt(-power) };
}

/** What a text says, digit by digit. */
function meaning(text: string): Rational {
  const [, sign, number = '', suffix = ''] = /^([+-]?)([\d.]*)(.*)$/.exec(text)!;
  const [whole = '', fraction = ''] = number.split('.');
  const unit = powers[suffix] ?? tenTo(Number(suffix.slice(1)));
  const top = BigInt(`${whole}${fraction}`) * unit.top;
  return { top: sign === '-' ? -top : top, bottom: unit.bottom * 10n ** BigInt(fraction.length) };
}

/** The nearest whole number of 10^-9 away from zero; no more than what fits 63 bits when the suffix is a binary one. */
function nanoOf({ top, bottom }: Rational, isBinary: boolean): bigint {
  const magnitude = (top < 0n ? -top : top) * 1_000_000_000n;
  const nano = magnitude / bottom + (magnitude % bottom === 0n ? 0n : 1n);
  const max = (2n ** 63n - 1n) * 1_000_000_000n;
  const capped = isBinary && nano > max ? max : nano;
  return top < 0n ? -capped : capped;
}

function digits(random: Random, max: number): string {
  return Array.from({ length: randomInt(random, max + 1) }, () =>
    random.next() < 0.4 ? '0' : String(randomInt(random, 10)),
  ).join('');
}

function randomText(random: Random): string {
  const suffixes = Object.keys(powers);
  const suffix =
    random.next() < 0.2
      ? `${'eE'[randomInt(random, 2)]!}${randomInt(random, 50) - 25}`
      : suffixes[randomInt(random, suffixes.length)]!;
  const fraction = random.next() < 0.5 ? '' : `.${digits(random, 14)}`;
  return `${['', '', '+', '-'][randomInt(random, 4)]!}${randomInt(random, 10)}${digits(random, 18)}${fraction}${suffix}`;
}

test('random quantities mean what exact fractions say, keep that meaning when they are written, and are written once and for all', () => {
  const random = new SeededRandom(21);
  let last = parseQuantity('0')!;
  let lastNano = 0n;
  for (let i = 0; i < 20_000; i++) {
    const text = randomText(random);
    const quantity = parseQuantity(text)!;
    const nano = nanoOf(meaning(text), text.endsWith('i'));
    expect(quantity.nano, text).toBe(nano);
    const written = canonicalQuantity(text)!;
    expect(canonicalQuantity(written), text).toBe(written);
    expect(parseQuantity(written)!.nano, text).toBe(nano);
    const formatted = formatQuantity(quantity);
    expect(formatted, text).toMatch(/^-?\d+([KMGTPE]i|[numkMGTPE]|e-?\d+)?$/);
    expect(meaning(formatted).top * 1_000_000_000n, text).toBe(nano * meaning(formatted).bottom);
    expect(Math.sign(compareQuantity(quantity, last)), text).toBe(nano < lastNano ? -1 : nano > lastNano ? 1 : 0);
    expect(subtractQuantity(addQuantity(quantity, last), last).nano, text).toBe(nano);
    [last, lastNano] = [quantity, nano];
  }
});
