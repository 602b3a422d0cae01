import { expect, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { runCompactor } from './compactor.ts';
import { createMemoryStore } from './drivers/memory/memory-store.ts';
import { CompactedError, type Store, StoreUnavailableError } from './store.ts';

async function put(store: Store, ifModRevision: number): Promise<number> {
  const result = await store.write({ type: 'put', key: '/a', value: new Uint8Array(1), ifModRevision });
  if (!result.ok) throw new Error('The write was refused');
  return result.revision;
}

test('every five minutes the store is compacted to its revision of five minutes before', async () => {
  const clock = new VirtualClock();
  const store = createMemoryStore({ clock: new VirtualClock() });
  const controller = new AbortController();
  const first = await put(store, 0);
  const running = runCompactor({ store, clock, log: silentLogger }, controller.signal);
  await clock.advance(1000);
  const second = await put(store, first);
  await clock.advance(300_000);
  expect((await store.range({ prefix: '', revision: first })).count).toBe(1);
  await clock.advance(300_000);
  await expect(store.range({ prefix: '', revision: first })).rejects.toThrow(new CompactedError(second));
  controller.abort();
  await running;
});

test('a compaction that fails is tried again with the next one', async () => {
  const clock = new VirtualClock();
  const inner = createMemoryStore({ clock: new VirtualClock() });
  const compacted: number[] = [];
  const store: Store = Object.assign(Object.create(inner) as Store, {
    currentRevision: () => inner.currentRevision(),
    compact: (revision: number) => {
      compacted.push(revision);
      return compacted.length === 1 ? Promise.reject(new StoreUnavailableError('down')) : Promise.resolve();
    },
  });
  const controller = new AbortController();
  const running = runCompactor({ store, clock, log: silentLogger, periodMs: 1000 }, controller.signal);
  await clock.advance(1500);
  const second = await put(inner, 0);
  await clock.advance(3000);
  controller.abort();
  await running;
  expect(compacted).toEqual([1, 1, second, second]);
});
