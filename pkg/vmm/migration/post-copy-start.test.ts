import { expect, test } from 'vitest';
import { PostCopyStart } from './post-copy-start.ts';

/** Numbers of the pages that are marked. */
const marked = (missing: Uint8Array): readonly number[] => [...missing.keys()].filter((page) => missing[page] === 1);

test('what the guest uses and does not write goes ahead once, what it wrote last goes along, the rest comes later', () => {
  const sent = new Set([1]);
  const start = new PostCopyStart([1, 2, 3, 4, 5, 6], { hasSent: (page) => sent.has(page) });
  // Page 9 was never written: it is zeros, and read all the same.
  const more = start.more({ dirty: [4, 7], used: [1, 2, 4, 7, 9] });
  expect(more).toEqual([2]);
  for (const page of more) sent.add(page);
  expect(start.more({ dirty: [2, 8], used: [2, 3, 8] })).toEqual([]);
  const missing = new Uint8Array(10);
  expect(start.leave(missing, 3)).toEqual([2, 8, 4]);
  expect(marked(missing)).toEqual([3, 5, 6, 7]);
});

test('where there is no time, all that was written comes later', () => {
  const start = new PostCopyStart([1, 2], { hasSent: () => false });
  expect(start.more({ dirty: [1, 3], used: [1] })).toEqual([]);
  const missing = new Uint8Array(5);
  expect(start.leave(missing, 0)).toEqual([]);
  expect(marked(missing)).toEqual([1, 2, 3]);
});
