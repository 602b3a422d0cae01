import { expect, test } from 'vitest';
import { sleep } from './async.ts';
import { VirtualClock, virtualEpochMs } from './virtual-clock.ts';

test('timers run at their own instants, in order, equal ones in the order they were set', async () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const at = (name: string, delayMs: number) =>
    clock.setTimeout(() => seen.push(`${name}@${clock.monotonicMs()}`), delayMs);
  at('late', 30);
  at('a', 10);
  at('b', 10);
  at('cancelled', 15).cancel();
  at('negative', -5);
  await clock.advance(20);
  expect(seen).toEqual(['negative@0', 'a@10', 'b@10']);
  expect(clock.nowMs()).toBe(virtualEpochMs + 20);
  await clock.advance(10);
  expect(seen.at(-1)).toBe('late@30');
});

test('what follows from a timer happens before time moves on', async () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  const loop = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      await sleep(clock, 10);
      await Promise.resolve();
      await new Promise<void>((resolve) => process.nextTick(resolve));
      seen.push(clock.monotonicMs());
    }
  };
  const done = loop();
  await clock.advance(100);
  await done;
  expect(seen).toEqual([10, 20, 30]);
});

test('a timer set for now by a timer runs at the same instant', async () => {
  const clock = new VirtualClock();
  let depth = 0;
  const again = (): void => {
    if (++depth < 5) clock.setTimeout(again, 0);
  };
  clock.setTimeout(again, 7);
  await clock.advance(7);
  expect(depth).toBe(5);
});

test('runUntil stops at the first instant at which the condition holds, and throws when it never does', async () => {
  const clock = new VirtualClock();
  let count = 0;
  const tick = (): void => {
    count++;
    clock.setTimeout(tick, 1000);
  };
  clock.setTimeout(tick, 1000);
  await clock.runUntil(() => count === 3);
  expect(clock.monotonicMs()).toBe(3000);
  await expect(clock.runUntil(() => false, 5000)).rejects.toThrow('5000 ms of virtual time');
});

test('two advances at once are refused', async () => {
  const clock = new VirtualClock();
  const first = clock.advance(10);
  await expect(clock.advance(10)).rejects.toThrow('already being advanced');
  await first;
});

test('sleep ends early, with false, when its signal is aborted, and leaves no timer behind', async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  const result = sleep(clock, 1000, controller.signal);
  await clock.advance(10);
  controller.abort();
  expect(await result).toBe(false);
  expect(await sleep(clock, 1000, controller.signal)).toBe(false);
});

test('step goes to the next timer that was not cancelled, and says when there is none', async () => {
  const clock = new VirtualClock();
  clock.setTimeout(() => {}, 5).cancel();
  clock.setTimeout(() => {}, 40);
  expect([await clock.step(), clock.monotonicMs()]).toEqual([true, 40]);
  expect([await clock.step(), clock.monotonicMs()]).toEqual([false, 40]);
});
