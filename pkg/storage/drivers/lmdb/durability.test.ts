/** What must hold when the process is killed or the disk is full: nothing acknowledged is lost, nothing refused is there. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Store } from '../../store.ts';
import { openLmdbStore } from './lmdb-store.ts';

/** Rounds of the crash test; `CRASH_ROUNDS=200` tries harder. */
const crashRounds = Number(process.env.CRASH_ROUNDS ?? 5);
const writers = 32;

/** Arguments of node for a process that writes. */
function writerArguments(directory: string): string[] {
  const module = pathToFileURL(join(import.meta.dirname, 'test-writer.ts')).href;
  const code = `import { writeUntilRefused } from '${module}'; await writeUntilRefused('${directory}', ${writers});`;
  return ['--input-type=module', '--eval', code];
}

interface Acknowledged {
  readonly type: string;
  readonly revision: number;
}

function testFolder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'coxswain-durability-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Runs a writer and gives its lines as they come; `onLines` may kill it. */
async function linesOf(
  child: ChildProcessByStdio<null, Readable, null>,
  onLines: (count: number) => void,
): Promise<string[]> {
  const chunks: Buffer[] = [];
  const exited = once(child, 'close');
  let count = 0;
  for await (const chunk of child.stdout) {
    chunks.push(chunk as Buffer);
    for (const byte of chunk as Buffer) if (byte === 10) count++;
    onLines(count);
  }
  await exited;
  // The last line may be cut off by the kill.
  return Buffer.concat(chunks).toString().split('\n').slice(0, -1);
}

/** The last acknowledged write of each key. */
function acknowledgedOf(lines: readonly string[]): Map<string, Acknowledged> {
  const last = new Map<string, Acknowledged>();
  for (const line of lines) {
    const [type = '', key = '', revision] = line.split(' ');
    if (type === 'put' || type === 'delete') last.set(key, { type, revision: Number(revision) });
  }
  return last;
}

/** Opens the folder and compares it with what was acknowledged. A later write to a key, made but not acknowledged, is allowed. */
async function lostWrites(directory: string, acknowledged: ReadonlyMap<string, Acknowledged>): Promise<string[]> {
  const store = await openLmdbStore({ directory, log: silentLogger, clock: new SystemClock() });
  const lost: string[] = [];
  for (const [key, { type, revision }] of acknowledged) {
    const found = await store.get(key);
    const kept = type === 'put' ? found !== undefined && found.modRevision >= revision : found === undefined;
    const content = found === undefined || Buffer.from(found.value).toString().startsWith(`${key} `);
    const deletedSince = type === 'put' && found === undefined && Number(key.split('/')[2]) % 2 === 0;
    if (!content || !(kept || deletedSince)) lost.push(`${type} ${key} ${revision}: found ${found?.modRevision}`);
  }
  const newest = Math.max(0, ...[...acknowledged.values()].map((write) => write.revision));
  if ((await store.currentRevision()) < newest) lost.push(`revision ${newest}`);
  await store.close();
  return lost;
}

test(`a kill in the middle of ${writers} writers loses no acknowledged write (${crashRounds} rounds)`, {
  timeout: 90_000 + crashRounds * 5_000,
}, async () => {
  const random = new SeededRandom(crashRounds);
  for (let round = 0; round < crashRounds; round++) {
    const directory = testFolder();
    const child = spawn(process.execPath, writerArguments(directory), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const killAfter = 1 + randomInt(random, 1500);
    const lines = await linesOf(child, (count) => count > killAfter && child.kill('SIGKILL'));
    const acknowledged = acknowledgedOf(lines);
    expect(acknowledged.size).toBeGreaterThan(0);
    expect(await lostWrites(directory, acknowledged)).toEqual([]);
    rmSync(directory, { recursive: true, force: true });
  }
});

test('the first commit that the disk does not take ends the store: no second one is tried, and what was acknowledged is kept', {
  timeout: 120_000,
}, async () => {
  const directory = testFolder();
  // A limit on the size of files stands for a full disk: the system refuses what is written beyond it.
  const command = `ulimit -f 4096; exec "$0" "$@"`;
  const child = spawn('sh', ['-c', command, process.execPath, ...writerArguments(directory)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines = await linesOf(child, () => {});
  const acknowledged = acknowledgedOf(lines);
  const newest = Math.max(...[...acknowledged.values()].map((write) => write.revision));
  expect(lines.filter((line) => line.startsWith('failed'))).toEqual(['failed StoreUnavailableError true']);
  expect(newest).toBeGreaterThan(100);
  expect(await lostWrites(directory, acknowledged)).toEqual([]);
});

test('what a loss of power leaves of what was under way, any part of its sectors, is the state before or after it, and what was acknowledged is kept', async () => {
  const directory = testFolder();
  const random = new SeededRandom(5);
  const cold = { prefixes: ['/k/1'], sample: '' };
  // No time passes, so that the tables get what the journal has when the store is closed and not before.
  const open = (folder: string): Promise<Store> =>
    openLmdbStore({ directory: folder, log: silentLogger, clock: new VirtualClock(), cold, waitsForJournal: true });
  const contentsOf = async (store: Store): Promise<string> => {
    const { items, revision } = await store.range({ prefix: '' });
    return `${revision} ${items.map(({ key, value }) => `${key}=${Buffer.from(value)}`).join(' ')}`;
  };
  const fill = async (store: Store, round: number): Promise<void> => {
    const writes = Array.from({ length: 30 }, async () => {
      const key = `/k/${randomInt(random, 60)}`;
      const ifModRevision = (await store.get(key))?.modRevision ?? 0;
      const value = Buffer.alloc(50 + randomInt(random, 5_000), `${round} ${key} `);
      await store.write({ type: 'put', key, value, ifModRevision });
    });
    await Promise.all(writes);
  };
  /** What is found in a folder that has these files. */
  const found = async (files: Files): Promise<string> => {
    const copy = testFolder();
    for (const [name, bytes] of files) writeFileSync(join(copy, name), bytes);
    const store = await open(copy);
    const contents = await contentsOf(store);
    await store.close();
    return contents;
  };
  for (let round = 0; round < 8; round++) {
    const store = await open(directory);
    if (round % 3 === 2) await store.compact((await store.currentRevision()) - 20);
    await fill(store, 2 * round);
    const acknowledged = await contentsOf(store);
    const before = filesOf(directory);
    await fill(store, 2 * round + 1);
    const later = await contentsOf(store);
    const after = filesOf(directory);
    await store.close();
    const closed = filesOf(directory);
    expect([...after.keys(), ...closed.keys()]).toEqual(['data.mdb', 'journal-0', 'journal-1', 'data.mdb']);
    expect(later).not.toBe(acknowledged);
    expect(await found(before)).toBe(acknowledged);
    expect(await found(after)).toBe(later);
    for (const share of [0.3, 0.7]) {
      const lost = await found(someOf(before, after, () => random.next() < share));
      expect([acknowledged, later]).toContain(lost);
    }
    // While the tables get it, and once they have it.
    const tables = (isThere: (at: number) => boolean): Files => new Map([...after, ...someOf(after, closed, isThere)]);
    for (const share of [0.3, 0.7, 1])
      expect(await found(tables((at) => at >= headBytes && random.next() < share))).toBe(later);
    expect(await found(tables(() => true))).toBe(later);
    expect(await found(closed)).toBe(later);
  }
});

type Files = ReadonlyMap<string, Buffer>;

/** The heads of the tables' file say which pages count: they are written when all pages are on the disk. */
const headBytes = 2 * 4096;

const sectorBytes = 512;

function filesOf(directory: string): Files {
  const names = ['data.mdb', 'journal-0', 'journal-1'].filter((name) => existsSync(join(directory, name)));
  return new Map(names.map((name) => [name, readFileSync(join(directory, name))]));
}

/** Files of before, with those sectors of after that `isThere` says. */
function someOf(before: Files, after: Files, isThere: (at: number) => boolean): Files {
  const mixed = [...after].map(([name, later]): [string, Buffer] => {
    const bytes = Buffer.alloc(later.length);
    before.get(name)?.copy(bytes);
    for (let at = 0; at < later.length; at += sectorBytes) if (isThere(at)) later.copy(bytes, at, at, at + sectorBytes);
    return [name, bytes];
  });
  return new Map(mixed);
}
