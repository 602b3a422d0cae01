import { expect, test } from 'vitest';
import { makePod } from '#pkg/testing/builders.ts';
import { podInfoOf } from '../../model/pod-info.ts';
import { prioritySort } from './priority-sort.ts';

const waiting = (priority: number, enqueuedMs: number) => ({
  pod: podInfoOf(makePod('p').spec({ priority }).object),
  enqueuedMs,
});

test.each([
  { rule: 'the higher priority first', a: waiting(2, 9), b: waiting(1, 1), expected: -1 },
  { rule: 'of one priority who waited longer', a: waiting(1, 1), b: waiting(1, 9), expected: -1 },
  { rule: 'no difference', a: waiting(1, 1), b: waiting(1, 1), expected: 0 },
])('$rule', ({ a, b, expected }) => {
  expect([Math.sign(prioritySort.compare(a, b)), Math.sign(prioritySort.compare(b, a)) + 0]).toEqual([
    expected,
    -expected + 0,
  ]);
});
