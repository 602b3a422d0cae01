import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Deferred } from '#pkg/base/async.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { storeConformance } from '../conformance.ts';
import { openLmdbStore } from '../drivers/lmdb/lmdb-store.ts';
import { createMemoryStore } from '../drivers/memory/memory-store.ts';
import type { Store, StoreEvent } from '../store.ts';
import { aesGcm } from './ciphers.ts';
import { encryptedStore } from './encrypted-store.ts';
import { GuardedKeys } from './guarded-keys.ts';
import { guardOf, keyedProvider } from './key-ring.ts';
import { identityGuard, type ValueGuard } from './value-guard.ts';

const keyed = guardOf(
  [
    keyedProvider('k8s:enc:aesgcm:v1:', [{ name: 'k', secret: Buffer.alloc(32) }], {
      cipher: aesGcm,
      noMatch: 'no key',
    }),
    { prefix: '', guard: identityGuard },
  ],
  'no provider',
);

/** As `keyed`, but what is read has to be waited for. */
const slow: ValueGuard = {
  get mark() {
    return keyed.mark;
  },
  seal: keyed.seal,
  open: (sealed, place) => Promise.resolve().then(() => keyed.open(sealed, place)),
};

function over(store: Store, guard: ValueGuard, clock: VirtualClock): Store {
  const metrics = new Metrics();
  const resourceOf = (): { group: string; resource: string } => ({ group: '', resource: 'things' });
  const keys = new GuardedKeys(new Map([['things', guard]]), { resourceOf, metrics, clock });
  return encryptedStore(store, { keys, guard: { metrics, checks: [] }, end: async () => {} });
}

for (const [name, guard] of Object.entries({ keyed, slow })) {
  storeConformance(`encrypted, ${name}`, async () => {
    const clock = new VirtualClock();
    const store = over(createMemoryStore({ clock }), guard, clock);
    return { store, advance: (durationMs) => clock.advance(durationMs), cleanup: () => store.close() };
  });
}

const put = (store: Store, key: string, value: string, ifModRevision = 0) =>
  store.write({ type: 'put', key, value: Buffer.from(value), ifModRevision });

const textOf = (value: Uint8Array | undefined): string => Buffer.from(value ?? []).toString('latin1');

test('nothing of a value is in the store below, and a value moved to another key is refused', async () => {
  const clock = new VirtualClock();
  const below = createMemoryStore({ clock });
  const store = over(below, keyed, clock);
  await put(store, '/a', 'hidden');
  const stored = (await below.get('/a'))?.value ?? Buffer.alloc(0);
  expect(textOf(stored).slice(0, 20)).toBe('k8s:enc:aesgcm:v1:k:');
  expect(textOf(stored)).not.toContain('hidden');
  expect(textOf((await store.get('/a'))?.value)).toBe('hidden');
  await below.write({ type: 'put', key: '/b', value: Buffer.from(stored), ifModRevision: 0 });
  await expect(store.get('/b')).rejects.toThrow('unable to transform key "/b": cipher: message authentication failed');
  await expect(store.range({ prefix: '/' })).rejects.toThrow('unable to transform key "/b"');
});

test('what is on the disk until it is read is opened too', async () => {
  const clock = new VirtualClock();
  const directory = mkdtempSync(join(tmpdir(), 'coxswain-encrypted-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const open = async () => over(await openLmdbStore({ directory, log: silentLogger, clock }), keyed, clock);
  const first = await open();
  await put(first, '/a', 'hidden');
  await first.close();
  const second = await open();
  const found = await second.get('/a');
  expect([textOf(found?.value), found?.late]).toEqual(['hidden', undefined]);
  await second.close();
});

test('a value is stale unless it was sealed as it would be now', async () => {
  const clock = new VirtualClock();
  const below = createMemoryStore({ clock });
  await below.write({ type: 'put', key: '/old', value: Buffer.from('{}'), ifModRevision: 0 });
  const store = over(below, keyed, clock);
  await put(store, '/new', '{}');
  const stale = async (key: string): Promise<boolean | undefined> => {
    const value = (await store.get(key))?.value;
    return value && store.guard?.isStale(key, value);
  };
  expect([await stale('/old'), await stale('/new')]).toEqual([true, false]);
});

/** A watch's events as `key=value`, and where it is. */
function seenBy(store: Store): string[] {
  const seen: string[] = [];
  const told = (event: StoreEvent): string =>
    event.type === 'put' ? `${event.kv.key}=${textOf(event.kv.value)}` : `${event.key} gone`;
  store.watch(
    { prefix: '/', fromRevision: 2 },
    {
      onEvents: (events) => seen.push(...events.map(told)),
      onError: (error) => seen.push(error.message),
    },
  );
  return seen;
}

test('what comes while a value is being opened is told after it, and the revision does not run ahead', async () => {
  const clock = new VirtualClock();
  const below = createMemoryStore({ clock });
  const gate = new Deferred();
  const gated: ValueGuard = {
    mark: '',
    seal: identityGuard.seal,
    open: (value, place) =>
      place === '/slow' ? gate.promise.then(() => identityGuard.open(value, place)) : identityGuard.open(value, place),
  };
  const store = over(below, gated, clock);
  const seen = seenBy(store);
  await clock.settle();
  await put(below, '/a', '1');
  await put(below, '/slow', '2');
  await put(below, '/b', '3');
  expect(seen).toEqual(['/a=1']);
  expect([below.localRevision?.(), store.localRevision?.()]).toEqual([4, 2]);
  let isDone = false;
  const writing = put(store, '/c', '4').then(() => {
    isDone = true;
  });
  await clock.settle();
  expect(isDone).toBe(false);
  gate.resolve();
  await writing;
  expect(seen).toEqual(['/a=1', '/slow=2', '/b=3', '/c=4']);
  expect(store.localRevision?.()).toBe(5);
});

test('a value that cannot be opened ends a watch with why, and no more is told', async () => {
  const clock = new VirtualClock();
  const below = createMemoryStore({ clock });
  const store = over(below, keyed, clock);
  const seen = seenBy(store);
  await clock.settle();
  await put(below, '/a', 'k8s:enc:aesgcm:v1:gone:x');
  await put(store, '/b', '2');
  expect(seen).toEqual(['unable to transform key "/a": no key']);
});
