/** The benchmark as a pair: this checkout against its own last commit, for as short as it can be. What it says is not looked at, only how. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { run } from './running-cluster.ts';

/** The folder in which a benchmark has all that it leaves on the disk while it runs. */
const folder = mkdtempSync(join(tmpdir(), 'coxswain-e2e-'));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bench = (...flags: string[]) =>
  run(process.execPath, [join(root, 'tests/bench/main.ts'), ...flags], { env: { TMPDIR: folder } });

/** What is printed, without the remark that the clients were busy: on a machine with other work it is there or not. */
function rowsOf(stdout: string): readonly string[] {
  return stdout
    .trimEnd()
    .split('\n')
    .filter((line) => !/^ {2}the clients used \d+ % of a core/.test(line));
}

/** Files, entries of git and processes that are there of a benchmark that has ended: none. */
function leftOvers(): readonly string[] {
  const worktrees = execFileSync('git', ['worktree', 'list'], { cwd: root, encoding: 'utf8' }).split('\n');
  const commands = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => commandOf(pid));
  const ours = [...worktrees, ...commands].filter((line) => line.includes(folder));
  return [...readdirSync(folder), ...ours];
}

/** Empty for what has ended meanwhile. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

test('two commits and a bare server are measured in turns, and nothing of them is left', async () => {
  const result = await bench(
    ...['--against', 'HEAD', '--only', 'get a pod, 32', '--store', 'memory'],
    ...['--pairs', '2', '--seconds', '0.5', '--starts', '0', '--fail-under', '0.001'],
  );
  expect(result).toMatchObject({ code: 0, stderr: '' });
  const lines = rowsOf(result.stdout);
  expect(lines).toHaveLength(4);
  expect(lines[0]).toContain('above 1 here is better');
  expect(lines[1]).toMatch(/^row +here +other +ratio +quartiles +cpu +pairs$/);
  expect(lines[2]).toMatch(
    /^get a pod, 32 clients +[\d,.]+\/s +[\d,.]+\/s +\d+\.\d{3} +\d+\.\d\d to \d+\.\d\d +\d+\.\d\d +2( {2}no difference seen)?$/,
  );
  expect(lines[3]).toMatch(
    /^ {2}of its ceiling +[\d,.]+\/s +[\d,.]+\/s +\d+\.\d{3} +\d+\.\d\d to \d+\.\d\d +\d+\.\d\d +2$/,
  );
  expect(leftOvers()).toEqual([]);
});

test('starts are compared too, and a median below the least is exit code 1', async () => {
  const result = await bench(
    ...['--against', 'HEAD', '--only', 'start: ', '--starts', '1', '--fail-under', '1000', '--store', 'memory'],
  );
  expect(result).toMatchObject({ code: 1, stderr: '' });
  const [, , answering, ready, ...rest] = result.stdout.trimEnd().split('\n');
  const row = / +\d+\.\d{3} s +\d+\.\d{3} s +\d+\.\d{3} +\d+\.\d\d to \d+\.\d\d +- +1/;
  expect(answering).toMatch(new RegExp(`^start: API answering${row.source}`));
  expect(ready).toMatch(new RegExp(`^start: all nodes Ready${row.source}`));
  expect(rest).toEqual([]);
  expect(leftOvers()).toEqual([]);
});

test('an interrupt ends all that was started, the halted cluster too', async () => {
  const flags = [
    '--against',
    'HEAD',
    '--only',
    'get a pod, 32',
    '--pairs',
    '1000',
    '--starts',
    '0',
    '--store',
    'memory',
  ];
  const child = spawn(process.execPath, [join(root, 'tests/bench/main.ts'), ...flags], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // Not when it exits: what it has said may come after that.
  const ended = once(child, 'close');
  let [output, errors] = ['', ''];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  // The header comes when both clusters run, and one of them is halted soon after.
  for await (const text of child.stdout.setEncoding('utf8')) {
    output += text;
    if (output.includes('quartiles ')) break;
  }
  child.kill('SIGINT');
  expect(await ended).toEqual([1, null]);
  expect(errors).toBe('bench: Stopped before the measurement was over\n');
  expect(leftOvers()).toEqual([]);
});

test('what is no commit is refused in one line', async () => {
  const result = await bench('--against', 'no-such-commit');
  expect(result).toMatchObject({ code: 1, stdout: '' });
  expect(result.stderr).toMatch(
    /^bench: Cannot measure against no-such-commit as it is no commit of the repository in .*\n$/,
  );
});
