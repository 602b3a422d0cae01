/** A folder's state is read whole and of one moment: of a folder that is closed, and beside the process that writes to it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import type { SnapshotItem } from '../../snapshot/snapshot-format.ts';
import type { SnapshotSource } from '../../snapshot/snapshot-source.ts';
import type { Store } from '../../store.ts';
import { openLmdbSnapshot } from './lmdb-snapshot.ts';
import { openLmdbStore } from './lmdb-store.ts';

const cold = { prefixes: ['/cold/'], sample: '{"kind":"Event"}' };
const clock = new SystemClock();

function testFolder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'coxswain-lmdb-snapshot-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function itemsOf(source: SnapshotSource): Promise<readonly SnapshotItem[]> {
  const items: SnapshotItem[] = [];
  for await (const item of source.items()) items.push(item);
  await source.close();
  return items.sort((a, b) => (a.key < b.key ? -1 : 1));
}

async function put(store: Store, key: string, ttlMs?: number): Promise<void> {
  const ifModRevision = (await store.get(key))?.modRevision ?? 0;
  const value = Buffer.from(`${key} ${ifModRevision}`.repeat(20));
  await store.write({ type: 'put', key, value, ifModRevision, ...(ttlMs === undefined ? {} : { ttlMs }) });
}

test('every key that exists is there once, with its newest value, revision and time, and nothing else', async () => {
  const directory = testFolder();
  const store = await openLmdbStore({ directory, log: silentLogger, clock, cold });
  for (const round of [0, 1, 2])
    for (let i = 0; i < 30; i++)
      for (const kind of ['/hot/', '/cold/'])
        if (i % 3 >= round) await put(store, `${kind}${i}`, i < 9 ? 3_600_000 : undefined);
  for (const key of ['/hot/1', '/cold/1', '/hot/2']) {
    const kv = await store.get(key);
    await store.write({ type: 'delete', key, ifModRevision: kv?.modRevision ?? 0 });
  }
  await store.compact((await store.currentRevision()) - 10);
  const { items, revision } = await store.range({ prefix: '' });
  await store.close();
  const source = openLmdbSnapshot(directory);
  expect(source.revision).toBe(revision);
  const found = await itemsOf(source);
  expect(found.map(({ key, value, modRevision }) => [key, Buffer.from(value).toString(), modRevision])).toEqual(
    items.map(({ key, value, modRevision }) => [key, Buffer.from(value).toString(), modRevision]),
  );
  const lives = found.filter(({ expiresMs }) => expiresMs > 0).map(({ key }) => Number(key.split('/')[2]) < 9);
  expect([lives.length, lives.every(Boolean)]).toEqual([15, true]);
});

test('beside a process that writes, it is the state of one revision', async () => {
  const directory = testFolder();
  const module = pathToFileURL(join(import.meta.dirname, 'test-writer.ts')).href;
  const code = `import { writeUntilRefused } from '${module}'; await writeUntilRefused('${directory}', 16);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Closed, all of what it has said was heard.
  const exited = once(child, 'close');
  const acknowledged = new Map<string, { readonly type: string; readonly revision: number }[]>();
  let newest = 0;
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (text + chunk).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const [type = '', key = '', revision] = line.split(' ');
      newest = Math.max(newest, Number(revision));
      acknowledged.set(key, [...(acknowledged.get(key) ?? []), { type, revision: Number(revision) }]);
    }
  });
  /** Waits until so much was acknowledged, or the writer has ended by itself: what it has written counts all the same. */
  const until = async (revision: number): Promise<void> => {
    while (newest < revision && child.exitCode === null) await Promise.race([once(child.stdout, 'data'), exited]);
  };
  await until(300);
  const source = openLmdbSnapshot(directory);
  const { revision } = source;
  expect(revision).toBeGreaterThanOrEqual(newest);
  // The writer goes on while it is read.
  await until(revision + 300);
  const found = new Map((await itemsOf(source)).map((item) => [item.key, item.modRevision]));
  child.kill('SIGKILL');
  await exited;
  for (const [key, writes] of acknowledged) {
    const last = writes.filter((write) => write.revision <= revision).at(-1);
    expect([key, found.get(key)]).toEqual([key, last?.type === 'put' ? last.revision : undefined]);
  }
  expect(Math.max(...found.values())).toBeLessThanOrEqual(revision);
});

test('a folder without a store and a damaged file are refused', async () => {
  const directory = testFolder();
  expect(() => openLmdbSnapshot(directory)).toThrow(`Cannot read ${directory} as there is no store in it`);
  writeFileSync(join(directory, 'data.mdb'), 'x'.repeat(10_000));
  expect(() => openLmdbSnapshot(directory)).toThrow(
    /^Cannot open \S+ as data\.mdb is damaged: it is not a database; move/,
  );
});

test('a store that begins after a revision goes on from there, and says that all before is compacted', async () => {
  const directory = testFolder();
  const open = (): Promise<Store> => openLmdbStore({ directory, log: silentLogger, clock, cold, startRevision: 5_000 });
  const store = await open();
  expect(await store.currentRevision()).toBe(5_000);
  await put(store, '/a');
  const errors: Error[] = [];
  store.watch({ prefix: '/', fromRevision: 4_999 }, { onEvents() {}, onError: (error) => errors.push(error) });
  await put(store, '/a');
  expect(errors.map(({ name }) => name)).toEqual(['CompactedError']);
  await expect(store.range({ prefix: '/', revision: 4_000 })).rejects.toThrow(/compacted/);
  await store.close();
  const again = await open();
  expect(await again.get('/a')).toMatchObject({ createRevision: 5_001, modRevision: 5_002 });
  await again.close();
});
