import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Deferred } from '#pkg/base/async.ts';
import { parseLogLine, readLog } from '../log-reader.ts';
import type { LogLine, LogOptions } from '../runtime.ts';
import { readInside } from './inside-root.ts';
import { cgroupFolders, cgroupMounts } from './machine.ts';
import { LogFile } from './monitor/log-file.ts';
import { treeOf } from './monitor/process-tree.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coxswain-container-files-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const atMs = Date.parse('2026-01-02T03:04:05.678Z');

function makeLog(options: { readonly fileBytesMax?: number; readonly filesMax?: number } = {}): LogFile {
  return new LogFile({ path: join(folder, 'log'), onRoom: () => {}, ...options });
}

async function read(options: LogOptions = {}): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  const source = { path: join(folder, 'log'), ended: Promise.resolve(), hasEnded: () => true };
  for await (const line of readLog(source, options)) lines.push(line);
  return lines;
}

describe('the log of a container', () => {
  test('has its lines with time and stream, and the rest without a newline as a part', async () => {
    const log = makeLog();
    log.write('stdout', Buffer.from('one\ntw'), atMs);
    log.write('stderr', Buffer.from('err\n'), atMs);
    log.write('stdout', Buffer.from('o\nlast'), atMs + 1);
    await log.end(atMs + 2);
    expect(await read()).toEqual([
      { timeMs: atMs, stream: 'stdout', text: 'one' },
      { timeMs: atMs, stream: 'stderr', text: 'err' },
      { timeMs: atMs + 1, stream: 'stdout', text: 'two' },
      { timeMs: atMs + 2, stream: 'stdout', text: 'last', partial: true },
    ]);
  });

  test('has long lines in pieces of 16 KiB', async () => {
    const log = makeLog();
    log.write('stdout', Buffer.from(`${'x'.repeat(40_000)}\n`), atMs);
    await log.end(atMs);
    const lines = await read();
    expect(lines.map(({ text, partial }) => [text.length, partial])).toEqual([
      [16_384, true],
      [16_384, true],
      [7232, undefined],
    ]);
  });

  test('is put aside when it is long, and the oldest goes', async () => {
    const log = makeLog({ fileBytesMax: 100, filesMax: 3 });
    for (let line = 0; line < 8; line++) {
      log.write('stdout', Buffer.from(`${String(line).repeat(80)}\n`), atMs);
      await log.end(atMs);
    }
    expect((await readdir(folder)).toSorted()).toEqual(['log.1', 'log.2']);
    expect(await read()).toEqual([]);
  });

  test('is read from its end, since a time, and on to the end of the container', async () => {
    const log = makeLog();
    for (let line = 0; line < 5; line++) log.write('stdout', Buffer.from(`${line}\n`), atMs + line);
    await log.end(atMs);
    const texts = (lines: readonly LogLine[]): string => lines.map(({ text }) => text).join('');
    expect(texts(await read({ tailLines: 2 }))).toBe('34');
    expect(texts(await read({ tailLines: 0 }))).toBe('');
    expect(texts(await read({ sinceMs: atMs + 3 }))).toBe('34');
    const ended = new Deferred();
    let isOver = false;
    const source = { path: join(folder, 'log'), ended: ended.promise, hasEnded: () => isOver };
    const following = readLog(source, { follow: true, tailLines: 1 });
    expect((await following.next()).value?.text).toBe('4');
    log.write('stdout', Buffer.from('5\n'), atMs + 5);
    await log.end(atMs);
    isOver = true;
    ended.resolve();
    expect((await following.next()).value?.text).toBe('5');
    expect((await following.next()).done).toBe(true);
  });

  test('passes over what is no line of such a file', () => {
    expect(parseLogLine(Buffer.from('nonsense'))).toBeUndefined();
    expect(parseLogLine(Buffer.from('2026-01-02T03:04:05.678123456Z stderr F '))).toEqual({
      timeMs: atMs,
      stream: 'stderr',
      text: '',
    });
  });
});

describe('a file of an image', () => {
  test('is found through links within its root, and never outside of it', async () => {
    const root = join(folder, 'root');
    await mkdir(join(root, 'etc'), { recursive: true });
    await mkdir(join(root, 'usr'));
    await writeFile(join(root, 'usr/passwd'), 'inside');
    await writeFile(join(folder, 'passwd'), 'outside');
    const through = async (target: string): Promise<string> => {
      await symlink(target, join(root, 'etc/passwd'));
      const text = await readInside(root, '/etc/passwd');
      await rm(join(root, 'etc/passwd'));
      return text;
    };
    expect(await through('/usr/passwd')).toBe('inside');
    expect(await through('../../../../usr/passwd')).toBe('inside');
    expect(await through('../../passwd')).toBe('');
    expect(await through(join(folder, 'passwd'))).toBe('');
    expect(await through('passwd')).toBe('');
    await symlink('/..', join(root, 'up'));
    expect(await readInside(root, '/up/passwd')).toBe('');
  });
});

describe('cgroups', () => {
  const mount = (place: string, type: string, options: string): string =>
    `35 24 0:31 / ${place} rw,nosuid - ${type} none rw,${options}`;
  const first = [
    mount('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'cpu,cpuacct'),
    mount('/sys/fs/cgroup/memory', 'cgroup', 'memory'),
    mount('/sys/fs/cgroup/systemd', 'cgroup', 'name=systemd'),
  ];

  test('are those of version 1, of version 2, or of both', () => {
    const unified = mount('/sys/fs/cgroup/unified', 'cgroup2', 'nsdelegate');
    expect(cgroupMounts(first.join('\n'))?.version).toBe('v1');
    expect(cgroupMounts([...first, unified].join('\n'))?.version).toBe('hybrid');
    expect(cgroupMounts(mount('/sys/fs/cgroup', 'cgroup2', 'x'))?.version).toBe('v2');
    expect(cgroupMounts('')).toBeUndefined();
  });

  test('have a folder in each hierarchy', () => {
    const mounts = cgroupMounts(first.join('\n'));
    expect(mounts === undefined ? [] : cgroupFolders(mounts, '/a/b')).toEqual([
      '/sys/fs/cgroup/cpu,cpuacct/a/b',
      '/sys/fs/cgroup/memory/a/b',
      '/sys/fs/cgroup/systemd/a/b',
    ]);
  });
});

test('what a command has started is its own though it has left it', () => {
  const entry = (pid: number, parent: number, session: number) => ({ pid, parent, session, startTicks: 0 });
  const all = [
    entry(1, 0, 1),
    entry(10, 5, 10),
    entry(11, 10, 10),
    entry(12, 1, 10),
    entry(13, 11, 13),
    entry(20, 1, 20),
  ];
  expect(treeOf(10, all).toSorted((a, b) => a - b)).toEqual([10, 11, 12, 13]);
});
