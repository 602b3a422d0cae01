import { expect, test } from 'vitest';
import { compare, median, quantile, rotation } from './statistics.ts';

test.each([
  [[], 0.5, Number.NaN],
  [[7], 0.25, 7],
  [[3, 1], 0.5, 2],
  [[9, 1, 5], 0.5, 5],
  [[4, 1, 3, 2], 0.25, 1.75],
  [[4, 1, 3, 2], 0.75, 3.25],
  [[10, 20, 30, 40, 50, 60, 70, 80, 90], 0.25, 30],
  [[10, 20, 30, 40, 50, 60, 70, 80, 90], 1, 90],
])('quantile of %j at %d is %d', (values, q, expected) => {
  expect(quantile(values, q)).toBe(expected);
});

test('values are left in their order', () => {
  const values = [3, 1, 2];
  expect(median(values)).toBe(2);
  expect(values).toEqual([3, 1, 2]);
});

test('the ratio is the median of the ratios within pairs, not the ratio of the medians', () => {
  const pairs = [
    [200, 100],
    [30, 20],
    [9, 6],
  ] as const;
  expect(compare(pairs, 'more')).toEqual({
    ours: 30,
    theirs: 20,
    ratio: 1.5,
    low: 1.5,
    high: 1.75,
    pairs: 3,
    isOpen: false,
  });
});

test('where less is better, a ratio above 1 is still ours being better', () => {
  const pairs = [
    [50, 100],
    [100, 100],
    [100, 150],
  ] as const;
  expect(compare(pairs, 'less')).toEqual({
    ours: 100,
    theirs: 100,
    ratio: 1.5,
    low: 1.25,
    high: 1.75,
    pairs: 3,
    isOpen: false,
  });
});

test.each([
  [[90, 100, 110], true],
  [[100, 100, 100], true],
  [[101, 102, 103], false],
  [[97, 98, 99], false],
])('ours %j against 100 each: no difference seen is %s', (ours, isOpen) => {
  expect(
    compare(
      ours.map((value) => [value, 100] as const),
      'more',
    )?.isOpen,
  ).toBe(isOpen);
});

test('pairs in which a side measured nothing do not count', () => {
  const pairs = [
    [0, 100],
    [Number.NaN, 100],
    [100, 0],
    [80, 40],
  ] as const;
  expect(compare(pairs, 'more')).toEqual({ ours: 80, theirs: 40, ratio: 2, low: 2, high: 2, pairs: 1, isOpen: false });
  expect(compare(pairs.slice(0, 3), 'more')).toBeUndefined();
  expect(compare([], 'less')).toBeUndefined();
});

test('the first two change places from round to round', () => {
  expect(rotation(['a', 'b'], 3)).toEqual([
    ['a', 'b'],
    ['b', 'a'],
    ['a', 'b'],
  ]);
  expect(rotation(['a', 'b', 'c'], 2)).toEqual([
    ['a', 'b', 'c'],
    ['b', 'a', 'c'],
  ]);
  expect(rotation(['a'], 2)).toEqual([['a'], ['a']]);
  expect(rotation(['a'], 0)).toEqual([]);
});
