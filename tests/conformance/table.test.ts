/** The conformance table is whole, and says of each behaviour what the tests of this suite show. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { type Row, readTables, type Upstream } from './upstream/specs.ts';

/** Behaviours of upstream's list for 1.36 by area. */
const counts: Readonly<Record<string, number>> = {
  'api-machinery': 99,
  apps: 60,
  architecture: 1,
  auth: 10,
  cli: 17,
  instrumentation: 4,
  network: 47,
  node: 106,
  scheduling: 11,
  storage: 91,
};

const areas = readTables();
const entries = Object.values(areas).flat();

/** Tests of this suite as the runner finds them, `file#name`. */
async function listTests(): Promise<readonly string[]> {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'list', '--project', 'conformance', '--staticParse=false', '--json'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, maxBuffer: 16 << 20 });
  const found = JSON.parse(stdout.slice(stdout.indexOf('['))) as readonly {
    readonly name: string;
    readonly file: string;
  }[];
  return found.map(({ name, file }) => `${basename(file)}#${name}`).filter((one) => one.endsWith('[Conformance]'));
}

test('the table has every behaviour of the list once, in its area', () => {
  const found = Object.fromEntries(Object.entries(areas).map(([area, list]) => [area, list.length]));
  expect(found).toEqual(counts);
  expect(new Set(entries.map(({ name }) => name)).size).toBe(entries.length);
  for (const [area, list] of Object.entries(areas)) {
    for (const { name } of list) expect(name).toMatch(new RegExp(`^\\[sig-${area}\\] .+ \\[Conformance\\]$`));
  }
});

test('what holds names its test, what is missing says what it needs', () => {
  const wrong = entries.filter(({ status, test, needs }) => {
    if (status === 'holds') return test === undefined || needs !== undefined;
    if (status === 'missing') return needs === undefined;
    return status !== 'untested' || test !== undefined || needs !== undefined;
  });
  expect(wrong).toEqual([]);
});

test('each row says what the spec of upstream’s 1.28 shows', () => {
  const known: ReadonlySet<Upstream> = new Set(['absent', 'changed', 'fails', 'pass', 'unrun']);
  expect(entries.filter(({ upstream }) => !known.has(upstream))).toEqual([]);
  expect(entries.filter(({ upstream, changed }) => (upstream === 'changed') !== (changed !== undefined))).toEqual([]);
});

test('the tests that the table names are those of the suite, under the names of their behaviours', async () => {
  const named = entries.flatMap(({ name, status, test }) => {
    if (test === undefined) return [];
    expect(test.split('#')[1]).toBe(name);
    return [status === 'holds' ? test : test.replace('#', '#missing > ')];
  });
  expect([...(await listTests())].sort()).toEqual([...named].sort());
}, 60_000);

test('no test of the suite is left out of its run', () => {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.test.ts'));
  const pattern = /\b(?:test|describe|behaviour|defect)\.(?:skip|only|todo|skipIf|runIf)\b/;
  const left = files.filter((file) => pattern.test(readFileSync(join(import.meta.dirname, file), 'utf8')));
  expect(left).toEqual([]);
});

test('summary', () => {
  const cell = (value: number | string): string => String(value).padStart(9);
  const line = (area: string, list: readonly Row[]): string => {
    const count = (is: (row: Row) => boolean): string => cell(list.filter(is).length);
    const statuses = (['holds', 'missing', 'untested'] as const).map((status) => count((row) => row.status === status));
    const specs = upstreams.map((upstream) => count((row) => row.upstream === upstream));
    return [area.padEnd(16), ...statuses, ...specs, count(isWhole), cell(list.length)].join('');
  };
  const lines = Object.entries(areas).map(([area, list]) => line(area, list));
  const titles = ['holds', 'missing', 'untested', ...upstreams, 'whole', 'total'];
  console.log([`area            ${titles.map(cell).join('')}`, ...lines, line('all', entries)].join('\n'));
  expect(lines.length).toBe(Object.keys(counts).length);
});

const upstreams: readonly Upstream[] = ['pass', 'fails', 'changed', 'absent', 'unrun'];

/** Ours holds, and so does upstream's spec where 1.28 has one that is still of the same behaviour. */
function isWhole({ status, upstream }: Row): boolean {
  return status === 'holds' && (upstream === 'pass' || upstream === 'changed' || upstream === 'absent');
}
