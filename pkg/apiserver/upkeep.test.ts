/** How far the past of a store can be read while its server runs. */
import { expect, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { CompactedError, type Store, StoreUnavailableError } from '#pkg/storage/store.ts';
import { keepCompacting } from './upkeep.ts';

async function put(store: Store, ifModRevision: number): Promise<number> {
  const result = await store.write({ type: 'put', key: '/a', value: new Uint8Array(1), ifModRevision });
  if (!result.ok) throw new Error('The write was refused');
  return result.revision;
}

test('every five minutes the store is compacted to its revision of five minutes before', async () => {
  const networkClock = new VirtualClock();
  const store = createMemoryStore({ clock: new VirtualClock() });
  const controller = new AbortController();
  const first = await put(store, 0);
  const running = keepCompacting({ networkClock, log: silentLogger }, store, controller.signal);
  await networkClock.advance(1000);
  const second = await put(store, first);
  await networkClock.advance(300_000);
  expect((await store.range({ prefix: '', revision: first })).count).toBe(1);
  await put(store, second);
  await networkClock.advance(300_000);
  await expect(store.range({ prefix: '', revision: first })).rejects.toThrow(new CompactedError(second));
  controller.abort();
  await running;
});

test('a compaction that fails is tried again with the next one', async () => {
  const networkClock = new VirtualClock();
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
  const first = await put(inner, 0);
  const running = keepCompacting({ networkClock, log: silentLogger }, store, controller.signal);
  await networkClock.advance(1000);
  await put(inner, first);
  await networkClock.advance(900_000);
  controller.abort();
  await running;
  expect(compacted).toEqual([first, first]);
});
