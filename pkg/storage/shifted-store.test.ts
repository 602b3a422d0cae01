import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { storeConformance } from './conformance.ts';
import { createMemoryStore } from './drivers/memory/memory-store.ts';
import { shiftedStore } from './shifted-store.ts';
import { CompactedError, type Store, type StoreEvent } from './store.ts';

storeConformance('a store with its revisions shifted', async () => {
  const clock = new VirtualClock();
  const store = shiftedStore(createMemoryStore({ clock }), { shift: 1_000, floor: 1_001 });
  return { store, advance: (durationMs) => clock.advance(durationMs), cleanup: () => store.close() };
});

const put = (store: Store, key: string, ifModRevision = 0) =>
  store.write({ type: 'put', key, value: Buffer.from(key), ifModRevision });

test('revisions are shown greater, and nothing up to the floor is read, watched or written over', async () => {
  const whole = createMemoryStore({ clock: new VirtualClock() });
  await put(whole, '/a');
  await put(whole, '/b');
  const store = shiftedStore(whole, { shift: 97, floor: 100 });
  const made = await put(store, '/c');
  expect(made).toMatchObject({ ok: true, revision: 101 });
  expect(await store.get('/c')).toMatchObject({ createRevision: 101, modRevision: 101 });
  expect((await store.range({ prefix: '/', revision: 100 })).items.map(({ key }) => key)).toEqual(['/a', '/b']);
  await expect(store.range({ prefix: '/', revision: 99 })).rejects.toEqual(new CompactedError(100));
  await expect(store.range({ prefix: '/', revision: 102 })).rejects.toThrow(
    'Cannot read revision 102 as the store is at 101',
  );
  for (const old of [2, 50, 4]) expect(await put(store, '/c', old)).toMatchObject({ ok: false });
  const seen: StoreEvent[] = [];
  const errors: Error[] = [];
  const sink = {
    onEvents: (events: readonly StoreEvent[]) => seen.push(...events),
    onError: (e: Error) => errors.push(e),
  };
  const watches = [99, 101].map((fromRevision) => store.watch({ prefix: '/', fromRevision }, sink));
  await put(store, '/c', 101);
  await put(store, '/d');
  expect(errors).toEqual([new CompactedError(100)]);
  expect(seen.map((event) => event.type === 'put' && [event.kv.key, event.kv.modRevision])).toEqual([
    ['/c', 101],
    ['/c', 102],
    ['/d', 103],
  ]);
  for (const watch of watches) watch.close();
  await store.close();
});
