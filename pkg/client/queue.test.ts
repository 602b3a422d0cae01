import { expect, test } from 'vitest';
import { sleep } from '#pkg/base/async.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createWorkQueue } from './queue.ts';
import { runReconcileLoop } from './reconcile-loop.ts';

const setUp = () => {
  const clock = new VirtualClock();
  return { clock, queue: createWorkQueue({ name: 'test', clock }) };
};

test('keys come in the order they were added, each once', async () => {
  const { queue } = setUp();
  for (const key of ['a', 'b', 'a', 'c']) queue.add(key);
  expect(queue.length).toBe(3);
  expect([await queue.get(), await queue.get(), await queue.get()]).toEqual(['a', 'b', 'c']);
});

test('a key added while it is worked on comes back after done, not before', async () => {
  const { queue } = setUp();
  queue.add('a');
  expect(await queue.get()).toBe('a');
  queue.add('a');
  expect(queue.length).toBe(0);
  queue.done('a');
  expect(queue.length).toBe(1);
});

test('the earliest of several delays of a key counts', async () => {
  const { clock, queue } = setUp();
  queue.addAfter('a', 1_000);
  queue.addAfter('a', 100);
  queue.addAfter('a', 500);
  await clock.advance(99);
  expect(queue.length).toBe(0);
  await clock.advance(1);
  expect(await queue.get()).toBe('a');
  queue.done('a');
  await clock.advance(2_000);
  expect(queue.length).toBe(0);
});

test('back-off doubles from 5 ms to 1,000 s until it is forgotten', async () => {
  const { clock, queue } = setUp();
  const delays: number[] = [];
  for (let i = 0; i < 20; i++) {
    const startMs = clock.monotonicMs();
    queue.addRateLimited('a');
    await clock.runUntil(() => queue.length > 0);
    delays.push(clock.monotonicMs() - startMs);
    queue.done((await queue.get())!);
  }
  expect(delays.slice(0, 4)).toEqual([5, 10, 20, 40]);
  expect(delays.at(-1)).toBe(1_000_000);
  expect(queue.retries('a')).toBe(20);
  queue.forget('a');
  expect(queue.retries('a')).toBe(0);
});

test('after shutdown workers get what is left, then undefined', async () => {
  const { queue } = setUp();
  queue.add('a');
  queue.shutDown();
  queue.add('b');
  expect([await queue.get(), await queue.get()]).toEqual(['a', undefined]);
});

test('a reconcile that throws is tried again; one that asks is called later; the loop ends with its signal', async () => {
  const { clock, queue } = setUp();
  const stop = new AbortController();
  const calls: string[] = [];
  const running = runReconcileLoop(
    {
      name: 'test',
      queue,
      workers: 2,
      log: silentLogger,
      clock,
      reconcile: async (key) => {
        calls.push(`${clock.monotonicMs()} ${key}`);
        if (key === 'bad' && calls.filter((line) => line.endsWith('bad')).length < 3) throw new Error('no');
        return key === 'later' && calls.length < 5 ? { requeueAfterMs: 1_000 } : undefined;
      },
    },
    stop.signal,
  );
  queue.add('bad');
  queue.add('later');
  await clock.advance(5_000);
  expect(calls).toEqual(['0 bad', '0 later', '5 bad', '15 bad', '1000 later']);
  stop.abort();
  await running;
});

test('a loop that is told to end lets the worker finish what it has and leaves the rest', async () => {
  const { clock, queue } = setUp();
  const stop = new AbortController();
  const calls: string[] = [];
  const reconcile = async (key: string): Promise<undefined> => {
    await sleep(clock, 1_000);
    calls.push(key);
    return undefined;
  };
  const options = { name: 'test', queue, workers: 1, log: silentLogger, clock, reconcile };
  let hasEnded = false;
  const running = runReconcileLoop(options, stop.signal).then(() => {
    hasEnded = true;
  });
  queue.add('a');
  queue.add('b');
  await clock.advance(500);
  stop.abort();
  await clock.advance(499);
  expect(hasEnded).toBe(false);
  await clock.advance(1);
  await running;
  expect(calls).toEqual(['a']);
});

test('keys that fail over and over do not keep others from being worked on', async () => {
  const { clock, queue } = setUp();
  const stop = new AbortController();
  const calls = new Map<string, number>();
  const reconcile = async (key: string): Promise<undefined> => {
    calls.set(key, (calls.get(key) ?? 0) + 1);
    if (key.startsWith('bad')) throw new Error('no');
    return undefined;
  };
  const running = runReconcileLoop(
    { name: 'test', queue, workers: 1, log: silentLogger, clock, reconcile },
    stop.signal,
  );
  for (let i = 0; i < 10; i++) queue.add(`bad${i}`);
  await clock.advance(60_000);
  queue.add('good');
  await clock.settle();
  expect(calls.get('good')).toBe(1);
  expect(calls.get('bad0')).toBeLessThan(16);
  stop.abort();
  await running;
});
