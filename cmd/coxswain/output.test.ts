import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { formatted } from './output.ts';
import { exitCodes } from './world.ts';

test('both forms have the same fields, without those that have no value', async () => {
  const value = { name: 'a', none: undefined, list: [{ count: 1 }, 'x: y'], empty: {} };
  const { none: _, ...expected } = value;
  expect(JSON.parse(await formatted(value, 'json'))).toEqual(expected);
  expect(load(await formatted(value, 'yaml'))).toEqual(expected);
});

test('the page of commands has the exit codes that there are', () => {
  const rows = Object.values(exitCodes).map(({ code, meaning }) => `| \`${code}\` | ${meaning} |`);
  const page = readFileSync(join(root, 'docs/commands.md'), 'utf8');
  expect(page.split('\n').filter((line) => /^\| `\d+` \|/.test(line))).toEqual(rows);
});
