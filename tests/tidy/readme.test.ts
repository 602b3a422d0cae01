/** What the README tells people to type is there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './source-files.ts';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');

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

test('subcommands and flags of coxswain exist', () => {
  const main = read('cmd/coxswain/command.ts');
  const commands = [...readme.matchAll(/`coxswain (\w+)/g)].map((match) => match[1]!);
  expect(commands.length).toBeGreaterThan(2);
  expect(commands.filter((name) => !new RegExp(`^  ${name}: \\{`, 'm').test(main))).toEqual([]);
  const flags = ['cmd/coxswain/up-flags.ts', 'cmd/coxswain/cluster-flags.ts'].map(read).join('');
  const named = [...readme.matchAll(/`--([a-z-]+)/g)].map((match) => match[1]!).filter((flag) => flag !== 'help');
  expect(named.length).toBeGreaterThan(2);
  expect(named.filter((flag) => !flags.includes(flag))).toEqual([]);
});

test('.ci/run calls what the README calls', () => {
  const ci = read('.ci/run');
  expect(ci).toMatch(/\bnpm ci\b/);
  expect(ci).toMatch(/\bnpm test\b/);
});
