import { expect, test } from 'vitest';
import {
  firstMissing,
  formatIndexSet,
  hasIndex,
  parseIndexSet,
  sizeOf,
  sizeOfIntersection,
  unionOf,
  withIndexes,
} from './indexes.ts';

test.each<[string, readonly number[], string]>([
  ['', [], ''],
  ['', [3, 1, 2], '1-3'],
  ['1', [2], '1,2'],
  ['0,2-4,7', [5, 1, 7], '0-5,7'],
  ['0-3', [9, 11], '0-3,9,11'],
])('%s with %j is written %s', (text, more, written) => {
  expect(formatIndexSet(withIndexes(parseIndexSet(text, 100), more))).toBe(written);
});

test.each([
  ['0-9', 5, '0-4'],
  ['2,3,4', 100, '2-4'],
  ['7', 5, ''],
  ['x,3,2-y', 100, '3'],
])('%s below %i is %s', (text, completions, written) => {
  expect(formatIndexSet(parseIndexSet(text, completions))).toBe(written);
});

test('sets are counted, searched, joined and completed', () => {
  const set = parseIndexSet('1-3,6', 10);
  expect(sizeOf(set)).toBe(4);
  expect([0, 1, 2, 3, 4, 6, 7].filter((index) => hasIndex(set, index))).toEqual([1, 2, 3, 6]);
  expect(sizeOfIntersection(set, parseIndexSet('2-6', 10))).toBe(3);
  expect(formatIndexSet(unionOf(set, parseIndexSet('4,9', 10)))).toBe('1-4,6,9');
  expect(firstMissing(set, 3, 10)).toEqual([0, 4, 5]);
  expect(firstMissing(set, 9, 8)).toEqual([0, 4, 5, 7]);
});
