/**
 * How the code is put together, read from the compiler's trees: circles, sizes, exports, switches. Each rule is in `rules/`; what does not keep to one yet
 * is in `exceptions.ts`, whose lists only shrink.
 */
import { afterAll, expect, test } from 'vitest';
import * as exceptions from './exceptions.ts';
import { openProject } from './project.ts';
import { castsOf } from './rules/casts.ts';
import { silentExports, unusedExports } from './rules/exports.ts';
import { folderPairs, importCircles } from './rules/import-circles.ts';
import { longFunctions } from './rules/long-functions.ts';
import { openSwitches } from './rules/switches.ts';

const project = openProject();
afterAll(() => project.close());
const files = project.files.filter(({ isTest }) => !isTest);

/** Nine files in ten are far below; a longer one is a design question, not a matter of taste. */
const linesMax = 400;

/** Read by people who use Coxswain as a library, and programs of images, which are loaded by the image's name. */
const isPublic = (path: string): boolean =>
  /^pkg\/(?:entry|testing)\/|^pkg\/kubelet\/runtime\/inprocess\/images\/|^pkg\/addons\/[a-z-]+\/program\.ts$/.test(
    path,
  );

test('no files load each other in a circle', () => {
  expect(files.length).toBeGreaterThan(500);
  expectOnly(importCircles(files, { types: false }), []);
});

test('nor do their types name each other in one', () => {
  expectOnly(importCircles(files, { types: true }), exceptions.typeCircles);
});

test.each(exceptions.parents)('no two folders in %s import each other', (parent) => {
  expectOnly(folderPairs(files, parent), exceptions.folderPairs[parent] ?? []);
});

test('no function is longer than one can see at once', () => {
  expectOnly(files.flatMap(longFunctions), exceptions.longFunctions);
});

test(`no file is longer than ${linesMax} lines`, () => {
  const long = files.filter(({ tree }) => tree.getLineStarts().length > linesMax + 1 && tree.fileName.endsWith('.ts'));
  expectOnly(
    long.map(({ path }) => path),
    exceptions.longFiles,
  );
});

test('every export is imported by another file', () => {
  expectOnly(unusedExports(project.files, isPublic), exceptions.unusedExports);
});

test('a switch over a union is found by the compiler when the union grows', () => {
  expectOnly(
    files.flatMap((file) => openSwitches(file, project.checker)),
    exceptions.openSwitches,
  );
});

test('every export says what it is', () => {
  expect(files.flatMap(silentExports)).toEqual([]);
});

test('there are no more casts than there were', () => {
  const counts: Record<string, { as: number; bang: number }> = {};
  for (const file of files) {
    const part = /^pkg\/[^/]+|^\w+/.exec(file.path)![0];
    const count = castsOf(file);
    counts[part] ??= { as: 0, bang: 0 };
    counts[part].as += count.as;
    counts[part].bang += count.bang;
  }
  const some = Object.fromEntries(Object.entries(counts).filter(([, { as, bang }]) => as + bang > 0));
  expect(some).toEqual(exceptions.casts);
});

/** What is found is known, and what is known is still found: an exception that is none any more goes. */
function expectOnly(found: readonly string[], known: readonly string[]): void {
  expect({ new: found.filter((entry) => !known.includes(entry)) }).toEqual({ new: [] });
  expect({ gone: known.filter((entry) => !found.includes(entry)) }).toEqual({ gone: [] });
}
