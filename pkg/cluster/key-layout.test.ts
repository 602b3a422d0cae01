/** Keys lie as upstream lays them out, and a store of the layout before is brought there, wherever that is cut off. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { builtInDefinitions } from '#pkg/apiserver/built-in.ts';
import { storagePrefix } from '#pkg/apiserver/storage/storage-key.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { apiServiceDefinition } from '#pkg/registry/apiregistration/api-service.ts';
import { strategies } from '#pkg/registry/table.ts';
import { openLmdbStore } from '#pkg/storage/drivers/lmdb/lmdb-store.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { prefixedStore } from '#pkg/storage/prefixed-store.ts';
import { CompactedError, type Store, type WriteOperation } from '#pkg/storage/store.ts';
import { bringToLayout } from './key-layout.ts';
import { openStore } from './store.ts';
import { layoutKey } from './store-keys.ts';

/** Seen in the etcd of a 1.28 apiserver. */
const upstream = {
  '/configmaps': '/registry/configmaps/',
  '/endpoints': '/registry/services/endpoints/',
  '/events': '/registry/events/',
  '/namespaces': '/registry/namespaces/',
  '/nodes': '/registry/minions/',
  '/replicationcontrollers': '/registry/controllers/',
  '/services': '/registry/services/specs/',
  'apiextensions.k8s.io/customresourcedefinitions': '/registry/apiextensions.k8s.io/customresourcedefinitions/',
  'apps/deployments': '/registry/deployments/',
  'coordination.k8s.io/leases': '/registry/leases/',
  'discovery.k8s.io/endpointslices': '/registry/endpointslices/',
  'networking.k8s.io/ingresses': '/registry/ingress/',
  'scheduling.k8s.io/priorityclasses': '/registry/priorityclasses/',
};

test("keys lie where upstream's do, and no resource's are among another's", () => {
  const prefixes = new Map(
    builtInDefinitions({ strategies, runtimeConfig: { 'api/all': true } })
      .filter(({ storedAs }) => storedAs === undefined)
      .map(({ group, names, rules }) => [
        `${group}/${names.plural}`,
        storagePrefix({ resource: names.plural }, rules?.keeping),
      ]),
  );
  expect(Object.keys(upstream).map((name) => [name, prefixes.get(name)])).toEqual(Object.entries(upstream));
  expect(apiServiceDefinition.rules?.keeping?.keyName).toBe('apiregistration.k8s.io/apiservices');
  const all = [...prefixes.values()];
  expect(all.filter((one) => all.some((other) => one !== other && one.startsWith(other)))).toEqual([]);
  expect(new Set(all).size).toBe(all.length);
  expect(all.length).toBeGreaterThan(60);
});

const old = [
  '/registry/core/nodes/n',
  '/registry/core/pods/default/p',
  '/registry/core/services/default/s',
  '/registry/core/endpoints/default/s',
  '/registry/core/events/default/e',
  '/registry/core/replicationcontrollers/default/r',
  '/registry/apps/deployments/default/d',
  '/registry/networking.k8s.io/ingresses/default/i',
  '/registry/coordination.k8s.io/leases/kube-node-lease/n',
  '/registry/apiextensions.k8s.io/customresourcedefinitions/notes.example.com',
  '/registry/example.com/notes/default/x',
];
const now = [
  '/registry/minions/n',
  '/registry/pods/default/p',
  '/registry/services/specs/default/s',
  '/registry/services/endpoints/default/s',
  '/registry/events/default/e',
  '/registry/controllers/default/r',
  '/registry/deployments/default/d',
  '/registry/ingress/default/i',
  '/registry/leases/kube-node-lease/n',
  '/registry/apiextensions.k8s.io/customresourcedefinitions/notes.example.com',
  '/registry/example.com/notes/default/x',
];
const moved = now.map((key, i) => [key, `value of ${old[i]}`]).sort();

async function fill(store: Store): Promise<void> {
  for (const key of old)
    await store.write({ type: 'put', key, value: Buffer.from(`value of ${key}`), ifModRevision: 0 });
}

async function objects(store: Store): Promise<readonly (readonly string[])[]> {
  const { items } = await store.range({ prefix: '/registry/' });
  return items.map(({ key, value }) => [key, Buffer.from(value).toString()]);
}

/** The store with another way to write. */
function writingBy(store: Store, write: Store['write']): Store {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'write') return write;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** The store up to a number of writes: then it fails as one whose process is killed does, before or after the write. */
function killedAfter(store: Store, writes: number, isDone: boolean): Store {
  let left = writes;
  const write = async (operation: WriteOperation): ReturnType<Store['write']> => {
    if (left-- > 0) return store.write(operation);
    if (isDone && left === -1) await store.write(operation);
    throw new Error('killed');
  };
  return writingBy(store, write);
}

test('a store of the old layout is brought to the new one, wherever a start before was killed', async () => {
  for (let writes = 0; ; writes++) {
    let finished = true;
    for (const isDone of [false, true]) {
      const store = createMemoryStore({ clock: new VirtualClock() });
      await fill(store);
      const before = await store.currentRevision();
      const first = await bringToLayout(killedAfter(store, writes, isDone), 'x').catch(() => undefined);
      if (first === undefined) finished = false;
      await bringToLayout(store, 'x');
      expect([writes, await objects(store)]).toEqual([writes, moved]);
      expect(Buffer.from((await store.get(layoutKey))?.value ?? []).toString()).toBe('3');
      // Whoever watched before is not told of the move as of news.
      await expect(store.range({ prefix: '/registry/', revision: before })).rejects.toThrow(CompactedError);
      // The next start has nothing to do.
      expect(await bringToLayout(killedAfter(store, 0, false), 'x')).toBe(0);
    }
    if (finished) break;
    expect(writes).toBeLessThan(100);
  }
});

test('two servers that bring a store to the new layout at once lose nothing, and bring nothing back that is deleted', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const store = createMemoryStore({ clock: new VirtualClock() });
    const random = new SeededRandom(seed);
    await fill(store);
    /** Every write is at another moment than it was asked for. */
    const late = (): Store => {
      const write = async (operation: WriteOperation): ReturnType<Store['write']> => {
        for (let turns = Math.floor(random.next() * 40); turns > 0; turns--) await Promise.resolve();
        return store.write(operation);
      };
      return writingBy(store, write);
    };
    const slow = bringToLayout(late(), 'x');
    await bringToLayout(late(), 'x');
    // The faster one serves, and is asked to delete.
    const pod = await store.get('/registry/pods/default/p');
    if (pod !== undefined)
      await store.write({ type: 'delete', key: '/registry/pods/default/p', ifModRevision: pod.modRevision });
    await slow;
    expect([seed, await objects(store)]).toEqual([seed, moved.filter(([key]) => key !== '/registry/pods/default/p')]);
  }
});

test('a store of a later layout is refused', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  await store.write({ type: 'put', key: layoutKey, value: Buffer.from('4'), ifModRevision: 0 });
  await expect(bringToLayout(store, '/x/store')).rejects.toThrow(
    'Cannot use the store in /x/store as its keys are laid out as in version 4, and this program knows up to 3: start the version that wrote it',
  );
});

test('of a store whose revisions were shown as its own, what was seen before the new count is gone, and nothing else (layout 2)', async () => {
  const clock = new VirtualClock();
  for (const isLocal of [true, false]) {
    const kept = createMemoryStore({ clock });
    await kept.write({ type: 'put', key: layoutKey, value: Buffer.from('2'), ifModRevision: 0 });
    const key = '/registry/pods/default/p';
    await kept.write({ type: 'put', key, value: Buffer.from('x'), ifModRevision: 0 });
    const before = await kept.currentRevision();
    const store: Store = isLocal ? kept : prefixedStore(withoutLocalRevision(kept), '/part');
    if (!isLocal) {
      await store.write({ type: 'put', key: layoutKey, value: Buffer.from('2'), ifModRevision: 0 });
      await store.write({ type: 'put', key, value: Buffer.from('x'), ifModRevision: 0 });
    }
    expect(await bringToLayout(store, 'x')).toBe(0);
    expect(Buffer.from((await store.get(layoutKey))?.value ?? []).toString()).toBe('3');
    expect(await objects(store)).toEqual([[key, 'x']]);
    const past = await kept.range({ prefix: key, revision: before }).catch((error: unknown) => error);
    expect(past instanceof CompactedError).toBe(!isLocal);
  }
});

function withoutLocalRevision(store: Store): Store {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'localRevision') return undefined;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

test('a folder that an older version made starts, and its events stay on the disk', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-layout-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const clock = new SystemClock();
  const place = { store: 'lmdb', folder, clock, random: new SeededRandom(1), log: silentLogger };
  const cold = { prefixes: ['/registry/core/events/', '/registry/events.k8s.io/events/'], sample: '{"kind":"Event"}' };
  const before = await openLmdbStore({ directory: join(folder, 'store'), clock, log: silentLogger, cold });
  await fill(before);
  await before.close();
  for (let start = 0; start < 2; start++) {
    const store = await openStore(place);
    expect(await objects(store)).toEqual(moved);
    // A value that is read from the disk is another one each time.
    const isCold = async (key: string): Promise<boolean> => {
      const [one, other] = [await store.get(key), await store.get(key)];
      return one?.value !== other?.value;
    };
    expect([await isCold('/registry/events/default/e'), await isCold('/registry/pods/default/p')]).toEqual([
      true,
      false,
    ]);
    await store.close();
  }
});
