/** The table of faults names tests that are there, and every fault once. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root, sourceFiles } from './source-files.ts';

interface Row {
  readonly fault: number;
  readonly state: string;
  readonly tests: readonly { readonly file: string; readonly title: string }[];
}

const faultsCount = 66;

const rows: readonly Row[] = readFileSync(join(root, 'tests/faults.md'), 'utf8')
  .split('\n')
  .map((line) => /^\| (\d+) \| (\w+) \| [^|]+ \| (.*?) ?\|$/.exec(line))
  .filter((match) => match !== null)
  .map(([, fault, state = '', cell = '']) => ({
    fault: Number(fault),
    state,
    tests: [...cell.matchAll(/`([^`]+)`: (.*?)(?=<br>|$)/g)].map(([, file = '', title = '']) => ({ file, title })),
  }));

test('every fault has one row', () => {
  expect(rows.map(({ fault }) => fault)).toEqual(Array.from({ length: faultsCount }, (_, i) => i + 1));
});

test('what is mended is held by a test, what is open by none', () => {
  const wrong = rows.filter(({ state, tests }) =>
    state === 'open' ? tests.length > 0 : tests.length === 0 || !['mended', 'partly'].includes(state),
  );
  expect(wrong).toEqual([]);
});

test('the tests are there', () => {
  const textOf = new Map(sourceFiles().map(({ path, text }) => [path, text]));
  const missing = rows.flatMap(({ tests }) => tests).filter(({ file, title }) => !textOf.get(file)?.includes(title));
  expect(missing).toEqual([]);
});
