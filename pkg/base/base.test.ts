import { expect, test } from 'vitest';
import { childSignal, Queue, repeat } from './async.ts';
import { formatMicroTime, formatTimestamp } from './clock.ts';
import { Heap } from './heap.ts';
import { jitter, nameSuffix, randomInt, SeededRandom } from './random.ts';
import { VirtualClock } from './virtual-clock.ts';

test('a heap gives its items in order', () => {
  const random = new SeededRandom(7);
  const heap = new Heap<number>((a, b) => a - b);
  const items = Array.from({ length: 500 }, () => randomInt(random, 100));
  for (const item of items) heap.push(item);
  const drained: number[] = [];
  for (let item = heap.pop(); item !== undefined; item = heap.pop()) drained.push(item);
  expect(drained).toEqual(items.toSorted((a, b) => a - b));
  expect(heap.size).toBe(0);
});

test('the same seed gives the same sequence, another seed another', () => {
  const draw = (seed: number): readonly unknown[] => {
    const random = new SeededRandom(seed);
    return [random.next(), random.uuid(), nameSuffix(random), randomInt(random, 1000)];
  };
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).not.toEqual(draw(2));
  expect(draw(0.1)).not.toEqual(draw(0.2));
});

test('names and jitter stay in their bounds', () => {
  const random = new SeededRandom(3);
  expect(nameSuffix(random, 8)).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{8}$/);
  expect(jitter(random, 100, 0.5)).toBeGreaterThanOrEqual(100);
});

test('timestamps have the forms of the API', () => {
  const instant = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  expect(formatTimestamp(instant)).toBe('2026-01-02T03:04:05Z');
  expect(formatMicroTime(instant)).toBe('2026-01-02T03:04:05.678000Z');
  // One after the other: within a second, a minute, into the next one, and back.
  for (const laterMs of [300, 3_400, 54_321, 54_322, 60_000, 3_600_000, -1, -70_000_000_000, -2e12])
    expect(formatTimestamp(instant + laterMs)).toBe(`${new Date(instant + laterMs).toISOString().slice(0, 19)}Z`);
});

test('a queue keeps order, refuses what is over its limit, and ends after what is left', async () => {
  const queue = new Queue<number>({ limit: 2 });
  const early = queue.next();
  expect([queue.push(1), queue.push(2), queue.push(3), queue.push(4)]).toEqual([true, true, true, false]);
  queue.close();
  expect(queue.push(5)).toBe(false);
  const rest: number[] = [];
  for await (const item of queue) rest.push(item);
  expect([(await early).value, ...rest]).toEqual([1, 2, 3]);
});

test('repeat runs at once, then after each period, until it is stopped', async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  const seen: number[] = [];
  const loop = repeat(clock, { periodMs: () => 100, signal: controller.signal }, () => {
    seen.push(clock.monotonicMs());
  });
  await clock.advance(250);
  controller.abort();
  await loop;
  expect(seen).toEqual([0, 100, 200]);
});

test('a child signal follows its parent and can be let go', () => {
  const parent = new AbortController();
  const kept = childSignal(parent.signal);
  const released = childSignal(parent.signal);
  released.dispose();
  parent.abort();
  expect([kept.controller.signal.aborted, released.controller.signal.aborted]).toEqual([true, false]);
});
