import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { outputCost, Pace } from './pace.ts';

test('what is spent beyond the average is waited for, and rest is kept for a moment only', async () => {
  const clock = new VirtualClock();
  const pace = new Pace({ clock, perSecond: 1000 });
  pace.spend(50);
  expect(pace.delayMs()).toBe(0);
  pace.spend(100);
  expect(pace.delayMs()).toBe(86);
  await clock.advance(86);
  expect(pace.delayMs()).toBe(0);
  await clock.advance(1_000_000);
  pace.spend(1064);
  expect(pace.delayMs()).toBe(1000);
});

test('lines cost more than their bytes', () => {
  expect([outputCost(Buffer.from('abc')), outputCost(Buffer.from('a\n\nb')), outputCost(Buffer.alloc(0))]).toEqual([
    3, 84, 0,
  ]);
});
