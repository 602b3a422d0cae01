import { expect, test } from 'vitest';
import { ExpectedResources, type ResourceName } from './expected-resources.ts';

const names: readonly ResourceName[] = [
  { group: 'a.io', resource: 'foos' },
  { group: 'a.io', resource: 'bars' },
  { group: 'b.io', resource: 'foos' },
];

function make() {
  const expected = new ExpectedResources();
  const taken: string[] = [];
  expected.add(names, (name) => {
    taken.push(`${name.resource}.${name.group}`);
    // Who takes one up may ask for others, which come when it is their turn.
    expected.meetSome();
  });
  return { expected, taken };
}

test('a resource is taken up once, when it is asked for', () => {
  const { expected, taken } = make();
  expect(taken).toEqual([]);
  expect(expected.meet({ group: 'a.io', resource: 'others' })).toBe(false);
  expect(expected.meet({ group: 'a.io', resource: 'bars' })).toBe(true);
  expect(expected.meet({ group: 'a.io', resource: 'bars' })).toBe(false);
  expect(taken).toEqual(['bars.a.io']);
});

test('all of a group are taken up, some of all, or all', () => {
  const { expected, taken } = make();
  expected.meetGroup('b.io');
  expect(taken).toEqual(['foos.b.io']);
  expect(expected.meetSome(1)).toBe(true);
  expect(taken).toEqual(['foos.b.io', 'foos.a.io']);
  expect(expected.isEmpty).toBe(false);
  expect(expected.meetSome(1)).toBe(false);
  expect(taken).toEqual(['foos.b.io', 'foos.a.io', 'bars.a.io']);
  expect(expected.isEmpty).toBe(true);
});

test('one that cannot be taken up is not expected any more, and others still are', () => {
  const expected = new ExpectedResources();
  expected.add(names, ({ resource }) => {
    if (resource === 'bars') throw new Error('unreadable');
  });
  expect(() => expected.meet({ group: 'a.io', resource: 'bars' })).toThrow('unreadable');
  expect(expected.meet({ group: 'a.io', resource: 'bars' })).toBe(false);
  expect(expected.meet({ group: 'a.io', resource: 'foos' })).toBe(true);
});
