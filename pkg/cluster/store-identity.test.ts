import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createLogger } from '#pkg/component/logger.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import type { Store } from '#pkg/storage/store.ts';
import { isStoreName, openStore } from './store.ts';
import { checkNoStoreId, checkStoreId, isStoreOf } from './store-identity.ts';

const clock = new SystemClock();
const random = new SeededRandom(1);
const log = createLogger({ write: () => {}, clock, level: 'error' });
let place: string;

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'coxswain-store-'));
  for (const name of ['one', 'two']) await mkdir(join(place, name));
});

afterEach(() => rm(place, { recursive: true, force: true }));

const folder = (name: string): string => join(place, name);
const open = (name: string): Promise<Store> => openStore({ store: 'lmdb', folder: folder(name), clock, random, log });

/** A start of a cluster that writes something. */
async function start(name: string): Promise<void> {
  const store = await open(name);
  await store.write({ type: 'put', key: `/registry/${name}`, value: Buffer.from('x'), ifModRevision: 0 });
  await store.close();
}

describe('a cluster that was started before (fault 45)', () => {
  beforeEach(() => start('one'));

  test('starts on its own store again', async () => {
    const store = await open('one');
    expect((await store.get('/registry/one'))?.modRevision).toBeDefined();
    await store.close();
  });

  test.each<[string, () => Promise<void>]>([
    [
      'whose folder was emptied',
      async () => {
        for (const name of await readdir(folder('one/store')))
          await rm(folder(`one/store/${name}`), { recursive: true });
      },
    ],
    ['whose folder is gone', () => rm(folder('one/store'), { recursive: true })],
    ['whose file is empty', () => writeFile(folder('one/store/data.mdb'), '')],
  ])('refuses a store %s, and makes no other', async (_, harm) => {
    await harm();
    const before = await readdir(folder('one'), { recursive: true });
    await expect(open('one')).rejects.toThrow(
      `Cannot start the cluster in ${folder('one')} as its store in ${folder('one/store')} is empty, and it was not: put the store back, or run "coxswain down --delete-data --data-dir ${folder('one')}" to begin a new cluster`,
    );
    expect(await readdir(folder('one'), { recursive: true })).toEqual(before);
  });

  test('refuses the store of another cluster, and can use its own once it is back', async () => {
    await start('two');
    await rename(folder('one/store'), folder('kept'));
    await rename(folder('two/store'), folder('one/store'));
    await expect(open('one')).rejects.toThrow(
      /^Cannot start .* is that of another cluster: put its own store back, or /,
    );
    await rename(folder('one/store'), folder('two/store'));
    await rename(folder('kept'), folder('one/store'));
    for (const name of ['one', 'two']) await (await open(name)).close();
  });

  test('whose id is lost takes that of its store', async () => {
    const id = await readFile(folder('one/store-id'), 'utf8');
    await rm(folder('one/store-id'));
    await (await open('one')).close();
    expect(await readFile(folder('one/store-id'), 'utf8')).toBe(id);
  });
});

test('a store of a cluster from before there were ids gets one; a shared store that was emptied or changed is refused', async () => {
  const at = { folder: folder('one'), where: 'http://127.0.0.1:2379' };
  const store = createMemoryStore({ clock: new VirtualClock() });
  await store.write({ type: 'put', key: '/registry/x', value: Buffer.from('x'), ifModRevision: 0 });
  await checkStoreId(store, random, at);
  await checkStoreId(store, random, at);
  // A second API server of the cluster, with a folder of its own.
  await checkStoreId(store, random, { ...at, folder: folder('two') });
  expect(await readFile(folder('two/store-id'), 'utf8')).toBe(await readFile(folder('one/store-id'), 'utf8'));
  await expect(checkStoreId(createMemoryStore({ clock: new VirtualClock() }), random, at)).rejects.toThrow(
    /its store in http:\S+ is empty, and it was not/,
  );
  const other = createMemoryStore({ clock: new VirtualClock() });
  await other.write({ type: 'put', key: '/registry/x', value: Buffer.from('x'), ifModRevision: 0 });
  await expect(checkStoreId(other, random, at)).rejects.toThrow(/the store in http:\S+ is that of another cluster/);
});

test('a new cluster does not become a part of the one that has the store (fault 44)', async () => {
  const where = 'http://127.0.0.1:2379,http://127.0.0.2:2379/';
  const store = createMemoryStore({ clock: new VirtualClock() });
  await checkNoStoreId(store, { folder: folder('one'), where });
  await checkStoreId(store, random, { folder: folder('one'), where });
  await expect(checkNoStoreId(store, { folder: folder('two'), where })).rejects.toThrow(
    'is that of another cluster: give this one a part of its own, such as --store http://127.0.0.1:2379/two,http://127.0.0.2:2379/two',
  );
  expect([await isStoreOf(store, folder('one')), await isStoreOf(store, folder('two'))]).toEqual([true, false]);
});

test.each([
  ['lmdb', true],
  ['http://a:1', true],
  ['http://a:1/', true],
  ['https://a:1/blue,https://b:1/blue/', true],
  ['http://a:1/blue/two', true],
  ['http://a:1/blue,http://b:1/green', false],
  ['http://a:1/blue,http://b:1', false],
  ['http://a:1/registry', false],
  ['http://a:1/blue/coxswain', false],
  ['http://a:1/?x', false],
  ['a:1', false],
])('%s as a store (fault 44)', (store, isOne) => {
  expect(isStoreName(store)).toBe(isOne);
});
