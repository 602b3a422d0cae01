/** What the journal has and the tables do not is neither lost nor shown twice, and nothing that it does not have is made up. */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open as openTables } from 'lmdb';
import { expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { type Store, type StoreEvent, StoreUnavailableError } from '../../store.ts';
import { encodeFrame, frameLength, journalledWrites, pageBytes, readSegments, segmentNames } from './journal-frames.ts';
import { openLmdbSnapshot } from './lmdb-snapshot.ts';
import { openLmdbStore } from './lmdb-store.ts';

const cold = { prefixes: ['/cold/'], sample: '{"kind":"Event"}' };

function testFolder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'coxswain-journal-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** On a clock that stands still the tables get nothing before they must. */
async function openIn(directory: string, clock = new VirtualClock()): Promise<Store> {
  const store = await openLmdbStore({ directory, log: silentLogger, clock, cold, waitsForJournal: true });
  onTestFinished(() => store.close());
  return store;
}

/** What a process that ends here leaves behind. */
function killed(directory: string): string {
  const copy = testFolder();
  for (const name of ['data.mdb', ...segmentNames]) cpSync(join(directory, name), join(copy, name));
  return copy;
}

interface Write {
  readonly key: string;
  readonly value?: string | Buffer;
  readonly ttlMs?: number;
}

async function write(store: Store, { key, value = `${key} `.repeat(20), ttlMs }: Write): Promise<void> {
  const ifModRevision = (await store.get(key))?.modRevision ?? 0;
  const rest = { value: Buffer.from(value), ifModRevision, ...(ttlMs !== undefined && { ttlMs }) };
  await store.write({ type: 'put', key, ...rest });
}

async function remove(store: Store, key: string): Promise<void> {
  await store.write({ type: 'delete', key, ifModRevision: (await store.get(key))?.modRevision ?? 0 });
}

/** Puts and deletions of hot and cold keys, some of them together. */
async function change(store: Store, random: SeededRandom, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const changes = Array.from({ length: 1 + randomInt(random, 6) }, () => {
      const key = `${randomInt(random, 2) === 0 ? '/hot/' : '/cold/'}${randomInt(random, 30)}`;
      if (randomInt(random, 4) === 0) return remove(store, key);
      return write(store, { key, value: `${round} ${key} `.repeat(1 + randomInt(random, 200)) });
    });
    await Promise.all(changes);
  }
}

function textOf(event: StoreEvent): string {
  if (event.type === 'delete') return `-${event.key}@${event.revision}<${event.previous?.modRevision}`;
  const { key, value, modRevision } = event.kv;
  return `+${key}@${modRevision}=${Buffer.from(value)}<${event.previous?.modRevision}`;
}

/** Everything that readers can see: now, in the past, and the events from a revision on. */
async function everything(store: Store, fromRevision: number): Promise<unknown> {
  const now = await store.range({ prefix: '' });
  const past = await store.range({ prefix: '', revision: fromRevision });
  const events: string[] = [];
  const sink = { onEvents: (some: readonly StoreEvent[]) => events.push(...some.map(textOf)), onError() {} };
  store.watch({ prefix: '', fromRevision }, sink).close();
  const text = (range: typeof now): string =>
    range.items.map((kv) => `${kv.key}@${kv.createRevision}/${kv.modRevision}=${Buffer.from(kv.value)}`).join(' ');
  return { revision: now.revision, count: now.count, now: text(now), past: text(past), events };
}

test('a folder whose process ended at any moment has all that was acknowledged, and its past', async () => {
  for (let seed = 0; seed < 6; seed++) {
    const directory = testFolder();
    const random = new SeededRandom(seed);
    const store = await openIn(directory);
    await change(store, random, 20);
    // Some of it comes into the tables, some stays in the journal alone.
    if (seed % 2 === 0) await store.compact((await store.currentRevision()) - 15);
    const from = await store.currentRevision();
    await change(store, random, 20);
    const copy = killed(directory);
    const wanted = await everything(store, from - 5);
    const again = await openIn(copy);
    expect(await everything(again, from - 5)).toEqual(wanted);
    // And goes on to work.
    await change(again, random, 5);
    const later = await everything(again, from);
    await again.close();
    expect(await everything(await openIn(copy), from)).toEqual(later);
  }
});

test('a replay that is cut off between its transactions goes on from there', async () => {
  const directory = testFolder();
  const store = await openIn(directory);
  // Frames of more writes than one transaction takes of them.
  for (let round = 0; round < 4; round++)
    await Promise.all(
      Array.from({ length: 110 }, (_, i) => write(store, { key: `/${i % 3 === 0 ? 'cold' : 'hot'}/${round}/${i}` })),
    );
  const wanted = await everything(store, 1);
  const copy = killed(directory);
  const opening = openIn(copy);
  // As the tables are in each turn of the event loop while they get what the journal has.
  const tables = new Map<string, Buffer>();
  let isDone = false;
  const done = (): void => {
    isDone = true;
  };
  opening.then(done, done);
  while (!isDone) {
    const bytes = readFileSync(join(copy, 'data.mdb'));
    tables.set(createHash('sha256').update(bytes).digest('hex'), bytes);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await opening;
  expect(tables.size).toBeGreaterThan(3);
  for (const bytes of tables.values()) {
    const cut = killed(directory);
    writeFileSync(join(cut, 'data.mdb'), bytes);
    expect(await everything(await openIn(cut), 1)).toEqual(wanted);
  }
});

test('a snapshot has what only the journal has, beside the process and after it', async () => {
  const directory = testFolder();
  const store = await openIn(directory);
  await change(store, new SeededRandom(7), 30);
  await store.compact((await store.currentRevision()) - 40);
  await change(store, new SeededRandom(8), 30);
  const { items, revision } = await store.range({ prefix: '' });
  for (const folder of [directory, killed(directory)]) {
    const source = openLmdbSnapshot(folder);
    const found: string[] = [];
    for await (const { key, modRevision, value } of source.items())
      found.push(`${key}@${modRevision}=${Buffer.from(value)}`);
    expect(source.revision).toBe(revision);
    expect(found.sort()).toEqual(items.map((kv) => `${kv.key}@${kv.modRevision}=${Buffer.from(kv.value)}`).sort());
    await source.close();
  }
});

test('a frame that was cut off is as if it had not been begun, and the writes before it are there', async () => {
  const directory = testFolder();
  const store = await openIn(directory);
  await write(store, { key: '/hot/a' });
  await write(store, { key: '/cold/b' });
  const before = await everything(store, 1);
  const long = readFileSync(join(directory, segmentNames[0]));
  await write(store, { key: '/hot/c', value: 'c'.repeat(3 * pageBytes) });
  const whole = readFileSync(join(directory, segmentNames[0]));
  const changed = [...whole.keys()].filter((at) => whole[at] !== long[at]);
  const [first, last] = [changed[0]!, changed.at(-1)!];
  expect(last - first).toBeGreaterThan(3 * pageBytes);
  for (const cut of [first + 1, first + 20, first + pageBytes, last - 1, last]) {
    const copy = killed(directory);
    writeFileSync(join(copy, segmentNames[0]), Buffer.concat([whole.subarray(0, cut), long.subarray(cut)]));
    expect(await everything(await openIn(copy), 1)).toEqual(before);
  }
});

test('damage to a frame that others follow is refused with one line, and nothing is changed', async () => {
  const directory = testFolder();
  const store = await openIn(directory);
  for (const key of ['/hot/a', '/cold/b', '/hot/c']) await write(store, { key });
  for (const at of [2 * pageBytes + 5, 2 * pageBytes + 60]) {
    const copy = killed(directory);
    const file = readFileSync(join(copy, segmentNames[0]));
    file[at]! ^= 1;
    writeFileSync(join(copy, segmentNames[0]), file);
    const opened = openIn(copy);
    await expect(opened).rejects.toThrow(StoreUnavailableError);
    await expect(opened).rejects.toThrow(
      `Cannot open ${copy} as the journal is damaged: the writes from revision 3 on are not as they were written; move ${copy} away and run "coxswain snapshot restore FILE`,
    );
    expect(() => openLmdbSnapshot(copy)).toThrow(/the journal is damaged/);
    expect(readFileSync(join(copy, segmentNames[0])).equals(file)).toBe(true);
  }
});

/** Where the value of the only write of a frame begins, with a key of six bytes. */
const valueAt = 28 + 4 + 39 + 6;

test('a value that has the form of a frame is none', async () => {
  const directory = testFolder();
  const store = await openIn(directory);
  await write(store, { key: '/hot/a' });
  const record = { type: 'put', key: '/hot/x', createRevision: 9, previousRevision: 0, expiresMs: 0 } as const;
  const records = [{ ...record, revision: 4, value: Buffer.from('forged') }];
  const frame = Buffer.alloc(frameLength(records));
  encodeFrame(records, Buffer.alloc(8), frame);
  // So far into the next frame that it begins a page, where a frame could.
  const value = Buffer.concat([Buffer.alloc(pageBytes - valueAt), frame]);
  await write(store, { key: '/hot/b', value });
  expect(readFileSync(join(directory, segmentNames[0])).indexOf(frame) % pageBytes).toBe(0);
  const found = await everything(await openIn(killed(directory)), 1);
  expect(found).toEqual(await everything(store, 1));
});

test('more than the files hold comes into the tables in time, and the files begin anew', async () => {
  const directory = testFolder();
  const store = await openIn(directory);
  const random = new SeededRandom(3);
  for (let round = 0; round < 40; round++) {
    const puts = Array.from({ length: 10 }, (_, i) =>
      write(store, {
        key: `/${i % 2 === 0 ? 'hot' : 'cold'}/${i}`,
        value: `${round} `.repeat(2_000 + randomInt(random, 3_000)),
      }),
    );
    await Promise.all(puts);
    if (round % 8 === 7) {
      const from = (await store.currentRevision()) - 30;
      // What the tables get meanwhile is theirs; the journal has the rest.
      const wanted = await everything(store, from);
      expect(await everything(store, from)).toEqual(wanted);
    }
  }
  const writes = journalledWrites(directory, { applied: 0, isWritten: true }, readSegments(directory));
  expect(writes).toEqual([]);
  const wanted = await everything(store, 200);
  await store.close();
  expect(readdirSync(directory).sort()).toEqual(['data.mdb', 'lock.mdb']);
  expect(await everything(await openIn(directory), 200)).toEqual(wanted);
});

test('cold keys expire at their time while only the journal has them, and one that was written anew lives on', async () => {
  const directory = testFolder();
  const clock = new VirtualClock();
  const store = await openIn(directory, clock);
  await write(store, { key: '/cold/a', ttlMs: 20_000 });
  await write(store, { key: '/cold/b', ttlMs: 20_000 });
  await store.compact(await store.currentRevision());
  await write(store, { key: '/cold/b', ttlMs: 90_000 });
  await write(store, { key: '/cold/c', ttlMs: 20_000 });
  const copy = killed(directory);
  const gone = async (of: Store): Promise<string[]> => {
    const { items } = await of.range({ prefix: '/cold/' });
    return items.map(({ key }) => key);
  };
  const fromRevision = (await store.currentRevision()) + 1;
  const expired = new Promise<void>((resolve) => {
    let left = 2;
    const onEvents = (events: readonly StoreEvent[]): void => {
      left -= events.length;
      if (left === 0) resolve();
    };
    store.watch({ prefix: '/cold/', fromRevision }, { onEvents, onError() {} });
  });
  await clock.advance(30_000);
  await expired;
  expect(await gone(store)).toEqual(['/cold/b']);
  const again = await openIn(copy);
  expect(await gone(again)).toEqual(['/cold/a', '/cold/b', '/cold/c']);
});

test('a folder of the format before, which had no journal, is taken as it is', async () => {
  const directory = testFolder();
  const store = await openIn(directory);
  await write(store, { key: '/hot/a' });
  const wanted = await everything(store, 1);
  await store.close();
  const formatted = async (
    work: (meta: { get(key: string): unknown; put(key: string, value: number): Promise<boolean> }) => unknown,
  ) => {
    const root = openTables<unknown, string>({ path: directory, encoding: 'binary', maxDbs: 8 });
    const result = await work(root.openDB<number, string>('meta', { encoding: 'json' }));
    await root.close();
    return result;
  };
  await formatted((meta) => meta.put('format', 3));
  const source = openLmdbSnapshot(directory);
  expect('olderFormat' in source).toBe(false);
  await source.close();
  const again = await openIn(directory);
  expect(await everything(again, 1)).toEqual(wanted);
  await again.close();
  expect(await formatted((meta) => meta.get('format'))).toBe(4);
});
