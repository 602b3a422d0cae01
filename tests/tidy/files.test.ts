/** The shape of files: names, lengths, named exports, and a first comment that says what they are. */
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { sourceFiles } from './source-files.ts';

/** Nine files in ten are far below; a longer one is a design question, not a matter of taste. */
const linesMax = 650;

test('files have kebab-case names', () => {
  const odd = sourceFiles().filter((file) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.tsx?$/.test(basename(file.path)));
  expect(odd.map((file) => file.path)).toEqual([]);
});

test(`no file is longer than ${linesMax} lines`, () => {
  const long = sourceFiles()
    .map((file) => ({ path: file.path, lines: file.text.split('\n').length }))
    .filter((file) => file.lines > linesMax);
  expect(long).toEqual([]);
});

test('there are no default exports and no barrels', () => {
  const found = sourceFiles().filter((file) => /^export (default\b|\* from)/m.test(file.text));
  expect(found.map((file) => file.path)).toEqual([]);
});

test('every module says in its first lines what it is', () => {
  const silent = sourceFiles().filter((file) => !file.isTest && !/^(#!.*\n)?\/\*\*/.test(file.text));
  expect(silent.map((file) => file.path)).toEqual([]);
});
