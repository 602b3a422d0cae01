/** What a folder holds is read when somebody asks for it, and is then what it was, whatever has become of it on the disk meanwhile. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { type KeyValue, type Store, StoreUnavailableError } from '../../store.ts';
import { openLmdbStore } from './lmdb-store.ts';
import { LoggedValues, readNow } from './logged-values.ts';
import type { WriteHead } from './write-group.ts';

const seeds = Number(process.env.LOGGED_SEEDS ?? 3);

function testFolder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'coxswain-logged-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const openIn = (directory: string): Promise<Store> =>
  openLmdbStore({ directory, log: silentLogger, clock: new SystemClock() });

const textOf = ({ value }: KeyValue): string => Buffer.from(value).toString();

async function put(store: Store, key: string, text: string, ifModRevision = 0): Promise<number> {
  const result = await store.write({ type: 'put', key, value: Buffer.from(text), ifModRevision });
  if (!result.ok) throw new Error('The write was refused');
  return result.revision;
}

/** A folder with the keys `/0` to `/<count - 1>`, written together and then opened again. */
async function reopened(count: number): Promise<Store> {
  const directory = testFolder();
  const store = await openIn(directory);
  await Promise.all(Array.from({ length: count }, (_, i) => put(store, `/${i}`, `first of ${i}`)));
  await store.close();
  const again = await openIn(directory);
  onTestFinished(() => again.close());
  return again;
}

const head = (revision: number, valueBytes: number): WriteHead => {
  const [createRevision, previousRevision, expiresMs] = [revision, 0, 0];
  return { type: 'put', key: `/${revision}`, revision, createRevision, previousRevision, expiresMs, valueBytes };
};

test('the values of a group are read once, all together, when the first of them is asked for', () => {
  const asked: number[] = [];
  const values = new LoggedValues((revision, take) => {
    asked.push(revision);
    const first = revision < 10 ? 1 : 10;
    for (const each of [first, first + 1, first + 2]) take(each, Buffer.from(`value ${each}`));
  });
  const [one, two, three] = [1, 2, 3].map((revision) => values.add(head(revision, 7)));
  values.nextGroup();
  const ten = values.add(head(10, 8));
  values.drop(three!);
  expect([one!.late?.size, ten.late?.size, asked]).toEqual([7, 8, []]);
  expect([textOf(two!), textOf(one!)]).toEqual(['value 2', 'value 1']);
  expect(two!.value).toBe(two!.value);
  readNow(two!);
  expect(asked).toEqual([2]);
  expect(textOf(ten)).toBe('value 10');
  expect(asked).toEqual([2, 10]);
});

test('a value that somebody holds stays what it was once it was replaced, deleted and compacted away', async () => {
  const store = await reopened(3);
  const { items } = await store.range({ prefix: '/' });
  await put(store, '/0', 'second of 0', items[0]!.modRevision);
  await store.write({ type: 'delete', key: '/1', ifModRevision: items[1]!.modRevision });
  await store.compact(await store.currentRevision());
  expect(items.map(textOf)).toEqual(['first of 0', 'first of 1', 'first of 2']);
  expect((await store.range({ prefix: '/' })).items.map(textOf)).toEqual(['second of 0', 'first of 2']);
});

test('what a compaction leaves of a group that nobody has read yet is read afterwards', async () => {
  const directory = testFolder();
  let store = await openIn(directory);
  await Promise.all(['/a', '/b', '/c'].map((key) => put(store, key, `first of ${key}`)));
  await put(store, '/b', 'second of /b', (await store.get('/b'))!.modRevision);
  await store.close();
  store = await openIn(directory);
  const { items } = await store.range({ prefix: '/' });
  await store.compact(await store.currentRevision());
  expect(items.map(textOf)).toEqual(['first of /a', 'second of /b', 'first of /c']);
  await store.close();
});

test('a store that was closed gives what was read before, and says of the rest why it does not', async () => {
  const directory = testFolder();
  let store = await openIn(directory);
  await put(store, '/read', 'read');
  await put(store, '/not', 'not');
  await store.close();
  store = await openIn(directory);
  const [not, read] = (await store.range({ prefix: '/' })).items;
  expect(textOf(read!)).toBe('read');
  await store.close();
  expect(textOf(read!)).toBe('read');
  expect(() => not!.value).toThrow(StoreUnavailableError);
});

test(`whatever is written, deleted, compacted, opened and read in any order, values are what was written (${seeds} seeds)`, async () => {
  for (let seed = 1; seed <= seeds; seed++) await anyOrder(new SeededRandom(seed));
});

async function anyOrder(random: SeededRandom): Promise<void> {
  const directory = testFolder();
  let store = await openIn(directory);
  const live = new Map<string, { text: string; revision: number }>();
  /** Read at some time, and looked at only later. */
  const held: { readonly kv: KeyValue; readonly text: string }[] = [];
  let serial = 0;
  const changeOne = async (key: string): Promise<void> => {
    const before = live.get(key);
    if (before !== undefined && randomInt(random, 4) === 0) {
      live.delete(key);
      await store.write({ type: 'delete', key, ifModRevision: before.revision });
      return;
    }
    const text = `${key} ${serial++} ${'x'.repeat(randomInt(random, 300))}`;
    const next = { text, revision: 0 };
    live.set(key, next);
    next.revision = await put(store, key, text, before?.revision ?? 0);
  };
  // What is changed at once lies together.
  const change = async (): Promise<void> => {
    const keys = new Set(Array.from({ length: 1 + randomInt(random, 4) }, () => `/${randomInt(random, 12)}`));
    await Promise.all([...keys].map(changeOne));
  };
  const look = async (): Promise<void> => {
    const { items } = await store.range({ prefix: '/' });
    expect(items.map(({ key }) => key)).toEqual([...live.keys()].toSorted());
    for (const kv of items) if (randomInt(random, 3) > 0) held.push({ kv, text: live.get(kv.key)!.text });
  };
  for (let round = 0; round < 40; round++) {
    await change();
    await look();
    if (randomInt(random, 5) === 0) await store.compact(await store.currentRevision());
    if (randomInt(random, 4) === 0) expect(held.splice(0).every(({ kv, text }) => textOf(kv) === text)).toBe(true);
    if (randomInt(random, 6) > 0) continue;
    expect(held.splice(0).every(({ kv, text }) => textOf(kv) === text)).toBe(true);
    await store.close();
    store = await openIn(directory);
  }
  await store.close();
}
