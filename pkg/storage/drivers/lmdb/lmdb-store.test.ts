import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { conformancePrefix, type StoreUnderTest, storeConformance } from '../../conformance.ts';
import { CompactedError, type Store, type StoreEvent, StoreUnavailableError } from '../../store.ts';
import { eventRevision } from '../../watch-hub.ts';
import { openLmdbStore } from './lmdb-store.ts';

function makeFolder(): string {
  return mkdtempSync(join(tmpdir(), 'coxswain-lmdb-'));
}

function testFolder(): string {
  const directory = makeFolder();
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const openIn = (directory: string): Promise<Store> =>
  openLmdbStore({ directory, log: silentLogger, clock: new SystemClock() });

async function put(store: Store, key: string, text: string, ifModRevision = 0): Promise<number> {
  const result = await store.write({ type: 'put', key, value: Buffer.from(text), ifModRevision });
  if (!result.ok) throw new Error('The write was refused');
  return result.revision;
}

/** What no compression makes smaller. */
function randomValue(random: SeededRandom): Buffer {
  return Buffer.from(Uint32Array.from({ length: 1_000 }, () => randomInt(random, 2 ** 32)).buffer);
}

async function contents(store: Store, revision?: number): Promise<string[]> {
  const { items } = await store.range({ prefix: '', ...(revision !== undefined && { revision }) });
  return items.map((kv) => `${kv.key}=${Buffer.from(kv.value).toString()}@${kv.createRevision}/${kv.modRevision}`);
}

/** Time that passes when it is told to; what the disk does takes no part in it. */
async function openConformance(prefixes: readonly string[], waitsForJournal = false): Promise<StoreUnderTest> {
  const directory = makeFolder();
  const clock = new VirtualClock();
  const cold = { prefixes, sample: 'k round' };
  const store = await openLmdbStore({ directory, log: silentLogger, clock, cold, waitsForJournal });
  const cleanup = async (): Promise<void> => {
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { store, advance: (durationMs) => clock.advance(durationMs), cleanup };
}

const some = ['2', '3', '5', '7'].map((n) => conformancePrefix + n);
for (const [keys, prefixes] of [
  ['', []],
  [', cold keys', [conformancePrefix]],
  [', some keys cold', some],
] as const) {
  storeConformance(`lmdb${keys}`, () => openConformance(prefixes));
  storeConformance(`lmdb${keys}, by its journal`, () => openConformance(prefixes, true));
}

test('what was written, its revisions and its past are there after the folder is opened again', async () => {
  const directory = testFolder();
  let store = await openIn(directory);
  expect(await store.currentRevision()).toBe(1);
  await put(store, '/a', 'a1');
  await put(store, '/b', 'b1');
  await put(store, '/a', 'a2', 2);
  await store.write({ type: 'delete', key: '/b', ifModRevision: 3 });
  await store.close();
  store = await openIn(directory);
  expect(await store.currentRevision()).toBe(5);
  expect(await contents(store)).toEqual(['/a=a2@2/4']);
  expect(await contents(store, 3)).toEqual(['/a=a1@2/2', '/b=b1@3/3']);
  const seen: StoreEvent[] = [];
  store.watch({ prefix: '/', fromRevision: 3 }, { onEvents: (events) => seen.push(...events), onError: () => {} });
  expect(await put(store, '/c', 'c1')).toBe(6);
  expect(seen.map(eventRevision)).toEqual([3, 4, 5, 6]);
  expect(seen.map((event) => event.previous?.modRevision)).toEqual([undefined, 2, 3, undefined]);
  await store.close();
});

test('cold keys, their past and their times are there after the folder is opened again (fault 57)', async () => {
  const directory = testFolder();
  const clock = new VirtualClock();
  const openCold = (prefixes: readonly string[]): Promise<Store> =>
    openLmdbStore({ directory, log: silentLogger, clock, cold: { prefixes, sample: 'a1 a2' } });
  let store = await openCold(['/cold/']);
  await store.write({ type: 'put', key: '/cold/a', value: Buffer.from('a1'), ifModRevision: 0, ttlMs: 60_000 });
  await put(store, '/hot', 'h1');
  await put(store, '/cold/b', 'b1');
  await put(store, '/cold/b', 'b2', 4);
  await store.write({ type: 'delete', key: '/hot', ifModRevision: 3 });
  await put(store, '/cold/c', 'c1');
  await store.write({ type: 'delete', key: '/cold/c', ifModRevision: 7 });
  await put(store, '/cold/d', 'd1');
  await store.close();
  // Which keys are cold was settled when the folder was made.
  store = await openCold([]);
  expect(await store.currentRevision()).toBe(9);
  expect(await contents(store)).toEqual(['/cold/a=a1@2/2', '/cold/b=b2@4/5', '/cold/d=d1@9/9']);
  expect(await contents(store, 4)).toEqual(['/cold/a=a1@2/2', '/cold/b=b1@4/4', '/hot=h1@3/3']);
  expect(await contents(store, 7)).toEqual(['/cold/a=a1@2/2', '/cold/b=b2@4/5', '/cold/c=c1@7/7']);
  const seen: StoreEvent[] = [];
  store.watch({ prefix: '/', fromRevision: 2 }, { onEvents: (events) => seen.push(...events), onError: () => {} });
  expect(await put(store, '/cold/e', 'e1')).toBe(10);
  expect(seen.map(eventRevision)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(seen.map((event) => event.previous?.modRevision)).toEqual([
    undefined,
    undefined,
    undefined,
    4,
    3,
    undefined,
    7,
    undefined,
    undefined,
  ]);
  await store.compact(9);
  expect(await contents(store)).toEqual(['/cold/a=a1@2/2', '/cold/b=b2@4/5', '/cold/d=d1@9/9', '/cold/e=e1@10/10']);
  await store.close();
  // Its time is over when the store is opened.
  await clock.advance(100_000);
  store = await openCold([]);
  const gone = new Promise<readonly StoreEvent[]>((resolve) => {
    store.watch({ prefix: '/cold/a', fromRevision: 11 }, { onEvents: resolve, onError: () => {} });
  });
  await clock.settle();
  expect(await gone).toMatchObject([{ type: 'delete', key: '/cold/a', revision: 11 }]);
  expect(await contents(store)).toEqual(['/cold/b=b2@4/5', '/cold/d=d1@9/9', '/cold/e=e1@10/10']);
  await store.close();
});

test('the past is bounded by itself, in memory and on the disk (fault 57)', { timeout: 120_000 }, async () => {
  const directory = testFolder();
  const store = await openIn(directory);
  let revision = 0;
  for (let i = 0; i < 200; i++) {
    const value = Buffer.alloc(1024 * 1024, `${i} `);
    const result = await store.write({ type: 'put', key: '/k', value, ifModRevision: revision });
    revision = result.ok ? result.revision : 0;
  }
  await expect(store.range({ prefix: '', revision: 3 })).rejects.toThrow(CompactedError);
  expect((await store.range({ prefix: '', revision: revision - 30 })).items[0]!.modRevision).toBe(revision - 30);
  await store.close();
  expect(statSync(join(directory, 'data.mdb')).size).toBeLessThan(110 * 1024 * 1024);
});

test('a compaction outlives a restart, and the revision does not go back when the last writes were compacted', async () => {
  const directory = testFolder();
  let store = await openIn(directory);
  await put(store, '/a', 'a1');
  await put(store, '/b', 'b1');
  await store.write({ type: 'delete', key: '/a', ifModRevision: 2 });
  await store.write({ type: 'delete', key: '/b', ifModRevision: 3 });
  await store.compact(5);
  await store.close();
  store = await openIn(directory);
  expect(await store.currentRevision()).toBe(5);
  await expect(store.range({ prefix: '', revision: 4 })).rejects.toThrow(CompactedError);
  expect(await contents(store)).toEqual([]);
  expect(await put(store, '/a', 'a2')).toBe(6);
  await store.compact(6);
  await store.close();
  store = await openIn(directory);
  expect(await contents(store)).toEqual(['/a=a2@6/6']);
  await store.close();
});

test('concurrent writes to many keys share transactions and keep one order', async () => {
  const directory = testFolder();
  let store = await openIn(directory);
  const seen: StoreEvent[] = [];
  store.watch({ prefix: '/', fromRevision: 2 }, { onEvents: (events) => seen.push(...events), onError: () => {} });
  const revisions = await Promise.all(Array.from({ length: 3000 }, (_, i) => put(store, `/k/${i}`, `${i}`)));
  expect(revisions).toEqual(Array.from({ length: 3000 }, (_, i) => i + 2));
  expect(seen.map(eventRevision)).toEqual(revisions);
  await store.close();
  store = await openIn(directory);
  expect((await store.range({ prefix: '/k/' })).count).toBe(3000);
  await store.close();
});

test('a compaction takes what is dead out of a group and leaves the rest, and nothing deleted comes back', async () => {
  const directory = testFolder();
  let store = await openIn(directory);
  // One transaction, one group.
  await Promise.all(['/a', '/b', '/c', '/d'].map((key) => put(store, key, `${key}1`)));
  await put(store, '/b', '/b2', 3);
  await store.write({ type: 'delete', key: '/c', ifModRevision: 4 });
  await put(store, '/c', '/c2');
  await store.write({ type: 'delete', key: '/d', ifModRevision: 5 });
  await store.compact(9);
  await store.close();
  store = await openIn(directory);
  expect(await contents(store)).toEqual(['/a=/a1@2/2', '/b=/b2@3/6', '/c=/c2@8/8']);
  expect(await contents(store, 9)).toEqual(['/a=/a1@2/2', '/b=/b2@3/6', '/c=/c2@8/8']);
  await put(store, '/e', '/e1');
  await store.compact(10);
  await store.close();
  store = await openIn(directory);
  expect(await contents(store)).toEqual(['/a=/a1@2/2', '/b=/b2@3/6', '/c=/c2@8/8', '/e=/e1@10/10']);
  await store.close();
});

test.each([
  ['hot', []],
  ['cold', ['/k/']],
])('the file does not grow over a long life of the same %s objects', { timeout: 120_000 }, async (_, prefixes) => {
  const directory = testFolder();
  const clock = new VirtualClock();
  const store = await openLmdbStore({ directory, log: silentLogger, clock, cold: { prefixes, sample: '' } });
  const keys = Array.from({ length: 50 }, (_, i) => `/k/${i}`);
  const sizes: number[] = [];
  const random = new SeededRandom(3);
  let earlier = 1;
  for (let round = 0; round < 60; round++) {
    await Promise.all(
      keys.map(async (key) => {
        const ifModRevision = (await store.get(key))?.modRevision ?? 0;
        await store.write({ type: 'put', key, value: randomValue(random), ifModRevision });
      }),
    );
    const revision = await store.currentRevision();
    await store.compact(earlier);
    earlier = revision;
    sizes.push(statSync(join(directory, 'data.mdb')).size);
  }
  expect(sizes.at(-1)).toBe(sizes[20]);
  expect(sizes.at(-1)).toBeLessThan(6 * keys.length * 4_000);
  await store.close();
});

test('a folder that is open cannot be opened again, and can once it is closed', async () => {
  const directory = testFolder();
  const store = await openIn(directory);
  const message = `Cannot open ${directory} as process ${process.pid} holds it: stop it or choose another data folder`;
  await expect(openIn(directory)).rejects.toThrow(new StoreUnavailableError(message));
  await put(store, '/a', 'a1');
  await store.close();
  const again = await openIn(directory);
  expect(await contents(again)).toEqual(['/a=a1@2/2']);
  await again.close();
});

test('a folder that cannot be used is refused in one sentence, and left as it was', async () => {
  const directory = testFolder();
  const file = join(directory, 'file');
  writeFileSync(file, 'x'.repeat(10_000));
  await expect(openIn(join(file, 'sub'))).rejects.toThrow(/^Cannot open .*file\/sub: ENOTDIR/);
  writeFileSync(join(directory, 'data.mdb'), 'x'.repeat(10_000));
  await expect(openIn(directory)).rejects.toThrow(
    `Cannot open ${directory} as data.mdb is damaged: it is not a database`,
  );
  expect(readdirSync(directory).sort()).toEqual(['data.mdb', 'file']);
});

test('a lock of a process that is gone, or whose number another has now, is taken over', async () => {
  for (const holder of [
    '{"pid":999999999,"started":"5"}',
    `{"pid":${process.pid},"started":"5"}`,
    '{"pid":1,"started":"x"}',
    'nonsense',
    '',
  ]) {
    const directory = testFolder();
    writeFileSync(join(directory, 'lock'), holder);
    const store = await openIn(directory);
    await store.close();
    expect(readdirSync(directory).sort()).toEqual(['data.mdb', 'lock.mdb']);
  }
});

test('what is on the disk is its owner’s alone, whatever the umask (fault 65)', async () => {
  const directory = testFolder();
  for (let round = 0; round < 2; round++) {
    await (await openIn(directory)).close();
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      expect([name, statSync(path).mode & 0o077]).toEqual([name, 0]);
      chmodSync(path, 0o666);
    }
  }
});
