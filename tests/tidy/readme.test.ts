/** What the README tells people to type is there, and starts. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './source-files.ts';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');

/** Many processes start at once, on whatever machine this is. */
const startsMs = 180_000;

test('the example test is the one that runs', () => {
  const block = /```ts\n([\s\S]*?)```/.exec(readme)?.[1];
  expect(block).toBe(read('tests/integration/example.test.ts'));
});

test('npm scripts exist', () => {
  const scripts = Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts);
  const named = [...readme.matchAll(/npm run ([\w:]+)/g)].map((match) => match[1]!);
  expect(named.length).toBeGreaterThan(2);
  expect(named.filter((name) => !scripts.includes(name))).toEqual([]);
  expect(scripts).toEqual(expect.arrayContaining(['start', 'test']));
});

test('files and folders exist', () => {
  const paths = [...readme.matchAll(/\b(?:cmd|pkg|manifests|tests|deploy)\/[\w./-]*\w/g)].map((match) => match[0]);
  expect(paths.length).toBeGreaterThan(4);
  expect([...new Set(paths)].filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

/** Starts a program of this project; resolves to what it printed, and its exit code. */
function start(...args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, args, { cwd: root, env: { PATH: process.env.PATH, HOME: tmpdir() } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (output += bytes));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}

test('every command of coxswain starts, and has the flags it is said to have', { timeout: startsMs }, async () => {
  const calls = [...readme.matchAll(/`coxswain (\w+)([^`]*)`/g)].map(([, name = '', rest = '']) => ({ name, rest }));
  expect(calls.length).toBeGreaterThan(8);
  const helps = new Map<string, string>();
  const look = async (name: string): Promise<void> => {
    const { code, output } = await start('cmd/coxswain/main.ts', name, '--help');
    expect([name, code]).toEqual([name, 0]);
    helps.set(name, output);
  };
  await Promise.all([...new Set(calls.map(({ name }) => name))].map(look));
  for (const { name, rest } of calls)
    for (const [flag] of rest.matchAll(/(?<= )--?[a-z-]+/g))
      expect([name, flag, helps.get(name)!.includes(`${flag} `)]).toEqual([name, flag, true]);
  const named = [...readme.matchAll(/(?<=`)--[a-z-]+/g)].map(([flag]) => flag);
  expect(named.length).toBeGreaterThan(8);
  expect(named.filter((flag) => !`${helps.get('up')}`.includes(`${flag} `))).toEqual([]);
});

test('what is started by npm and by Node there starts', { timeout: startsMs }, async () => {
  const scripts = (JSON.parse(read('package.json')) as { scripts: Readonly<Record<string, string>> }).scripts;
  const bench = /^node (\S+)$/.exec(scripts.bench ?? '')?.[1];
  expect(readme).toContain('npm run bench -- --against');
  expect((await start(bench!, '--help')).output).toContain('--against');
  const files = [...readme.matchAll(/npx node (\S+\.ts)/g)].map((match) => match[1]!);
  expect(files).toEqual(['tests/integration/node-failure.ts']);
  // A day takes some seconds, and other tests run it: here no day is.
  expect((await start(files[0]!, '0')).output).toBe('0 runs, 0 different transcripts\n');
});

test('.ci/run calls what the README calls', () => {
  const ci = read('.ci/run');
  expect(ci).toMatch(/\bnpm ci\b/);
  expect(ci).toMatch(/\bnpm test\b/);
});
