import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { storeConformance } from './conformance.ts';
import { createMemoryStore } from './drivers/memory/memory-store.ts';
import { prefixedStore } from './prefixed-store.ts';
import type { Store, StoreEvent } from './store.ts';

storeConformance('a part of a store', async () => {
  const clock = new VirtualClock();
  const store = prefixedStore(createMemoryStore({ clock }), '/a');
  return { store, advance: (durationMs) => clock.advance(durationMs), cleanup: () => store.close() };
});

const put = (store: Store, key: string) => store.write({ type: 'put', key, value: Buffer.from(key), ifModRevision: 0 });

test('two parts of one store know nothing of each other (fault 44)', async () => {
  const whole = createMemoryStore({ clock: new VirtualClock() });
  const [a, b] = [prefixedStore(whole, '/a'), prefixedStore(whole, '/b')];
  const seen: string[] = [];
  const keyOf = (event: StoreEvent): string => (event.type === 'put' ? event.kv.key : event.key);
  a.watch({ prefix: '/', fromRevision: 2 }, { onEvents: (events) => seen.push(...events.map(keyOf)), onError() {} });
  for (const part of [a, b]) expect(await put(part, '/registry/x')).toMatchObject({ ok: true });
  await put(b, '/registry/y');
  expect(await put(a, '/registry/x')).toMatchObject({ ok: false, current: { key: '/registry/x' } });
  expect((await a.range({ prefix: '' })).items.map(({ key }) => key)).toEqual(['/registry/x']);
  expect(await a.get('/registry/y')).toBeUndefined();
  expect((await b.range({ prefix: '/', startKey: '/registry/y' })).items.map(({ key }) => key)).toEqual([
    '/registry/y',
  ]);
  expect(seen).toEqual(['/registry/x']);
  expect((await whole.range({ prefix: '' })).items.map(({ key }) => key)).toEqual([
    '/a/registry/x',
    '/b/registry/x',
    '/b/registry/y',
  ]);
});

test('no prefix is the whole store', () => {
  const whole = createMemoryStore({ clock: new VirtualClock() });
  expect(prefixedStore(whole, '')).toBe(whole);
});
