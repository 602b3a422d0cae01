import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { configMaps } from '#pkg/api/types/refs.ts';
import { startTestCluster } from './cluster.ts';

async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-manifests-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

const map = (name: string, namespace: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, namespace: ${namespace}}\n`;

test('manifests of files and folders are there when the cluster is', async () => {
  const folder = await folderWith({
    '1.yaml': `apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n${map('a', 'shop')}`,
    '2.json': JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'b', namespace: 'shop' } }),
    'notes.txt': 'not a manifest',
  });
  const other = await folderWith({ 'other.yaml': map('c', 'shop') });
  const cluster = await startTestCluster({ nodes: 0, manifests: [folder, join(other, 'other.yaml')] });
  const { items } = await cluster.client.resource(configMaps).list({ namespace: 'shop' });
  await cluster.stop();
  expect(items.map(({ metadata }) => metadata?.name)).toEqual(expect.arrayContaining(['a', 'b', 'c']));
});

test.each<[string, string, RegExp]>([
  ['no YAML', 'a: [', /cannot be read: error parsing .*bad.yaml/],
  [
    'a key twice',
    'apiVersion: v1\nkind: ConfigMap\nkind: Secret\nmetadata: {name: a}\n',
    /cannot be read: .*bad.yaml.*kind/s,
  ],
  ['an unknown kind', 'apiVersion: v1\nkind: Colour\nmetadata: {name: a}\n', /there is no such resource/],
  ['no name', 'apiVersion: v1\nkind: ConfigMap\n', /has no name/],
])('a manifest with %s is refused', async (_, text, message) => {
  const folder = await folderWith({ 'bad.yaml': text });
  await expect(startTestCluster({ nodes: 0, manifests: [folder] })).rejects.toThrow(message);
});

const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: colours.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {plural: colours, kind: Colour}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {red: {type: integer}}}}}]
`;

test.each([false, true])('definitions come first, and objects of theirs can follow (listening: %s)', async (listen) => {
  const folder = await folderWith({ 'crd.yaml': crd });
  const objects = await folderWith({
    'a.yaml': 'apiVersion: example.com/v1\nkind: Colour\nmetadata: {name: a}\nred: 255\n',
  });
  const options = { nodes: 0, controllers: [], crds: [folder], manifests: [objects] };
  const cluster = listen ? await startTestCluster({ ...options, listen }) : await startTestCluster(options);
  const ref = { group: 'example.com', version: 'v1', resource: 'colours', kind: 'Colour', namespaced: false };
  const { items } = await cluster.client.resource(ref).list();
  await cluster.stop();
  expect(items).toMatchObject([{ metadata: { name: 'a' }, red: 255 }]);
});

test('a path that is not there is refused', async () => {
  await expect(startTestCluster({ manifests: ['/nowhere/at/all'] })).rejects.toThrow(
    'the path "/nowhere/at/all" does not exist',
  );
});
