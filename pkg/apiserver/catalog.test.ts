/** Definitions that come and go while the server runs. */
import { beforeEach, describe, expect, test } from 'vitest';
import { DefinitionError } from './definition.ts';
import { createDocumentProvider } from './discovery/provider.ts';
import { scaleAt, structuralDefinition } from './structural-definition.ts';
import { type CallOptions, startTestServer, type TestServer } from './testing/test-server.ts';

const schema = {
  type: 'object',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        size: { type: 'string', description: 'How large it is.' },
        replicas: { type: 'integer', format: 'int32', default: 1 },
        parts: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: { type: 'object', properties: { name: { type: 'string' }, value: { type: 'string' } } },
        },
      },
    },
    status: { type: 'object', properties: { replicas: { type: 'integer' }, selector: { type: 'string' } } },
  },
};
const subresources = {
  status: {},
  scale: scaleAt({
    specReplicasPath: '.spec.replicas',
    statusReplicasPath: '.status.replicas',
    labelSelectorPath: '.status.selector',
  }),
};
const spec = {
  group: 'example.com',
  names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'], categories: ['all'] },
  scope: 'Namespaced',
  versions: [
    { name: 'v1', served: true, storage: true, schema, subresources },
    { name: 'v1beta1', served: true, storage: false, schema, subresources, deprecated: true },
  ],
} as const;
const widgets = structuralDefinition(spec);
const name = { group: 'example.com', resource: 'widgets' };
const path = '/apis/example.com/v1/namespaces/default/widgets';

let server: TestServer;
const call = (method: string, target: string, options?: CallOptions) => server.call(method, target, options);
const patch = (type: string, body: unknown, target = `${path}/a`) =>
  call('PATCH', target, { headers: { 'content-type': type }, text: JSON.stringify(body) });

beforeEach(async () => {
  server = await startTestServer({ documents: createDocumentProvider });
});

describe('a definition from data, added to a running server', () => {
  beforeEach(async () => {
    server.server.resources.add(widgets);
    const { status } = await call('POST', path, { object: { metadata: { name: 'a' }, spec: { size: 'l' } } });
    expect(status).toBe(201);
  });

  test('is created with defaults, read, listed, and written again', async () => {
    const { body } = await call('GET', `${path}/a`);
    expect(body).toMatchObject({ kind: 'Widget', apiVersion: 'example.com/v1', spec: { size: 'l', replicas: 1 } });
    const updated = await call('PUT', `${path}/a`, { object: { ...body, spec: { size: '', replicas: 2 } } });
    expect([updated.body.spec, updated.body.metadata.generation]).toEqual([{ size: '', replicas: 2 }, 2]);
    const list = await call('GET', path);
    expect([list.body.kind, list.body.items.length]).toEqual(['WidgetList', 1]);
    const [deleted, left] = [await call('DELETE', `${path}/a`), await call('GET', path)];
    expect([deleted.status, left.body.items]).toEqual([200, []]);
  });

  test('is patched in every form but the one that types are needed for', async () => {
    expect((await patch('application/merge-patch+json', { spec: { size: 'm' } })).body.spec.size).toBe('m');
    const operation = [{ op: 'replace', path: '/spec/size', value: 's' }];
    expect((await patch('application/json-patch+json', operation)).body.spec.size).toBe('s');
    const strategic = await patch('application/strategic-merge-patch+json', { spec: { size: 'x' } });
    expect([strategic.status, strategic.body.message]).toEqual([
      415,
      'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
    ]);
  });

  test('is applied, its lists merged by their keys', async () => {
    const applied = (manager: string, part: string) =>
      patch(
        'application/apply-patch+yaml',
        { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'a' }, spec: { parts: [{ name: part }] } },
        `${path}/a?fieldManager=${manager}`,
      );
    await applied('one', 'x');
    expect((await applied('two', 'y')).body.spec.parts).toEqual([{ name: 'x' }, { name: 'y' }]);
  });

  test('has a status and a scale', async () => {
    const status = await patch(
      'application/merge-patch+json',
      { status: { replicas: 3, selector: 'a=b' } },
      `${path}/a/status`,
    );
    expect([status.body.status, status.body.metadata.generation]).toEqual([{ replicas: 3, selector: 'a=b' }, 1]);
    const scaled = await patch('application/merge-patch+json', { spec: { replicas: 7 } }, `${path}/a/scale`);
    expect(scaled.body).toMatchObject({
      kind: 'Scale',
      spec: { replicas: 7 },
      status: { replicas: 3, selector: 'a=b' },
    });
    expect((await call('GET', `${path}/a`)).body).toMatchObject({ spec: { replicas: 7 }, metadata: { generation: 2 } });
  });

  test('is shown as a table and as metadata alone', async () => {
    const accept = (as: string) => ({ headers: { accept: `application/json;as=${as};v=v1;g=meta.k8s.io` } });
    const table = await server.raw('GET', path, accept('Table'));
    expect(table.body).toMatchObject({ object: { kind: 'Table', rows: [{ cells: ['a', expect.any(String)] }] } });
    const metadata = await server.raw('GET', `${path}/a`, accept('PartialObjectMetadata'));
    expect(metadata.body).toMatchObject({ object: { kind: 'PartialObjectMetadata', metadata: { name: 'a' } } });
  });

  test('is refused where its structure is not kept', async () => {
    const post = (object: object) => call('POST', `${path}?fieldValidation=Strict`, { object });
    expect((await post({ metadata: { name: 'b' }, spec: {} })).body.message).toBe(
      'Widget.example.com "b" is invalid: spec.size: Required value',
    );
    expect((await post({ metadata: { name: 'b' }, spec: { size: 'l', colour: 1 } })).body.message).toContain(
      'unknown field "spec.colour"',
    );
    expect((await post({ metadata: { name: 'b' }, spec: { size: 1 } })).body.message).toBe(
      'Widget.example.com "b" is invalid: spec.size: Invalid value: "integer": spec.size in body must be of type string: "integer"',
    );
    expect((await post({ metadata: { name: 'b' }, spec: { size: 'l', parts: { a: 1 } } })).body.message).toBe(
      'Widget.example.com "b" is invalid: spec.parts: Invalid value: "object": spec.parts in body must be of type array: "object"',
    );
  });

  test('is the same object in its other version, of which clients are warned', async () => {
    const { body, headers } = await call('GET', `${path.replace('/v1/', '/v1beta1/')}/a`);
    expect([body.apiVersion, body.spec.size, headers.warning]).toEqual([
      'example.com/v1beta1',
      'l',
      '299 - "example.com/v1beta1 Widget is deprecated"',
    ]);
  });

  test('is deleted with its collection', async () => {
    await call('POST', path, { object: { metadata: { name: 'b' }, spec: { size: 's' } } });
    expect((await call('DELETE', path)).body.items.length).toBe(2);
    expect((await call('GET', path)).body.items).toEqual([]);
  });

  test('ends with its watches, and what is stored is there again when it comes back', async () => {
    const watch = await server.watch(`${path}?watch=1`);
    expect(await watch.next()).toEqual(['ADDED a']);
    const next = watch.next();
    expect(server.server.resources.remove(name)).toBe(true);
    expect(await next).toEqual([]);
    expect((await call('GET', `${path}/a`)).status).toBe(404);
    expect((await call('GET', `${path}?watch=1`)).status).toBe(404);
    expect(server.server.resources.remove(name)).toBe(false);
    server.server.resources.add(widgets);
    expect((await call('GET', `${path}/a`)).body.spec.size).toBe('l');
  });
});

test('discovery and OpenAPI follow what is served', async () => {
  const { resources } = server.server;
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const jsonOf = async (target: string, headers = {}) => {
    const { status, body } = await server.raw('GET', target, { headers });
    if (body.kind === 'empty' || body.kind === 'watch' || status !== 200) return undefined;
    // biome-ignore lint/suspicious/noExplicitAny: documents of every shape.
    return (body.kind === 'object' ? body.object : JSON.parse(Buffer.from((body as any).bytes).toString())) as any;
  };
  const state = async () => {
    const group = (await jsonOf('/apis', { accept })).items.find(
      ({ metadata }: { metadata: { name: string } }) => metadata.name === 'example.com',
    );
    const names = (await jsonOf('/apis/example.com/v1'))?.resources.map((one: { name: string }) => one.name);
    const hash = (await jsonOf('/openapi/v3')).paths['apis/example.com/v1']?.serverRelativeURL as string | undefined;
    const v3 = (await jsonOf('/openapi/v3/apis/example.com/v1'))?.components.schemas['com.example.v1.Widget'];
    const v2 = (await jsonOf('/openapi/v2')).definitions['com.example.v1.WidgetList'];
    return { group, names, hash, v3, v2 };
  };
  const nothing = { group: undefined, names: undefined, hash: undefined, v3: undefined, v2: undefined };
  expect(await state()).toEqual(nothing);
  resources.add(widgets);
  const there = await state();
  expect(there.group.versions[0].resources[0]).toMatchObject({
    resource: 'widgets',
    shortNames: ['wd'],
    categories: ['all'],
    responseKind: { kind: 'Widget' },
    subresources: [{ subresource: 'scale' }, { subresource: 'status' }],
  });
  expect(there.names).toEqual(['widgets', 'widgets/scale', 'widgets/status']);
  expect(there.v3.properties.spec.properties.size).toEqual({ type: 'string', description: 'How large it is.' });
  expect(there.v3['x-kubernetes-group-version-kind']).toEqual([
    { group: 'example.com', version: 'v1', kind: 'Widget' },
  ]);
  expect(there.v2.properties.items).toEqual({
    type: 'array',
    description: expect.stringContaining('List of widgets.'),
    items: { $ref: '#/definitions/com.example.v1.Widget' },
  });
  resources.remove(name);
  expect(await state()).toEqual(nothing);
  const { description: _, ...size } = schema.properties.spec.properties.size;
  const { spec: specification, status } = schema.properties;
  const changed = {
    ...schema,
    properties: { status, spec: { ...specification, properties: { ...specification.properties, size } } },
  };
  resources.add(structuralDefinition({ ...spec, versions: [{ ...spec.versions[0], schema: changed }] }));
  expect((await state()).hash).not.toBe(there.hash);
});

const other = (names: object, group = 'example.com') =>
  structuralDefinition({ ...spec, group, names: { ...spec.names, ...names } });

test.each([
  [widgets, 'Cannot serve widgets.example.com as it is served already'],
  [
    other({ plural: 'others', kind: 'Other' }),
    'Cannot serve others.example.com as the name wd belongs to widgets.example.com',
  ],
  [
    other({ plural: 'others', shortNames: [], singular: 'other' }),
    'Cannot serve others.example.com as the kind Widget belongs to widgets.example.com',
  ],
  [
    structuralDefinition({ ...spec, group: 'x.io', versions: [] as never }),
    'Cannot serve widgets.x.io as none of its versions is served',
  ],
  [
    structuralDefinition({ ...spec, group: 'x.io', versions: [spec.versions[0], spec.versions[0]] }),
    'Cannot serve widgets.x.io as it has version v1 twice',
  ],
])('a definition that cannot be is refused, and changes nothing', async (definition, message) => {
  const { resources } = server.server;
  resources.add(widgets);
  expect(() => resources.add(definition)).toThrow(new DefinitionError(message));
  expect((await call('GET', path)).status).toBe(200);
  expect((await call('GET', '/apis/x.io/v1/namespaces/default/widgets')).status).toBe(404);
});
