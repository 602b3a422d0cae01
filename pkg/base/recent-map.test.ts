import { expect, test } from 'vitest';
import { RecentMap } from './recent-map.ts';

const names = (map: RecentMap<number>, keys: string): string =>
  [...keys].filter((key) => map.get(key) !== undefined).join('');

function filled(keys: string): RecentMap<number> {
  const map = new RecentMap<number>(2);
  for (const [index, key] of [...keys].entries()) map.set(key, index);
  return map;
}

test('the latest keys are there, and never more than twice as many', () => {
  expect(names(filled('ab'), 'ab')).toBe('ab');
  expect(names(filled('abc'), 'c')).toBe('c');
  expect(filled('abcde').get('a')).toBeUndefined();
  expect(names(filled('abcde'), 'de')).toBe('de');
});

test('what is used stays', () => {
  const map = filled('ab');
  for (const key of 'cdefgh') {
    map.set(key, 0);
    expect(map.get('a')).toBe(0);
  }
  expect(map.get('b')).toBeUndefined();
});

test('a key that is set again is one key', () => {
  const map = filled('abbbbb');
  expect([map.get('a'), map.get('b')]).toEqual([0, 5]);
});
