import { expect, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { Expirer, ExpiryQueue, expiryOf } from './expiry.ts';
import { StoreUnavailableError, type WriteOperation, type WriteResult } from './store.ts';

class CountingClock extends VirtualClock {
  yields = 0;
  timers = 0;

  override yield(): Promise<void> {
    this.yields++;
    return super.yield();
  }

  override setTimeout(callback: () => void, delayMs: number) {
    this.timers++;
    return super.setTimeout(callback, delayMs);
  }
}

function start(refuse: () => boolean = () => false) {
  const clock = new CountingClock();
  const queue = new ExpiryQueue();
  const writes: WriteOperation[] = [];
  const write = async (operation: WriteOperation): Promise<WriteResult> => {
    if (refuse()) throw new StoreUnavailableError('Not now');
    writes.push(operation);
    return { ok: true, revision: 1_000 + writes.length };
  };
  const expirer = new Expirer({ clock, log: silentLogger, sources: [queue], write });
  const add = (key: string, revision: number, ttlMs: number): void => {
    const expiresMs = expiryOf(clock.nowMs(), ttlMs);
    queue.add(expiresMs, { key, revision });
    expirer.arm(expiresMs);
  };
  return { clock, expirer, writes, add };
}

test('a thousand keys that are due at once are deleted a slice at a time, and others have turns in between (fault 56)', async () => {
  const { clock, writes, add } = start();
  for (let i = 0; i < 1_000; i++) add(`/k/${i}`, i + 2, 60_000);
  await clock.advance(59_999);
  expect(writes).toEqual([]);
  await clock.advance(10_001);
  expect(writes).toEqual(
    Array.from({ length: 1_000 }, (_, i) => ({ type: 'delete', key: `/k/${i}`, ifModRevision: i + 2 })),
  );
  expect(clock.yields).toBeGreaterThanOrEqual(1_000 / 128);
});

test('there is one timer for the earliest time, and none when nothing expires', async () => {
  const { clock, writes, add } = start();
  await clock.advance(86_400_000);
  expect(clock.timers).toBe(0);
  add('/late', 2, 50_000);
  add('/later', 3, 60_000);
  expect(clock.timers).toBe(1);
  add('/early', 4, 20_000);
  expect(clock.timers).toBe(2);
  await clock.advance(86_400_000);
  expect(writes.map(({ key }) => key)).toEqual(['/early', '/late', '/later']);
  expect(clock.timers).toBe(4);
});

test('what the store refuses is tried again later, and not after the end', async () => {
  let isDown = true;
  const { clock, expirer, writes, add } = start(() => isDown);
  add('/a', 2, 10_000);
  await clock.advance(45_000);
  expect(writes).toEqual([]);
  isDown = false;
  await clock.advance(10_000);
  expect(writes.map(({ key }) => key)).toEqual(['/a']);
  add('/b', 3, 10_000);
  await expirer.close();
  await clock.advance(60_000);
  expect(writes).toHaveLength(1);
});
