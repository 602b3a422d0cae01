/** Imports go down only. DESIGN: layers; the table here is the map, and a broken rule is named in the failure. */
import { expect, test } from 'vitest';
import { type SourceFile, sourceFiles } from './source-files.ts';

/** Layer of each folder; the longest prefix counts. */
const layers: Readonly<Record<string, number>> = {
  'pkg/base/': 0,
  'pkg/apimachinery/': 1,
  'pkg/api/': 1,
  'pkg/cel/': 1,
  'pkg/vmm/': 1,
  'pkg/grpc/': 1,
  'pkg/pki/': 1,
  'pkg/storage/': 2,
  'pkg/images/': 2,
  'pkg/client/': 2,
  'pkg/network/': 2,
  'pkg/component/': 2,
  'pkg/faults/': 2,
  'pkg/serving/': 2,
  'pkg/apiserver/': 3,
  'pkg/registry/': 4,
  'pkg/controllers/': 4,
  'pkg/controllers/nodepool/': 4,
  'pkg/scheduler/': 4,
  'pkg/kubelet/': 4,
  'pkg/proxy/': 4,
  'pkg/dns/': 4,
  'pkg/pipeline/': 4,
  'pkg/cluster/': 5,
  'pkg/replay/': 5,
  'pkg/testing/': 5,
  'pkg/entry/': 5,
  'pkg/kubectl/': 5,
  'pkg/dashboard/': 5,
  'pkg/docker/': 5,
  'pkg/addons/': 5,
  'cmd/': 5,
};

/** Imports between siblings of a layer that the map allows: from -> to. */
const siblings: readonly (readonly [string, string])[] = [
  ['pkg/api/', 'pkg/apimachinery/'],
  ['pkg/pki/', 'pkg/apimachinery/'],
  ['pkg/grpc/', 'pkg/apimachinery/'],
  ['pkg/cel/', 'pkg/apimachinery/'],
  ['pkg/component/', 'pkg/client/'],
  ['pkg/controllers/', 'pkg/controllers/nodepool/'],
  ['pkg/controllers/nodepool/', 'pkg/controllers/'],
  // It reckons as the scheduler decides (`pkg/scheduler/offline`); the two still meet only through the API.
  ['pkg/controllers/nodepool/', 'pkg/scheduler/'],
  ['pkg/cluster/', 'pkg/testing/'],
  ['pkg/testing/', 'pkg/cluster/'],
  ['pkg/entry/', 'pkg/cluster/'],
  ['pkg/entry/', 'pkg/testing/'],
  ['cmd/', 'pkg/kubectl/'],
  ['cmd/', 'pkg/dashboard/'],
  ['cmd/', 'pkg/docker/'],
  ['pkg/dashboard/', 'pkg/kubectl/'],
  ['pkg/testing/', 'pkg/kubectl/'],
  ['cmd/', 'pkg/addons/'],
  ['cmd/', 'pkg/cluster/'],
  ['cmd/', 'pkg/testing/'],
  ['cmd/', 'pkg/replay/'],
  ['pkg/replay/', 'pkg/cluster/'],
  ['pkg/replay/', 'pkg/testing/'],
];

/** Never, whatever the layers say: components meet only through the API. */
const forbidden: readonly (readonly [from: RegExp, to: RegExp, rule: string])[] = [
  [
    /^pkg\/(controllers|scheduler|kubelet|proxy|dns|pipeline)\//,
    /^pkg\/(apiserver|storage|registry)\//,
    'components meet only through the API',
  ],
  [
    /^pkg\/(base|api|apimachinery|vmm|proxy\/model|scheduler\/plugins)\//,
    /^node:(?!crypto$|buffer$|util$|zlib$)/,
    'base, api, apimachinery, vmm, proxy/model and scheduler/plugins are pure: no I/O',
  ],
  [/^pkg\//, /^cmd\//, 'only cmd knows cmd'],
  [/^pkg\/(?!testing\/)/, /^tests\//, 'nothing depends on tests'],
];

/** The folder of the table that a path belongs to. */
function folderOf(path: string): string | undefined {
  return Object.keys(layers)
    .filter((prefix) => path.startsWith(prefix))
    .sort((a, b) => b.length - a.length)[0];
}

function breaches(file: SourceFile): readonly string[] {
  const from = folderOf(file.path);
  if (from === undefined) return [];
  return file.imports.flatMap((target) => {
    const rule = forbidden.find(([fromPattern, toPattern]) => fromPattern.test(file.path) && toPattern.test(target));
    if (rule !== undefined) return [`${file.path} imports ${target}: ${rule[2]}`];
    const to = folderOf(target);
    if (to === undefined || to === from) return [];
    if (layers[to]! < layers[from]!) return [];
    if (siblings.some(([a, b]) => a === from && b === to)) return [];
    return [`${file.path} (L${layers[from]}) imports ${target} (L${layers[to]}): imports go down only`];
  });
}

/** The generator of types writes files; it is a tool beside the pure code. */
const tools = /\/generate\/main\.ts$/;

test('imports keep to the layers', () => {
  const files = sourceFiles().filter((file) => !file.isTest && !tools.test(file.path));
  expect(files.length).toBeGreaterThan(10);
  expect(files.flatMap(breaches)).toEqual([]);
});

test('every folder below pkg has a place in the map', () => {
  const unknown = sourceFiles().filter((file) => file.path.startsWith('pkg/') && folderOf(file.path) === undefined);
  expect(unknown.map((file) => file.path)).toEqual([]);
});

test.each([
  ['pkg/base/x.ts', ['pkg/api/facts.ts'], 'imports go down only'],
  ['pkg/controllers/x.ts', ['pkg/storage/store.ts'], 'components meet only through the API'],
  ['pkg/apimachinery/x.ts', ['node:fs'], 'are pure'],
  ['pkg/kubelet/x.ts', ['pkg/scheduler/y.ts'], 'imports go down only'],
])('a broken rule is found: %s', (path, imports, rule) => {
  expect(breaches({ path, imports, text: '', isTest: false }).join()).toContain(rule);
});
