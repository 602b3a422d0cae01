/**
 * What it takes to add a resource, a second version of one, and a subresource of each sort: one entry each, in one table. Each is really added here,
 * and served.
 */
import { expect, test } from 'vitest';
import { builtInDefinitions } from '#pkg/apiserver/built-in.ts';
import type { Converter } from '#pkg/apiserver/converters/converter.ts';
import { createDocumentProvider } from '#pkg/apiserver/discovery/provider.ts';
import { objectResponse } from '#pkg/apiserver/responses.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { type StructuralVersion, structuralDefinition } from '#pkg/apiserver/structural-definition.ts';
import { startTestServer } from '#pkg/apiserver/testing/test-server.ts';
import { strategies } from '#pkg/registry/table.ts';

const textOf = (field: string) => ({
  type: 'object',
  properties: { spec: { type: 'object', properties: { [field]: { type: 'string' } } } },
});
const first: StructuralVersion = { name: 'v1', served: true, storage: true, schema: textOf('text') };
const renamed = (from: string, to: string, version: string) => (object: object) => {
  const { spec, ...rest } = object as { spec: Record<string, unknown> };
  return { ...rest, apiVersion: `tidy.example/${version}`, spec: { [to]: spec[from] } };
};
const converter: Converter = { toStored: renamed('words', 'text', 'v1'), fromStored: renamed('text', 'words', 'v2') };
const second: StructuralVersion = { name: 'v2', served: true, storage: false, schema: textOf('words'), converter };

const notes = (...versions: readonly StructuralVersion[]) =>
  structuralDefinition({
    group: 'tidy.example',
    names: { plural: 'notes', kind: 'Note' },
    scope: 'Cluster',
    versions,
  });
const path = (version: string): string => `/apis/tidy.example/${version}/notes`;
const note = { object: { metadata: { name: 'a' }, spec: { text: 'hello' } } };

test('a resource is an entry in the table of definitions', async () => {
  const { call } = await startTestServer({ documents: createDocumentProvider, definitions: [notes(first)] });
  expect((await call('POST', path('v1'), note)).status).toBe(201);
  const { body } = await call('GET', '/apis/tidy.example/v1');
  expect(body.resources.map((one: { name: string }) => one.name)).toEqual(['notes']);
});

test('a second version is an entry in the versions of its resource', async () => {
  const { call } = await startTestServer({ documents: createDocumentProvider, definitions: [notes(first, second)] });
  await call('POST', path('v1'), note);
  const { body } = await call('GET', `${path('v2')}/a`);
  expect([body.apiVersion, body.spec]).toEqual(['tidy.example/v2', { words: 'hello' }]);
  const { status } = await call('PUT', `${path('v2')}/a`, { object: { ...body, spec: { words: 'bye' } } });
  expect([status, (await call('GET', `${path('v1')}/a`)).body.spec]).toEqual([200, { text: 'bye' }]);
});

const kind = { group: '', version: 'v1', kind: 'Salute' };
const salute: Partial<Strategy> = {
  creates: { salute: { kind, create: ({ info }) => objectResponse(201, { to: info.parts[1] }) } },
};
const call = ({ info }: { readonly info: { readonly parts: readonly string[] } }) =>
  ({ status: 200, headers: {}, body: { kind: 'bytes', bytes: Buffer.from(info.parts.slice(3).join('/')) } }) as const;
const connected: Partial<Strategy> = {
  connects: { phone: { kind, verbs: ['get'], takesPath: true, connect: call } },
};
const renews: Partial<Strategy> = {
  subresources: {
    renewal: {
      verbs: ['get', 'update', 'patch'],
      prepareForUpdate: (draft, old) =>
        Object.assign(draft, { data: { ...(old as { data?: object }).data, renewed: 'yes' } }),
    },
  },
};

test.each([
  ['create', salute, 'POST', 'salute', {}, 201, '{"to":"a"}'],
  ['connect', connected, 'GET', 'phone/far/away', undefined, 200, 'far/away'],
  ['read and write', renews, 'PATCH', 'renewal', { data: { ignored: 'x' } }, 200, '"data":{"renewed":"yes"}'],
] as const)(
  'a subresource to %s is an entry in the rules of its resource',
  async (_sort, entry, method, sub, body, status, text) => {
    const rules = strategies.find(({ resource }) => resource === 'configmaps')!;
    const server = await startTestServer({ documents: createDocumentProvider, strategies: [{ ...rules, ...entry }] });
    const maps = '/api/v1/namespaces/default/configmaps';
    await server.call('POST', maps, { object: { metadata: { name: 'a' } } });
    const headers = { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' };
    const sent = body === undefined ? {} : { headers, text: JSON.stringify(body) };
    const answer = await server.call(method, `${maps}/a/${sub}`, sent);
    expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(text)]);
    const { resources } = (await server.call('GET', '/api/v1')).body;
    const names = resources.map((one: { name: string }) => one.name);
    expect(names).toContain(`configmaps/${sub.split('/')[0]}`);
  },
);

test.each([
  [[strategies[0]!, strategies[0]!], 'Cannot serve pods as its rules are there twice'],
  [[{ group: 'apps', resource: 'widgets' }], 'Cannot serve widgets.apps as the API has no such resource'],
])('rules that are there twice, or of what does not exist, are refused', (table, message) => {
  expect(() => builtInDefinitions({ strategies: table, runtimeConfig: {} })).toThrow(message);
});
