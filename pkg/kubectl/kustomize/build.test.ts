/** Kustomizations, held against what kustomize 5.7 makes of the same folders (`expected.yaml`), and what is refused. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { yamlText } from '#pkg/apimachinery/yaml-text.ts';
import { buildKustomization } from './build.ts';

const fixtures = join(import.meta.dirname, '../../../tests/e2e/fixtures/kustomize');
const place = mkdtempSync(join(tmpdir(), 'kustomize-'));
afterAll(() => rmSync(place, { recursive: true }));

let folders = 0;

/** Builds a folder of these files; the kustomization is the one of `k`, which may lie below. */
function build(files: Readonly<Record<string, string>>, at = ''): string {
  const folder = join(place, String(folders++));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return buildKustomization(join(folder, at), () => {})
    .map(yamlText)
    .join('---\n');
}

const configMap = (name: string, more = '') => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}${more}}\n`;

test('an overlay with a component, patches, generators, names, labels, images, copies and replacements is what kustomize makes of it', () => {
  const warnings: string[] = [];
  const objects = buildKustomization(join(fixtures, 'overlay'), (line) => warnings.push(line));
  expect(objects.map(yamlText).join('---\n')).toBe(readFileSync(join(fixtures, 'expected.yaml'), 'utf8'));
  expect(warnings.map((line) => /'(\w+)' is deprecated/.exec(line)?.[1])).toEqual([
    'commonLabels',
    'patchesJson6902',
    'patchesStrategicMerge',
  ]);
});

test('what a patch adds to a list comes first, and words of YAML 1.1 are texts', () => {
  const pod =
    'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a, image: n}, {name: b, image: on}]}\n';
  const patch =
    'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: x}, {name: b, tty: true}]}\n';
  const kustomization = 'resources: [p.yaml]\npatches: [{path: patch.yaml}]\n';
  expect(build({ 'kustomization.yaml': kustomization, 'p.yaml': pod, 'patch.yaml': patch })).toBe(`apiVersion: v1
kind: Pod
metadata:
  name: p
spec:
  containers:
  - image: x
    name: c
  - image: "on"
    name: b
    tty: true
  - image: "n"
    name: a
`);
});

test('equal names of two bases are told apart, and a patch deletes an object', () => {
  const base = (prefix: string) => ({
    [`${prefix}/kustomization.yaml`]: `namePrefix: ${prefix}-\nresources: [all.yaml]\n`,
    [`${prefix}/all.yaml`]: `${configMap('c')}---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {volumes: [{name: v, configMap: {name: c}}]}\n`,
  });
  const gone = '{apiVersion: v1, kind: Pod, metadata: {name: a-p}, $patch: delete}';
  const both = (patches: string): string =>
    build({ ...base('a'), ...base('b'), 'kustomization.yaml': `resources: [a, b]\npatches: ${patches}\n` });
  expect(both('[]').match(/name: .-.*/g)).toEqual(
    ['a-c', 'b-c', 'a-p', 'a-c', 'b-p', 'b-c'].map((name) => `name: ${name}`),
  );
  expect(both(`[{patch: '${gone}'}]`).match(/name: .-.*/g)).toEqual(
    ['a-c', 'b-c', 'b-p', 'b-c'].map((name) => `name: ${name}`),
  );
});

test.each<[what: string, files: Readonly<Record<string, string>>, at: string, problem: string]>([
  ['nothing', {}, '', 'unable to find one of'],
  ['an empty file', { 'kustomization.yaml': '' }, '', 'kustomization.yaml is empty'],
  ['a field that is none', { 'kustomization.yaml': 'foo: 1' }, '', 'invalid Kustomization: json: unknown field "foo"'],
  ['a file that is not there', { 'kustomization.yaml': 'resources: [no.yaml]' }, '', 'no such file or directory'],
  [
    'a file outside of its folder',
    { 'k/kustomization.yaml': 'resources: [../a.yaml]', 'a.yaml': configMap('a') },
    'k',
    'is not in or below',
  ],
  ['itself', { 'k/kustomization.yaml': 'resources: [../k]' }, 'k', 'cycle detected'],
  [
    'an object twice',
    { 'kustomization.yaml': 'resources: [a.yaml, a.yaml]', 'a.yaml': configMap('a') },
    '',
    'may not add resource with an already registered id: ConfigMap.v1.[noGrp]/a.[noNs]',
  ],
  [
    'a patch of nothing',
    { 'kustomization.yaml': `patches: [{patch: "${configMap('a').replaceAll('\n', '\\n')}"}]` },
    '',
    'no resource matches strategic merge patch "ConfigMap.v1.[noGrp]/a.[noNs]"',
  ],
  ['another machine', { 'kustomization.yaml': 'resources: [https://example.com/a.yaml]' }, '', 'is not fetched here'],
  ['programs', { 'kustomization.yaml': 'transformers: [a.yaml]' }, '', 'are not built here'],
  ['copies of what is not there', { 'kustomization.yaml': 'replicas: [{name: a, count: 1}]' }, '', 'does not match'],
  [
    'a generator that merges with nothing',
    { 'kustomization.yaml': 'configMapGenerator: [{name: a, behavior: merge}]' },
    '',
    'does not exist; cannot merge or replace',
  ],
])('a kustomization of %s is refused', (_what, files, at, problem) => {
  expect(() => build(files, at)).toThrow(problem);
});

test('no link leads out of the folder', () => {
  const folder = join(place, 'links');
  mkdirSync(folder);
  writeFileSync(join(place, 'secret'), 'x');
  symlinkSync('../secret', join(folder, 'link'));
  writeFileSync(join(folder, 'kustomization.yaml'), 'secretGenerator: [{name: s, files: [link]}]');
  expect(() => buildKustomization(folder, () => {})).toThrow('is not in or below');
});
