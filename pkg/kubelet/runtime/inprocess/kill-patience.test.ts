import { expect, test } from 'vitest';
import { killPatienceMs } from './kill-patience.ts';

test('a program that does not end is given up after ten seconds in which no other ended, and after two minutes anyway', () => {
  const killedMs = 1_000;
  const alone = { killedMs, lastEndMs: Number.NEGATIVE_INFINITY };
  expect(killPatienceMs(1_000, alone)).toBe(10_000);
  expect(killPatienceMs(11_000, alone)).toBe(0);
  expect(killPatienceMs(11_000, { killedMs, lastEndMs: 500 })).toBe(0);
  // Others end: the place is not stuck.
  expect(killPatienceMs(11_000, { killedMs, lastEndMs: 9_000 })).toBe(8_000);
  expect(killPatienceMs(120_000, { killedMs, lastEndMs: 119_900 })).toBe(1_000);
  expect(killPatienceMs(121_000, { killedMs, lastEndMs: 120_900 })).toBe(0);
});
