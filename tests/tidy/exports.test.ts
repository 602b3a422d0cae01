/**
 * An exported value is a promise to others: what nobody outside its file names is not exported, and what nobody names at all is removed.
 * Types are left out: those in the signature of an export are part of it.
 */
import { expect, test } from 'vitest';
import { sourceFiles } from './source-files.ts';

/** Read by people who use Coxswain as a library, or named by what the project writes itself. */
const publicFiles = /^pkg\/(?:entry|testing)\/|^tests\//;

const exportPattern = /^export (?:abstract |async )?(?:function\*?|class|const) (\w+)/gm;

test('every export is used in another file', () => {
  const files = sourceFiles();
  const words = files.map((file) => ({ path: file.path, words: new Set(file.text.match(/\w+/g)) }));
  const unused = files
    .filter((file) => !file.isTest && !publicFiles.test(file.path))
    .flatMap((file) =>
      [...file.text.matchAll(exportPattern)]
        .map((match) => match[1]!)
        .filter((name) => !words.some((other) => other.path !== file.path && other.words.has(name)))
        .map((name) => `${file.path}: ${name}`),
    );
  expect(unused).toEqual([]);
});
