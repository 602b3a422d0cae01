import { expect, test } from 'vitest';
import { Scratch } from './scratch.ts';

test('what was taken is nobody else’s until it is used again', () => {
  const scratch = new Scratch();
  const first = scratch.take(10).fill(1);
  const second = scratch.shorten(scratch.take(100).fill(2), 3);
  const third = scratch.take(10).fill(3);
  expect([...first, ...second]).toEqual([...Array(10).fill(1), 2, 2, 2]);
  expect(third.byteOffset - second.byteOffset).toBe(8);
  scratch.reuse();
  expect(scratch.take(10).byteOffset).toBe(first.byteOffset);
});

test('what is too large has memory of its own, and what was abandoned stays as it is', () => {
  const scratch = new Scratch();
  const kept = scratch.take(10).fill(1);
  const large = scratch.shorten(scratch.take(2 * 1024 * 1024), 5);
  expect(large.length).toBe(5);
  expect(large.buffer).not.toBe(kept.buffer);
  scratch.abandon();
  scratch.take(10).fill(2);
  expect([...kept]).toEqual(Array(10).fill(1));
});
