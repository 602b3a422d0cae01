import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { storeConformance } from '../../conformance.ts';
import { createMemoryStore } from './memory-store.ts';

storeConformance('memory', async () => {
  const clock = new VirtualClock();
  const store = createMemoryStore({ clock });
  return { store, advance: (durationMs) => clock.advance(durationMs), cleanup: () => store.close() };
});

test('an empty store is at revision 1 and its first write makes revision 2', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  expect(await store.currentRevision()).toBe(1);
  const result = await store.write({ type: 'put', key: '/a', value: new Uint8Array(), ifModRevision: 0 });
  expect(result).toMatchObject({ ok: true, revision: 2 });
});

test('keys and values beyond the limits are refused and change nothing', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const put = (key: string, length: number) =>
    store.write({ type: 'put', key, value: new Uint8Array(length), ifModRevision: 0 });
  expect(await put('k'.repeat(1024), 8 * 1024 * 1024)).toMatchObject({ ok: true });
  await expect(put('é'.repeat(513), 1)).rejects.toThrow(/1024 bytes/);
  await expect(put('', 1)).rejects.toThrow(/empty/);
  await expect(put('k', 8 * 1024 * 1024 + 1)).rejects.toThrow(/8388608 bytes/);
  expect(await store.currentRevision()).toBe(2);
});
