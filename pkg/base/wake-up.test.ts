import { expect, test } from 'vitest';
import { VirtualClock } from './virtual-clock.ts';
import { WakeUp } from './wake-up.ts';

test.each([
  ['its time', (clock: VirtualClock) => clock.advance(1_000)],
  ['a wake', (_: VirtualClock, wakeUp: WakeUp) => wakeUp.wake()],
  ['an abort', (_: VirtualClock, __: WakeUp, controller: AbortController) => controller.abort()],
])('a wait ends with %s, and not before', async (_, end) => {
  const [clock, wakeUp, controller] = [new VirtualClock(), new WakeUp(), new AbortController()];
  let isOver = false;
  const waiting = wakeUp.wait(clock, 1_000, controller.signal).then(() => {
    isOver = true;
  });
  await clock.advance(999);
  expect(isOver).toBe(false);
  await end(clock, wakeUp, controller);
  await waiting;
});

test('a wake that comes between two waits ends the next one, and only that', async () => {
  const [clock, wakeUp, { signal }] = [new VirtualClock(), new WakeUp(), new AbortController()];
  wakeUp.wake();
  await wakeUp.wait(clock, 1_000, signal);
  let isOver = false;
  const waiting = wakeUp.wait(clock, 1_000, signal).then(() => {
    isOver = true;
  });
  await clock.advance(999);
  expect(isOver).toBe(false);
  await clock.advance(1);
  await waiting;
});
