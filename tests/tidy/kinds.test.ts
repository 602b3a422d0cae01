/** The engine knows no kind: what is of one is in `pkg/registry`. Its own are those of meta, and the scale that all resources share. */
import { expect, test } from 'vitest';
import { resources } from '#pkg/api/resources.ts';
import { strategies } from '#pkg/registry/table.ts';
import { type SourceFile, sourceFiles } from './source-files.ts';

const bodies = strategies.flatMap(({ creates, connects }) => [
  ...Object.values(creates ?? {}),
  ...Object.values(connects ?? {}),
]);
const names = new Set([
  ...resources.flatMap(({ kind, resource, singular }) => [kind, resource, singular]),
  ...bodies.map(({ kind }) => kind.kind),
]);

/** `namespaces` is a part of paths and `namespace` a field: scope is the engine's. So are whose names impersonation may take. */
const allowed: readonly (readonly [file: RegExp, name: string])[] = [
  [/request-info|handlers|openapi\/paths/, 'namespaces'],
  [/./, 'namespace'],
  [/authn\/impersonation/, 'serviceaccounts'],
];

/** Whole names in strings: `'pods'`, `'/v1 Endpoints'`, `'policy/v1/Eviction'`. Sentences may speak of them. */
function named({ path, text }: SourceFile): readonly string[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/[^\n]*|(?<=from |import\()'[^']*'/g, '');
  return [...code.matchAll(/(['"`])((?:(?!\1)[^\\\n]|\\.)*)\1/g)]
    .flatMap(([, , content = '']) => (/^\S+(?: \S+)?$/.test(content) ? content.split(/[/ ]/) : []))
    .filter((word) => names.has(word))
    .filter((word) => !allowed.some(([file, name]) => file.test(path) && name === word))
    .map((word) => `${path} names ${word}: what is of a kind belongs beside its rules in pkg/registry`);
}

test('no file of the engine names a kind or a resource', () => {
  const files = sourceFiles().filter(({ path, isTest }) => path.startsWith('pkg/apiserver/') && !isTest);
  expect(files.length).toBeGreaterThan(50);
  expect(files.flatMap(named)).toEqual([]);
});

test.each(["x = 'pods'", "find('/v1 Endpoints')", 'key(`policy/v1/Eviction`)'])('a kind is found: %s', (text) => {
  expect(named({ path: 'pkg/apiserver/x.ts', text, imports: [], isTest: false }).length).toBe(1);
});
