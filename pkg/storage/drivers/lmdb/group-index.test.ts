import { expect, test } from 'vitest';
import { GroupIndex } from './group-index.ts';

test('a group dies as a whole when all of its writes are dead', () => {
  const index = new GroupIndex();
  // Revision 4 was a cold put of the first transaction, of which the log has nothing.
  index.add(2, 3);
  index.add(6, 1);
  index.add(7, 2);
  const dead = Float64Array.of(2, 3, 5, 6, 7, 9);
  expect(index.wholeAt(dead, 0)).toBe(3);
  expect(index.wholeAt(dead, 3)).toBe(1);
  expect(index.wholeAt(Float64Array.of(7), 0)).toBe(0);
  expect(index.wholeAt(dead, 4)).toBe(2);
  expect(index.wholeAt(dead, 1)).toBe(0);
  expect(index.wholeAt(Float64Array.of(2, 3, 6, 7), 0)).toBe(0);
});

test('of groups that are older than the newest many it knows nothing', () => {
  const index = new GroupIndex();
  for (let start = 0; start < 100_000; start++) index.add(start, 1);
  expect(index.wholeAt(Float64Array.of(0), 0)).toBe(0);
  expect(index.wholeAt(Float64Array.of(99_000), 0)).toBe(1);
});
