/** Machines are asked for pages while memory runs low, on virtual time. */
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { Balloons } from './balloons.ts';

test('all are asked for the same part, step by step, until enough is free, and let have it back then', async () => {
  const clock = new VirtualClock();
  let owned = 950;
  const asked: Record<string, number[]> = { small: [], large: [] };
  const machine = (name: string, memoryBytes: number) => ({
    memoryBytes,
    inflateTo: (pages: number) => void asked[name]?.push(pages),
  });
  const machines = [machine('small', 16 << 12), machine('large', 64 << 12)];
  const balloons = new Balloons({
    clock,
    use: () => ({ frames: 1000, owned, lent: 10, borrowers: 30 }),
    machines: () => machines,
  });
  onTestFinished(() => balloons.stop());
  await clock.advance(1000);
  owned = 800;
  await clock.advance(500);
  owned = 600;
  await clock.advance(2000);
  expect(asked).toEqual({ small: [1, 2, 2, 1, 0], large: [4, 8, 8, 4, 0] });
  owned = 990;
  await clock.advance(60_000);
  expect(asked['small']?.at(-1)).toBe(12);
});
