import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { writeReport } from './report-archive.ts';

const options = { folder: 'report', clock: new VirtualClock() };
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coxswain-report-'));
  path = join(folder, 'report.tar.gz');
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});

/** What `tar` says, for its owner is who reads such an archive. */
function tar(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('tar', args, { encoding: 'utf8', cwd: folder });
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
}

test('files are in one folder of an archive that nobody else may read, problems last', async () => {
  const { problems } = await writeReport(path, options, async (report) => {
    await report.write('versions.json', '{}\n');
    await report.try('objects', () => Promise.reject(new Error('nobody answers')));
    await report.write(`pods/default/${'long-'.repeat(40)}/é.log`, Buffer.from([0, 255]));
  });
  expect(problems).toEqual(['objects: nobody answers']);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(tar('-tzf', path, '--quoting-style=literal').trimEnd().split('\n')).toEqual([
    'report/versions.json',
    `report/pods/default/${'long-'.repeat(40)}/é.log`,
    'report/problems.txt',
  ]);
  expect(tar('-xzOf', path, 'report/problems.txt')).toBe('objects: nobody answers\n');
});

test('a file that is there is left as it is', async () => {
  writeFileSync(path, 'mine');
  await expect(writeReport(path, options, async () => {})).rejects.toThrow(
    `Cannot export to ${path} as it is there: name a new file`,
  );
  expect(readFileSync(path, 'utf8')).toBe('mine');
});

test('where it cannot be made there is none', async () => {
  await expect(writeReport(join(folder, 'none/report.tar.gz'), options, async () => {})).rejects.toThrow('(ENOENT)');
  await expect(writeReport(path, options, () => Promise.reject(new Error('broken')))).rejects.toThrow('(broken)');
  expect(existsSync(path)).toBe(false);
});
