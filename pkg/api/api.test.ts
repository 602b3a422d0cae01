import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ObjectSchema } from '#pkg/apimachinery/schema.ts';
import { kindFacts, typeFacts, typeSchema } from './facts.ts';
import { generatedFiles } from './generate/types.ts';
import { pluralOf, resourceInfo, resourceOfKind, resources } from './resources.ts';

test('the generated files are what the table of API facts gives', () => {
  const folder = join(import.meta.dirname, 'types');
  const wanted = generatedFiles();
  expect(readdirSync(folder).sort()).toEqual([...wanted.keys()].sort());
  for (const [name, text] of wanted) expect(readFileSync(join(folder, name), 'utf8'), name).toBe(text);
});

test('every type compiles, inline members merged', () => {
  for (const name of Object.keys(typeFacts)) expect([...typeSchema(name).fields.keys()], name).not.toContain(undefined);
  const pod = typeSchema('io.k8s.api.core.v1.Pod');
  expect([...pod.fields.keys()]).toEqual(['kind', 'apiVersion', 'metadata', 'spec', 'status']);
});

test('lists carry their merge rules', () => {
  const spec = typeSchema('io.k8s.api.core.v1.PodSpec');
  const containers = spec.fields.get('containers')!;
  expect(containers).toMatchObject({ required: true, patchStrategies: ['merge'], patchMergeKey: 'name' });
  expect(containers.schema).toMatchObject({ type: 'list', listType: 'map', mapKeys: ['name'] });
  const container = (containers.schema as { of: ObjectSchema }).of;
  expect(container.fields.get('ports')!.schema).toMatchObject({ mapKeys: ['containerPort', 'protocol'] });
});

test('a JSON form with several shapes is any value', () => {
  const props = typeSchema('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps');
  expect(props.fields.get('items')!.schema).toEqual({ type: 'any' });
});

test.each([
  ['Pod', 'pods'],
  ['Endpoints', 'endpoints'],
  ['NetworkPolicy', 'networkpolicies'],
  ['Ingress', 'ingresses'],
  ['StorageClass', 'storageclasses'],
  ['IPAddress', 'ipaddresses'],
])('the plural of %s is %s', (kind, plural) => {
  expect(pluralOf(kind)).toBe(plural);
});

test('every kind with a resource has one, under its own name', () => {
  const kinds = Object.values(kindFacts).filter((fact) => fact.client && !fact.noVerbs);
  for (const fact of kinds) {
    const apiVersion = fact.group === '' ? fact.version : `${fact.group}/${fact.version}`;
    const info = resourceOfKind(apiVersion, fact.kind);
    expect(info?.namespaced, `${apiVersion} ${fact.kind}`).toBe(fact.namespaced);
  }
  expect(new Set(resources.map((info) => `${info.group}/${info.version}/${info.resource}`)).size).toBe(
    resources.length,
  );
});

test('deployments have the names and subresources of upstream', () => {
  expect(resourceInfo({ group: 'apps', version: 'v1', resource: 'deployments' })).toMatchObject({
    kind: 'Deployment',
    singular: 'deployment',
    namespaced: true,
    shortNames: ['deploy'],
    categories: ['all'],
    subresources: [
      { name: 'scale', group: 'autoscaling', version: 'v1', kind: 'Scale' },
      { name: 'status', group: 'apps', version: 'v1', kind: 'Deployment' },
    ],
  });
});
