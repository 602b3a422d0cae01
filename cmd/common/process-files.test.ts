import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  HeldError,
  holdProcessFile,
  isAlive,
  processIdentity,
  readProcessFile,
  runningProcesses,
  stateOf,
} from './process-files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coxswain-run-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const own = (name: string) => ({ name, pid: process.pid, identity: processIdentity(process.pid), startedAt: 'now' });

test.each(['', '{', 'null', '5', '[]', '{"pid":"x","name":"one"}'])(
  'a file that says %j is of nobody',
  async (text) => {
    const path = join(folder, 'one.json');
    await writeFile(path, text);
    expect([await readProcessFile(path), await runningProcesses(folder)]).toEqual([undefined, []]);
  },
);

test('a name is held by one living process at a time', async () => {
  const path = join(folder, 'deep', 'one.json');
  const held = await holdProcessFile(path, own('one'));
  await expect(holdProcessFile(path, own('one'))).rejects.toThrow(HeldError);
  await held.update({ healthz: 'http://127.0.0.1:1' });
  expect(await readProcessFile(path)).toEqual({ ...own('one'), healthz: 'http://127.0.0.1:1' });
  await held.release();
  await (await holdProcessFile(path, own('one'))).release();
  expect(await readdir(join(folder, 'deep'))).toEqual([]);
});

test('of many that want a dead one’s name, one gets it', async () => {
  const path = join(folder, 'one.json');
  await writeFile(path, JSON.stringify({ ...own('one'), identity: 'a process of long ago' }));
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => holdProcessFile(path, own('one'))));
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
  expect(await readdir(folder)).toEqual(['one.json']);
});

test('a process that has ended is not alive, also when its id is in use again', async () => {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)']);
  const record = { ...own('child'), pid: child.pid!, identity: processIdentity(child.pid!) };
  expect(isAlive(record)).toBe(true);
  expect(isAlive({ ...record, identity: 'another' })).toBe(false);
  const ended = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  expect(isAlive(record)).toBe(false);
});

test('only files of living processes count, damaged ones do not', async () => {
  await holdProcessFile(join(folder, 'b.json'), own('b'));
  await holdProcessFile(join(folder, 'a.json'), own('a'));
  await writeFile(join(folder, 'c.json'), '{');
  await writeFile(join(folder, 'd.json'), JSON.stringify({ ...own('d'), identity: 'gone' }));
  expect((await runningProcesses(folder)).map((record) => record.name)).toEqual(['a', 'b']);
  expect(await runningProcesses(join(folder, 'nowhere'))).toEqual([]);
});

test('a process that was killed counts as alive no more, and as gone once its first thread is all that is left', async () => {
  const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1e9)']);
  const record = { name: 'one', pid: child.pid!, identity: processIdentity(child.pid!), startedAt: 'now' };
  expect(stateOf(record)).toBe('alive');
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  expect(['dying', 'gone']).toContain(stateOf(record));
  await ended;
  expect(stateOf(record)).toBe('gone');
  expect(stateOf({ ...own('one'), identity: 'a process of long ago' })).toBe('gone');
});
