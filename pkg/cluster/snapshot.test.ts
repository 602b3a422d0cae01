/** A cluster's store goes through a snapshot and comes out the same, on any driver; what is not empty, not sound or not its own is left as it was. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { findEtcd, startTestEtcd, type TestEtcd } from '#pkg/storage/drivers/etcd/test-etcd.ts';
import type { Store } from '#pkg/storage/store.ts';
import { openSnapshot, restoreSnapshot, saveSnapshot } from './snapshot.ts';
import { checkStoreFree, openStore } from './store.ts';
import { restoringKey, serversPrefix } from './store-keys.ts';
import type { StorePlace } from './stores.ts';

const clock = new SystemClock();
const random = new SeededRandom(9);
const program = findEtcd(process.env.PATH);

let place: string;
let etcd: TestEtcd | undefined;
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'coxswain-snapshot-'));
  if (program !== undefined) etcd = await startTestEtcd(program);
});
afterAll(async () => {
  await etcd?.cleanup();
  await rm(place, { recursive: true, force: true });
});

/** A cluster's folder, and its store. */
async function clusterIn(name: string, store = 'lmdb'): Promise<StorePlace> {
  await mkdir(join(place, name), { recursive: true });
  return { store, folder: join(place, name), clock, random, log: silentLogger };
}

async function put(store: Store, key: string, value: string, ttlMs?: number): Promise<void> {
  const ifModRevision = (await store.get(key))?.modRevision ?? 0;
  const life = ttlMs === undefined ? {} : { ttlMs };
  await store.write({ type: 'put', key, value: Buffer.from(value), ifModRevision, ...life });
}

/** Objects without their revisions, and the revision of the store. */
async function contents(from: StorePlace): Promise<{ readonly values: readonly string[]; readonly revision: number }> {
  const store = await openStore(from);
  const { items, revision } = await store.range({ prefix: '/' });
  const shown = items.filter(({ key }) => key !== '/coxswain/revisions');
  const values = shown.map(({ key, value }) => `${key}=${Buffer.from(value)}`);
  await store.close();
  return { values, revision };
}

async function save(from: StorePlace, name: string): Promise<string> {
  const path = join(place, name);
  await saveSnapshot(path, { ...from, settings: { name: 'dev' } });
  return path;
}

async function restore(path: string, into: StorePlace): Promise<number> {
  const snapshot = await openSnapshot(path);
  try {
    return await restoreSnapshot(snapshot, into);
  } finally {
    await snapshot.close();
  }
}

async function filled(name: string): Promise<StorePlace> {
  const from = await clusterIn(name);
  const store = await openStore(from);
  for (const round of [1, 2])
    for (let i = 0; i < 40; i++) await put(store, `/registry/things/${i}`, `${round} ${'x'.repeat(i)}`);
  await put(store, '/registry/events/default/e', '{"kind":"Event"}', 3_600_000);
  await store.close();
  return from;
}

/** What a watch from a revision comes to. */
async function watchFrom(store: Store, fromRevision: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const watch = store.watch(
      { prefix: '/registry/', fromRevision },
      {
        onEvents: ([event]) => {
          if (event === undefined) return;
          watch.close();
          resolve(event.type === 'put' ? event.kv.key : event.key);
        },
        onError: (error) => resolve(error.name),
      },
    );
    put(store, '/registry/later', 'x').catch(reject);
  });
}

const onEtcd = test.skipIf(program === undefined);

onEtcd(
  'lmdb to etcd to lmdb: every object is there, revisions only grow, and what went on from before is told so',
  async () => {
    const first = await filled('first');
    const before = await contents(first);
    const second = await clusterIn('second', `${etcd?.endpoint}/moved`);
    expect(await restore(await save(first, 'one'), second)).toBe(before.values.length);
    const moved = await contents(second);
    expect(moved.values).toEqual(before.values);
    expect(moved.revision).toBeGreaterThan(before.revision + 1_000_000_000);
    const store = await openStore(second);
    expect(await watchFrom(store, before.revision + 1)).toBe('CompactedError');
    expect(await watchFrom(store, (await store.currentRevision()) + 1)).toBe('/registry/later');
    await put(store, `${serversPrefix}127.0.0.1 6443`, '', 15_000);
    await put(store, '/registry/things/3', 'written in etcd');
    const newest = await store.get('/registry/things/3');
    expect(newest?.modRevision).toBeGreaterThan(moved.revision);
    expect(newest?.modRevision).toBeLessThanOrEqual(await store.currentRevision());
    // Saved while it is open.
    const path = await save(second, 'two');
    await store.close();
    const third = await clusterIn('third');
    await restore(path, third);
    const back = await contents(third);
    const changed = before.values.map((text) =>
      text.startsWith('/registry/things/3=') ? '/registry/things/3=written in etcd' : text,
    );
    expect([...back.values].sort()).toEqual([...changed, '/registry/later=x'].sort());
    expect(back.revision).toBeGreaterThan((newest?.modRevision ?? 0) + 1_000_000_000);
    const again = await openStore(third);
    expect(await watchFrom(again, newest?.modRevision ?? 0)).toBe('CompactedError');
    await again.close();
  },
);

onEtcd('what is in an etcd is left as it was', async () => {
  const path = await save(await filled('one-more'), 'three');
  const other = await clusterIn('other', `${etcd?.endpoint}/other`);
  await (await openStore(other)).close();
  const into = await clusterIn('into', other.store);
  await expect(restore(path, into)).rejects.toThrow(
    `Cannot restore into ${other.store} as that is not empty: choose a part of its own, such as ${other.store}/restored`,
  );
  expect((await contents(other)).values.map((text) => text.split('=')[0])).toEqual([
    '/coxswain/layout',
    '/coxswain/store-id',
  ]);
  expect(await readdir(into.folder)).toEqual([]);
});

onEtcd('a restore into an etcd that was cut off is no cluster, and is done again', async () => {
  const from = await filled('cut');
  const path = await save(from, 'four');
  const into = await clusterIn('cut-into', `${etcd?.endpoint}/cut`);
  const snapshot = await openSnapshot(path);
  const part = await openStore({ ...into, folder: '' });
  const { clusterId } = snapshot.header;
  await put(part, restoringKey, JSON.stringify({ clusterId, folder: into.folder }));
  for (let i = 0; i < 90; i++) await put(part, `/registry/left/${i}`, 'x');
  const refusal = `Cannot start the cluster in ${into.folder} as restoring a snapshot into ${into.store} was cut off, or is under way: run "coxswain snapshot restore" again`;
  await expect(openStore(into)).rejects.toThrow(refusal);
  await expect(checkStoreFree(into)).rejects.toThrow(refusal);
  // Nobody else's restore goes on with it.
  await expect(restoreSnapshot(snapshot, await clusterIn('stranger', into.store))).rejects.toThrow(/that is not empty/);
  await restoreSnapshot(snapshot, into);
  expect((await contents(into)).values).toEqual((await contents(from)).values);
  await part.close();
  await snapshot.close();
});

test('a restore that fails, or finds a store, leaves the folder as it was', async () => {
  const from = await filled('whole');
  const path = await save(from, 'five');
  await expect(restore(path, from)).rejects.toThrow(
    `Cannot restore into ${from.folder} as there is a store in ${join(from.folder, 'store')}: move that away, or choose another folder with --data-dir`,
  );
  const other = await filled('another');
  await rm(join(other.folder, 'store'), { recursive: true });
  await expect(restore(path, other)).rejects.toThrow(
    `Cannot restore into ${other.folder} as that is the folder of another cluster than the snapshot's: choose another with --data-dir`,
  );
  const into = await clusterIn('failing');
  const snapshot = await openSnapshot(path);
  // Damaged after it was looked through: what was restored already goes again.
  const bytes = await readFile(path);
  await writeFile(path, bytes.subarray(0, bytes.length - 60));
  await expect(restoreSnapshot(snapshot, into)).rejects.toThrow('it is cut off');
  await snapshot.close();
  expect(await readdir(into.folder)).toEqual([]);
  await writeFile(path, bytes);
  // What a killed one left is in nobody's way, and what a damaged store left is moved away by people.
  await mkdir(join(into.folder, 'store-restoring'));
  await writeFile(join(into.folder, 'store-restoring', 'data.mdb'), 'x');
  await restore(path, into);
  expect(await contents(into)).toMatchObject({ values: (await contents(from)).values });
});

test('a store in memory, a cluster that never was and a file that is there are refused', async () => {
  const memory = await clusterIn('memory', 'memory');
  await writeFile(join(memory.folder, 'store-id'), 'x');
  await expect(save(memory, 'six')).rejects.toThrow(/as the cluster keeps its data in memory: it has to be one that/);
  await expect(save(await clusterIn('never'), 'six')).rejects.toThrow(/has never been started$/);
  const from = await filled('twice');
  const path = await save(from, 'six');
  await expect(save(from, 'six')).rejects.toThrow(
    `Cannot save the snapshot to ${path} as there is such a file: choose another file`,
  );
  await writeFile(join(place, 'text'), 'no snapshot');
  await expect(openSnapshot(join(place, 'text'))).rejects.toThrow(
    `Cannot restore ${join(place, 'text')} as it is no snapshot`,
  );
});

test('what is sealed is sealed in a snapshot too, is read with its key after a restore into another store, and refused without', async () => {
  const secret = Buffer.alloc(32, 's').toString('base64');
  const providers = [{ aesgcm: { keys: [{ name: 'k', secret }] } }, { identity: {} }];
  const [kind, apiVersion] = ['EncryptionConfiguration', 'apiserver.config.k8s.io/v1'];
  const file = join(place, 'encryption.json');
  await writeFile(file, JSON.stringify({ kind, apiVersion, resources: [{ resources: ['secrets'], providers }] }));
  const encryption = { file, reloads: false };
  const from = { ...(await clusterIn('sealed')), encryption };
  const store = await openStore(from);
  const [sealed, plain] = ['/registry/secrets/default/s', '/registry/configmaps/default/c'];
  await put(store, sealed, 'the password');
  await put(store, plain, 'the setting');
  await store.close();
  const path = await save(from, 'sealed-snapshot');
  const snapshot = await openSnapshot(path);
  const saved = new Map<string, string>();
  for await (const { key, value } of snapshot.items()) saved.set(key, Buffer.from(value).toString('latin1'));
  await snapshot.close();
  expect(saved.get(sealed)).toMatch(/^k8s:enc:aesgcm:v1:k:/);
  expect(saved.get(sealed)).not.toContain('password');
  expect(saved.get(plain)).toBe('the setting');
  const into = { ...(await clusterIn('unsealed')), encryption };
  await restore(path, into);
  const restored = await openStore(into);
  const textAt = async (key: string) => Buffer.from((await restored.get(key))?.value ?? []).toString();
  expect([await textAt(sealed), await textAt(plain)]).toEqual(['the password', 'the setting']);
  await restored.close();
  const keyless = await openStore({ ...into, encryption: { file: '', reloads: false } });
  await expect(keyless.get(sealed)).rejects.toThrow('identity transformer tried to read encrypted data');
  expect(Buffer.from((await keyless.get(plain))?.value ?? []).toString()).toBe('the setting');
  await keyless.close();
});
