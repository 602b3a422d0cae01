import { expect, test } from 'vitest';
import { SeededRandom } from '#pkg/base/random.ts';
import { deepFreeze } from '../json.ts';
import {
  difference,
  exclude,
  type FieldSet,
  intersection,
  parseFieldSet,
  pathsOf,
  setsEqual,
  union,
} from './field-set.ts';

const set = (value: object): FieldSet => deepFreeze(value) as FieldSet;
const a = set({ 'f:a': {}, 'f:b': { '.': {}, 'f:c': {}, 'f:d': {} } });

test.each<[string, FieldSet, FieldSet, object, object, object]>([
  ['disjoint', set({ 'f:x': {} }), set({ 'f:y': {} }), { 'f:x': {}, 'f:y': {} }, { 'f:x': {} }, {}],
  ['same', a, set(structuredClone(a)), a, {}, a],
  ['empty', a, set({}), a, a, {}],
  [
    'child removed',
    a,
    set({ 'f:b': { 'f:c': {} } }),
    a,
    { 'f:a': {}, 'f:b': { '.': {}, 'f:d': {} } },
    { 'f:b': { 'f:c': {} } },
  ],
  [
    'member with children against leaf',
    a,
    set({ 'f:b': {} }),
    a,
    { 'f:a': {}, 'f:b': { 'f:c': {}, 'f:d': {} } },
    { 'f:b': {} },
  ],
  [
    'leaf against children only',
    set({ 'f:b': {} }),
    set({ 'f:b': { 'f:c': {} } }),
    { 'f:b': { '.': {}, 'f:c': {} } },
    { 'f:b': {} },
    {},
  ],
  [
    'all children removed leave the member',
    set({ 'f:b': { '.': {}, 'f:c': {} } }),
    set({ 'f:b': { 'f:c': {} } }),
    { 'f:b': { '.': {}, 'f:c': {} } },
    { 'f:b': {} },
    { 'f:b': { 'f:c': {} } },
  ],
  [
    'all children removed leave nothing',
    set({ 'f:b': { 'f:c': {} } }),
    set({ 'f:b': { '.': {}, 'f:c': {} } }),
    { 'f:b': { '.': {}, 'f:c': {} } },
    {},
    { 'f:b': { 'f:c': {} } },
  ],
])('%s: union, difference, intersection', (_, left, right, sum, rest, common) => {
  expect(union(left, right)).toEqual(sum);
  expect(difference(left, right)).toEqual(rest);
  expect(intersection(left, right)).toEqual(common);
});

test('what does not change is not copied', () => {
  expect(union(a, set({ 'f:a': {} }))).toBe(a);
  expect(difference(a, set({ 'f:z': {} }))).toBe(a);
});

test('sets compare by their members', () => {
  expect(setsEqual(a, set(structuredClone(a)))).toBe(true);
  expect(setsEqual(a, set({ 'f:a': {}, 'f:b': { 'f:c': {}, 'f:d': {} } }))).toBe(false);
  expect(setsEqual(set({}), a)).toBe(false);
});

test('paths are written as in conflicts', () => {
  const paths = pathsOf(set({ 'f:a': { 'k:{"p":80,"q":"x"}': { '.': {}, 'f:n': {} }, 'v:"s"': {}, 'i:3': {} } }));
  expect(paths).toEqual(['.a[p=80,q="x"]', '.a[="s"]', '.a[3]', '.a[p=80,q="x"].n']);
});

test.each([[null], [[]], [{ a: {} }], [{ 'f:a': 1 }], [{ 'k:1': {} }], [{ 'k:{': {} }], [{ 'i:x': {} }]])(
  '%j is no set',
  (value) => {
    expect(parseFieldSet(value)).toBe(undefined);
  },
);

/** A random set over few names, so that sets meet often. */
function randomSet(random: SeededRandom, depth = 0): FieldSet {
  const node: Record<string, FieldSet> = {};
  for (const name of ['f:a', 'f:b', 'f:c']) {
    const roll = random.next();
    if (roll < 0.4) continue;
    const below = depth < 2 && roll > 0.6 ? randomSet(random, depth + 1) : {};
    const isLeaf = Object.keys(below).length === 0;
    node[name] = !isLeaf && random.next() < 0.5 ? { '.': {}, ...below } : below;
  }
  return deepFreeze(node);
}

test('sets behave as sets of paths do', () => {
  const random = new SeededRandom(7);
  for (let round = 0; round < 2000; round++) {
    const [left, right] = [randomSet(random), randomSet(random)];
    const [a, b] = [pathsOf(left), pathsOf(right)];
    const sorted = (paths: Iterable<string>): string[] => [...new Set(paths)].sort();
    expect(sorted(pathsOf(union(left, right)))).toEqual(sorted([...a, ...b]));
    expect(sorted(pathsOf(difference(left, right)))).toEqual(sorted(a.filter((path) => !b.includes(path))));
    expect(sorted(pathsOf(intersection(left, right)))).toEqual(sorted(a.filter((path) => b.includes(path))));
    expect(setsEqual(left, right)).toBe(a.length === b.length && a.every((path) => b.includes(path)));
  }
});

test('exclusion takes what is below a member too', () => {
  expect(exclude(a, set({ 'f:b': {} }))).toEqual({ 'f:a': {} });
  expect(exclude(a, set({ 'f:b': { 'f:c': {} } }))).toEqual({ 'f:a': {}, 'f:b': { '.': {}, 'f:d': {} } });
  expect(exclude(a, set({ 'f:z': {} }))).toBe(a);
});
