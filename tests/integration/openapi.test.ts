/** The schemas that the server publishes, used as a tool of somebody else's would: every manifest validates, broken ones do not. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import { loadAll } from 'js-yaml';
import { beforeAll, expect, test } from 'vitest';
import { createDocumentProvider } from '#pkg/apiserver/discovery/provider.ts';
import { startTestServer } from '#pkg/apiserver/testing/test-server.ts';
import { root } from '#tests/tidy/source-files.ts';

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly [field: string]: unknown;
}

interface Schema {
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[];
}

const validators = new Map<string, ValidateFunction>();

/** One document holds a group and version; its schemas refer to each other. */
beforeAll(async () => {
  const server = await startTestServer({ documents: createDocumentProvider });
  for (const path of ['api/v1', 'apis/apps/v1']) {
    const { status, body } = await server.call('GET', `/openapi/v3/${path}`);
    expect(status).toBe(200);
    const ajv = new Ajv({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: path, components: body.components });
    for (const [name, schema] of Object.entries<Schema>(body.components.schemas)) {
      for (const { group, version, kind } of schema['x-kubernetes-group-version-kind'] ?? []) {
        const apiVersion = group === '' ? version : `${group}/${version}`;
        const key = `${apiVersion} ${kind}`;
        if (!validators.has(key)) validators.set(key, ajv.compile({ $ref: `${path}#/components/schemas/${name}` }));
      }
    }
  }
});

function manifests(): readonly { readonly file: string; readonly object: Manifest }[] {
  const folder = join(root, 'manifests');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.yaml'));
  return files.flatMap((file) => {
    const objects = loadAll(readFileSync(join(folder, file), 'utf8')) as (Manifest | null)[];
    return objects.filter((object) => object !== null).map((object) => ({ file, object }));
  });
}

function check(object: Manifest): unknown {
  const validate = validators.get(`${object.apiVersion} ${object.kind}`);
  if (validate === undefined) return `no schema for ${object.apiVersion} ${object.kind}`;
  return validate(object) ? undefined : validate.errors;
}

test('every manifest is valid by the published schemas', () => {
  const covered = manifests().filter(({ object }) => /^(v1|apps\/v1)$/.test(object.apiVersion));
  expect(covered.length).toBeGreaterThan(20);
  for (const { file, object } of covered) expect(check(object), `${file} ${object.kind}`).toBeUndefined();
});

test.each([
  ['a number for a name', { apiVersion: 'v1', kind: 'Pod', metadata: { name: 5 } }],
  ['a container without a name', { apiVersion: 'v1', kind: 'Pod', spec: { containers: [{ image: 'x' }] } }],
  ['replicas as text', { apiVersion: 'apps/v1', kind: 'ReplicaSet', spec: { replicas: 'three', selector: {} } }],
  ['a list for a map', { apiVersion: 'v1', kind: 'ConfigMap', data: ['a'] }],
])('%s is refused', (_, object) => {
  expect(check(object)).toEqual(expect.arrayContaining([expect.objectContaining({ keyword: expect.any(String) })]));
});
