import { expect, test } from 'vitest';
import {
  addQuantity,
  canonicalQuantity,
  compareQuantity,
  formatQuantity,
  parseQuantity,
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
  ['5.', '5'],
  ['+2', '2'],
  ['-1500m', '-1500m'],
  ['1Ki', '1Ki'],
  ['1024Ki', '1Mi'],
  ['1.5Gi', '1536Mi'],
  ['0.5Ki', '512'],
  ['1000Ki', '1000Ki'],
  ['0.1Ki', '102400m'],
  ['1e3', '1e3'],
  ['1E3', '1e3'],
  ['12e2', '1200'],
  ['1e-3', '1e-3'],
  ['1E', '1E'],
  ['1u', '1u'],
  ['1n', '1n'],
  ['0.1n', '1n'],
  ['1.00000000001', '1000000001n'],
  ['100000000000000000000', '9223372036854775807'],
  [1.5, '1500m'],
  [2, '2'],
])('%j has the canonical form %s', (text, canonical) => {
  expect(canonicalQuantity(text)).toBe(canonical);
});

test.each([
  [''],
  ['.'],
  ['m'],
  ['1Mib'],
  ['1 Gi'],
  ['--1'],
  ['1e'],
  ['1K'],
  ['ten'],
  ['1.2.3'],
  ['1e3m'],
  ['1'.repeat(300)],
])('%j is no quantity', (text) => {
  expect(parseQuantity(text)).toBe(undefined);
});

test.each([
  ['100m', 100, 1],
  ['1', 1000, 1],
  ['1u', 1, 1],
  ['1001m', 1001, 2],
  ['1Ki', 1_024_000, 1024],
  ['-1500m', -1500, -1],
])('%s is %d thousandths and %d units, rounded up', (text, milli, value) => {
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
