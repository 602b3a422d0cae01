import { expect, test } from 'vitest';
import { KeyHistory, mergeByKey } from './key-history.ts';

const names = (history: KeyHistory<string>, revision: number, prefix = ''): string[] =>
  history.at(revision, prefix).map((version) => version.value);

test('the versions at a revision are those that had begun and not ended', () => {
  const history = new KeyHistory<string>();
  history.add({ key: '/b', from: 2, until: 4, value: 'b2', bytes: 1 });
  history.add({ key: '/a', from: 3, until: 5, value: 'a3', bytes: 1 });
  history.add({ key: '/b', from: 4, until: 6, value: 'b4', bytes: 1 });
  expect([1, 2, 3, 4, 5, 6].map((revision) => names(history, revision))).toEqual([
    [],
    ['b2'],
    ['a3', 'b2'],
    ['a3', 'b4'],
    ['b4'],
    [],
  ]);
  expect(names(history, 3, '/b')).toEqual(['b2']);
});

test('compaction forgets what ended, in order, however often one key was changed', () => {
  const history = new KeyHistory<string>();
  const count = 5000;
  for (let i = 1; i <= count; i++)
    history.add({ key: i % 10 === 0 ? '/cold' : '/hot', from: i, until: i + 1, value: `v${i}`, bytes: 1 });
  expect(history.compact(1)).toEqual([]);
  for (let revision = 2; revision <= count; revision += 137) {
    history.compact(revision);
    expect(names(history, revision - 1)).toEqual([]);
    expect(names(history, revision)).toEqual([`v${revision}`]);
  }
  expect(history.compact(count + 1).at(-1)?.value).toBe(`v${count}`);
  expect(names(history, count)).toEqual([]);
});

test('lists in key order are merged in byte order', () => {
  const list = (...keys: string[]) => keys.map((key) => ({ key }));
  expect(
    mergeByKey(list('/a', '/d', '/z'), list('/b', '/c', '/x', '/zz'))
      .map((item) => item.key)
      .join(' '),
  ).toBe('/a /b /c /d /x /z /zz');
  expect(mergeByKey([], list('/b'))).toEqual(list('/b'));
});
