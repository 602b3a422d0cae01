import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { Surges } from './surges.ts';

test('what is free is given back each time the process has grown, and that takes a twentieth of the time at most', async () => {
  const clock = new VirtualClock();
  let [resident, spentMs] = [100, 0];
  const trimmedAt: number[] = [];
  const memory = {
    residentBytes: () => resident * 1024 * 1024,
    trim() {
      trimmedAt.push(resident);
      resident -= 10;
      spentMs += 5;
    },
  };
  const paused = Object.assign(Object.create(clock) as VirtualClock, {
    monotonicMs: () => clock.monotonicMs() + spentMs,
  });
  const surges = new Surges(paused, memory);
  for (const next of [163, 164, 256, 256, 256, 150, 213, 215]) {
    resident = next;
    surges.look();
    await clock.advance(50);
  }
  // 100 ms after the first it is too early for another.
  expect(trimmedAt).toEqual([164, 256, 215]);
});
