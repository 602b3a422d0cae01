import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createMemoryStore } from './drivers/memory/memory-store.ts';
import { valueSize } from './late-value.ts';
import type { KeyValue } from './store.ts';

/** A value that counts how often its bytes were made. */
function counted(text: string) {
  let made = 0;
  const late = {
    size: text.length,
    get bytes() {
      made++;
      return Buffer.from(text);
    },
  };
  return { late, made: () => made };
}

const noBytes = new Uint8Array(0);
const text = (kv: KeyValue | undefined): string => Buffer.from(kv?.value ?? noBytes).toString();

test('a value that is made late is not made by being written, watched and overwritten, and is what every read gives', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const [first, second] = [counted('first'), counted('second')];
  const told: KeyValue[] = [];
  store.watch(
    { prefix: '/', fromRevision: 1 },
    {
      onEvents: (events) => told.push(...events.flatMap((event) => (event.type === 'put' ? [event.kv] : []))),
      onError() {},
    },
  );
  await store.write({ type: 'put', key: '/a', value: noBytes, late: first.late, ifModRevision: 0 });
  await store.write({ type: 'put', key: '/a', value: noBytes, late: second.late, ifModRevision: 2 });
  expect([first.made(), second.made(), told.map(valueSize)]).toEqual([0, 0, [5, 6]]);
  const past = await store.range({ prefix: '/', revision: 2 });
  expect([text(await store.get('/a')), text(past.items[0]), ...told.map(text)]).toEqual([
    'second',
    'first',
    'first',
    'second',
  ]);
  await store.close();
});

test('one that is refused as the key is elsewhere is not made, and the answer has the value that is there', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const [first, second] = [counted('first'), counted('second')];
  await store.write({ type: 'put', key: '/a', value: noBytes, late: first.late, ifModRevision: 0 });
  const refused = await store.write({ type: 'put', key: '/a', value: noBytes, late: second.late, ifModRevision: 9 });
  expect([refused.ok, refused.ok ? '' : text(refused.current), second.made()]).toEqual([false, 'first', 0]);
  await store.close();
});
