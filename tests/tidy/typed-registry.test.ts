/** Rules of built-in kinds name fields that the compiler knows. Only custom resources, whose objects have no types, are read by strings. */
import { expect, test } from 'vitest';
import { sourceFiles } from './source-files.ts';

const accessor = /\b(?:stringAt|objectAt|objectsAt|listAt|valueAt|isTrueAt|ensureObject)\(/;

test('no file of the registry but those of custom resources reads objects by the names of fields', () => {
  const found = sourceFiles()
    .filter(({ path, isTest }) => path.startsWith('pkg/registry/') && !isTest && path !== 'pkg/registry/draft.ts')
    .filter(({ path, text }) => !path.startsWith('pkg/registry/apiextensions/') && accessor.test(text))
    .map(({ path }) => path);
  expect(found).toEqual([]);
});
