/** Every command, with all of its own, and every addon is run by a test that `docs/commands.md` names. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { commands } from '#cmd/coxswain/command-table.ts';
import { systemWorld } from '#cmd/coxswain/world.ts';
import { addonTable } from '#pkg/addons/table.ts';
import { root } from './source-files.ts';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const page = read('docs/commands.md');

/** All that the commands are is loaded. */
const loadingMs = 60_000;

/** The paths beside each name of a table whose first column has this head. */
function rows(head: string): ReadonlyMap<string, readonly string[]> {
  const [, table = ''] = page.split(`| ${head} | run by |\n|---|---|\n`);
  const lines = table.split('\n\n')[0]?.split('\n') ?? [];
  const quoted = (cell = ''): readonly string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
  return new Map(
    lines.flatMap((line) => {
      const [, names, paths] = line.split('|');
      return quoted(names).map((name) => [name, quoted(paths)] as const);
    }),
  );
}

const machine = systemWorld();

/** What the help of a command lists as its own commands. */
async function commandsOf(name: string): Promise<readonly string[]> {
  let text = '';
  const write = (written: string): void => {
    text += written;
  };
  const run = await commands[name]?.load();
  await run?.({ ...machine, write }, ['--help']);
  const at = text.indexOf('\nCommands:\n');
  return at === -1 ? [] : [...text.slice(at).matchAll(/^ {2}([a-z][a-z-]*) {2,}/gm)].map(([, own = '']) => own);
}

const hasWords = (path: string, ...words: readonly string[]): boolean => {
  const text = read(path);
  return words.every((word) => new RegExp(`(?<![\\w-])${word}(?![\\w-])`).test(text));
};

test('each command is run, and each of its own', { timeout: loadingMs }, async () => {
  const listed = rows('command');
  expect([...listed.keys()].sort()).toEqual(Object.keys(commands).sort());
  const missing: string[] = [];
  for (const [name, paths] of listed) {
    // The verbs of kubectl have transcripts of their own.
    const own = name === 'kubectl' ? [] : await commandsOf(name);
    const all = own.length === 0 ? [[name]] : own.map((sub) => [name, sub]);
    missing.push(
      ...all.filter((words) => !paths.some((path) => hasWords(path, ...words))).map((words) => words.join(' ')),
    );
  }
  expect(missing).toEqual([]);
});

test('each addon is enabled in a cluster', () => {
  const listed = rows('addon');
  expect([...listed.keys()].sort()).toEqual(Object.keys(addonTable).sort());
  for (const [name, paths] of listed)
    for (const path of paths) expect([name, path, hasWords(path, name)]).toEqual([name, path, true]);
});
