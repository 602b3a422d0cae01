import { expect, test } from 'vitest';
import { warningHeader } from './warning-header.ts';

const each = (header: string): string[] => [...header.matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)].map((match) => match[1]!);

test('each text comes once, in order, quoted', () => {
  expect(warningHeader(['b', 'a "x"', 'b', '', 'c\né'])).toBe('299 - "b", 299 - "a \\"x\\"", 299 - "c "');
});

test('long ones come whole as long as all of them fit', () => {
  const long = 'x'.repeat(4_096);
  expect(each(warningHeader([long]))).toEqual([long]);
});

test('of too many each is cut, and the rest is left out', () => {
  const texts = Array.from({ length: 30_000 }, (_, i) => `${i} ${'y'.repeat(300)}`);
  const told = each(warningHeader(texts));
  expect(told).toEqual(texts.slice(0, 16).map((text) => text.slice(0, 256)));
});

test('one that is too long after short ones is cut, and more may follow', () => {
  const told = each(warningHeader(['a', 'x'.repeat(5_000), 'b']));
  expect(told).toEqual(['a', 'x'.repeat(256), 'b']);
});
