/** What must hold when the process is killed or the disk is full: nothing acknowledged is lost, nothing refused is there. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
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
  timeout: 10_000 + crashRounds * 5_000,
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
  timeout: 30_000,
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
