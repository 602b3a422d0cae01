/** When V8 is told how the heap may grow. */
import { expect, test } from 'vitest';
import { createHeapLimit } from './heap-limit.ts';

test('the heap is limited when it is said, and more while the process is large', () => {
  const told: string[] = [];
  const limit = createHeapLimit({ setFlag: (text) => void told.push(text), given: ['--max-semi-space-size=8'] });
  limit.tighten(true);
  expect(told).toEqual([]);
  limit.set();
  for (const isLarge of [false, true, true, false]) limit.tighten(isLarge);
  expect(told.map((text) => text.split('=')[1])).toEqual(['60', '30', '60']);
});

test('who has chosen another growth gets that', () => {
  const told: string[] = [];
  const limit = createHeapLimit({ setFlag: (text) => void told.push(text), given: ['--heap-growing-percent=200'] });
  limit.set();
  limit.tighten(true);
  expect(told).toEqual([]);
});
