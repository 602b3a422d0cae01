/** Custom resources, from their definitions to their end, as clients meet them. */
import { expect, test } from 'vitest';
import { apiForEachTest } from './testing-api.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers of every shape.
type Body = any;

const api = apiForEachTest();

async function call(method: string, target: string, sent?: unknown, headers: Record<string, string> = {}) {
  const { body, ...answer } = await api.call(method, target, sent, headers);
  const json: Body = body;
  return { ...answer, body: json };
}

const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const foos = '/apis/example.com/v1/namespaces/default/foos';

const schema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        size: { type: 'string', enum: ['s', 'm', 'l'] },
        replicas: { type: 'integer', minimum: 0, maximum: 10, default: 1 },
        name: { type: 'string', pattern: '^[a-z]+$', maxLength: 5, nullable: true },
        ports: {
          type: 'array',
          maxItems: 2,
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['port'],
          items: { type: 'object', required: ['port'], properties: { port: { type: 'integer' } } },
        },
        any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        limit: { 'x-kubernetes-int-or-string': true },
        labels: { type: 'object', additionalProperties: { type: 'string' } },
      },
      oneOf: [{ required: ['size'] }, { required: ['other'] }],
    },
    status: { type: 'object', properties: { phase: { type: 'string' }, replicas: { type: 'integer' } } },
  },
};

const version = (name: string, more: object = {}) => ({
  name,
  served: true,
  storage: name === 'v1',
  schema: { openAPIV3Schema: schema },
  ...more,
});

const definition = (spec: object = {}, names: object = {}) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'foos.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'foos', kind: 'Foo', shortNames: ['fo'], ...names },
    versions: [version('v1')],
    ...spec,
  },
});

const foo = (spec: object, name = 'a') => ({ metadata: { name }, spec });
const conditionsOf = ({ body }: { body: Body }) =>
  (body.status.conditions ?? []).map(({ type, status, reason }: Body) => `${type}=${status} ${reason}`);

test('a definition is established as soon as it is made, and what it defines is served', async () => {
  expect((await call('GET', foos)).status).toBe(404);
  expect((await call('POST', crds, definition())).status).toBe(201);
  const crd = await call('GET', `${crds}/foos.example.com`);
  expect(conditionsOf(crd)).toEqual(['NamesAccepted=True NoConflicts', 'Established=True InitialNamesAccepted']);
  expect(crd.body.status.acceptedNames).toEqual({
    plural: 'foos',
    singular: 'foo',
    shortNames: ['fo'],
    kind: 'Foo',
    listKind: 'FooList',
  });
  expect(crd.body.status.storedVersions).toEqual(['v1']);
  const made = await call('POST', foos, foo({ size: 's', unknown: 1, any: { x: [1] } }));
  expect([made.status, made.body.spec]).toEqual([201, { size: 's', any: { x: [1] }, replicas: 1 }]);
  expect((await call('GET', foos)).body).toMatchObject({ kind: 'FooList', items: [{ metadata: { name: 'a' } }] });
});

test.each<[what: string, spec: object, messages: readonly string[]]>([
  [
    'a value of another type',
    { size: 's', replicas: 'x' },
    ['spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"'],
  ],
  [
    'a missing field',
    { replicas: 1 },
    [
      'spec.size: Required value',
      '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid',
    ],
  ],
  [
    'another word than the allowed',
    { size: 'x' },
    ['spec.size: Unsupported value: "x": supported values: "s", "m", "l"'],
  ],
  [
    'a number beyond',
    { size: 's', replicas: 11 },
    ['spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10'],
  ],
  [
    'a number below',
    { size: 's', replicas: -1 },
    ['spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0'],
  ],
  [
    'a text that is too long and does not match',
    { size: 's', name: 'ABCDEF' },
    [
      'spec.name: Too long: may not be more than 5 bytes',
      `spec.name: Invalid value: "ABCDEF": spec.name in body should match '^[a-z]+$'`,
    ],
  ],
  [
    'too many items, one without its key',
    { size: 's', ports: [{ port: 1 }, {}, { port: 2 }] },
    ['spec.ports: Too many: 3: must have at most 2 items', 'spec.ports[1].port: Required value'],
  ],
  ['an item twice', { size: 's', ports: [{ port: 1 }, { port: 1 }] }, ['spec.ports[1]: Duplicate value: {"port":1}']],
  [
    'a null that may not be',
    { size: null },
    ['spec.size: Invalid value: "null": spec.size in body must be of type string: "null"'],
  ],
  [
    'a list for an object',
    { size: 's', labels: [] },
    ['spec.labels: Invalid value: "array": spec.labels in body must be of type object: "array"'],
  ],
  [
    'a map with a value of another type',
    { size: 's', labels: { a: 1 } },
    ['spec.labels.a: Invalid value: "integer": spec.labels.a in body must be of type string: "integer"'],
  ],
  [
    'neither a number nor a text',
    { size: 's', limit: true },
    ['spec.limit: Invalid value: "boolean": spec.limit in body must be of type integer,string: "boolean"'],
  ],
])('%s is refused', async (_what, spec, messages) => {
  await call('POST', crds, definition());
  const { status, body } = await call('POST', foos, foo(spec));
  const causes = (body.details?.causes ?? []).map(({ field, message }: Body) => `${field}: ${message}`);
  expect([status, body.reason, causes.toSorted()]).toEqual([422, 'Invalid', messages.toSorted()]);
});

test('null is kept where it may be, and otherwise gives way to a default', async () => {
  await call('POST', crds, definition());
  const { body } = await call('POST', foos, foo({ size: 's', name: null, replicas: null, limit: '10%' }));
  expect(body.spec).toEqual({ size: 's', name: null, replicas: 1, limit: '10%' });
});

test('what was there before a rule became stricter may stay (ratcheting)', async () => {
  await call('POST', crds, definition());
  await call('POST', foos, foo({ size: 'l', ports: [{ port: 70_000 }] }));
  const stricter = structuredClone(definition()) as Body;
  const { properties } = stricter.spec.versions[0].schema.openAPIV3Schema.properties.spec;
  properties.size.enum = ['s'];
  properties.ports.items.properties.port.maximum = 65_535;
  const spec = { versions: stricter.spec.versions };
  expect((await call('PATCH', `${crds}/foos.example.com`, { spec })).status).toBe(200);
  const kept = await call('PATCH', `${foos}/a`, { spec: { replicas: 2, ports: [{ port: 70_000 }, { port: 80 }] } });
  expect([kept.status, kept.body.spec?.replicas]).toEqual([200, 2]);
  expect((await call('PATCH', `${foos}/a`, { spec: { size: 'm' } })).status).toBe(422);
  expect((await call('POST', foos, foo({ size: 'l' }, 'b'))).status).toBe(422);
});

test('status and scale are subresources where the version says so', async () => {
  const scale = { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' };
  await call('POST', crds, definition({ versions: [version('v1', { subresources: { status: {}, scale } })] }));
  const made = await call('POST', foos, { ...foo({ size: 's', replicas: 3 }), status: { phase: 'x' } });
  expect([made.body.status, made.body.metadata.generation]).toEqual([undefined, 1]);
  const told = await call('PATCH', `${foos}/a/status`, { status: { phase: 'On', replicas: 3 }, spec: { size: 'l' } });
  expect([told.body.status.phase, told.body.spec.size, told.body.metadata.generation]).toEqual(['On', 's', 1]);
  expect((await call('PATCH', `${foos}/a/status`, { status: { phase: 1 } })).status).toBe(422);
  const scaled = await call('PATCH', `${foos}/a/scale`, { spec: { replicas: 5 } });
  expect(scaled.body).toMatchObject({ kind: 'Scale', spec: { replicas: 5 }, status: { replicas: 3 } });
  expect((await call('GET', `${foos}/a`)).body.metadata.generation).toBe(2);
});

test('printer columns are what a table shows', async () => {
  const additionalPrinterColumns = [
    { name: 'Size', type: 'string', jsonPath: '.spec.size', description: 'How large' },
    { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas', priority: 1 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ];
  await call('POST', crds, definition({ versions: [version('v1', { additionalPrinterColumns })] }));
  await call('POST', foos, foo({ size: 's' }));
  await api.clock.advance(5_000);
  const accept = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  const { body } = await call('GET', foos, undefined, accept);
  expect(body.columnDefinitions.map(({ name, priority }: Body) => `${name} ${priority}`)).toEqual([
    'Name 0',
    'Size 0',
    'Ready 0',
    'Replicas 1',
    'Age 0',
  ]);
  expect(body.rows[0].cells).toEqual(['a', 's', null, 1, '5s']);
});

test('fields that are selectable select', async () => {
  const selectableFields = [{ jsonPath: '.spec.size' }];
  await call('POST', crds, definition({ versions: [version('v1', { selectableFields })] }));
  await call('POST', foos, foo({ size: 's' }));
  await call('POST', foos, foo({ size: 'l' }, 'b'));
  const names = async (selector: string) =>
    (await call('GET', `${foos}?fieldSelector=${selector}`)).body.items?.map((one: Body) => one.metadata.name);
  expect([await names('spec.size%3Dl'), await names('spec.size!%3Dl'), await names('metadata.name%3Da')]).toEqual([
    ['b'],
    ['a'],
    ['a'],
  ]);
  expect((await call('GET', `${foos}?fieldSelector=spec.name%3Dl`)).body.message).toContain(
    'field label not supported: spec.name',
  );
});

test('a default that is empty or zero is a value, which other fields of the object are judged with', async () => {
  const changed = structuredClone(schema) as Body;
  Object.assign(changed.properties.spec.properties, {
    group: { type: 'string', default: '' },
    count: { type: 'integer', default: 0 },
    isOn: { type: 'boolean', default: false },
  });
  changed.properties.spec['x-kubernetes-validations'] = [{ rule: "self.group == '' && self.count == 0 && !self.isOn" }];
  await call('POST', crds, definition({ versions: [version('v1', { schema: { openAPIV3Schema: changed } })] }));
  const made = await call('POST', foos, foo({ size: 's' }));
  expect(made.body.spec).toEqual({ size: 's', replicas: 1, group: '', count: 0, isOn: false });
  expect((await call('POST', foos, foo({ size: 's', count: 1 }, 'b'))).status).toBe(422);
});

test('versions show the same objects, read with the defaults of today', async () => {
  await call('POST', crds, definition({ versions: [version('v1'), version('v1beta1', { deprecated: true })] }));
  await call('POST', foos, foo({ size: 's' }));
  const old = await call('GET', `${foos.replace('/v1/', '/v1beta1/')}/a`);
  expect([old.body.apiVersion, old.body.spec.size, old.warning]).toEqual([
    'example.com/v1beta1',
    's',
    '299 - "example.com/v1beta1 Foo is deprecated"',
  ]);
  const changed = structuredClone(schema) as Body;
  changed.properties.spec.properties.colour = { type: 'string', default: 'red' };
  delete changed.properties.spec.properties.replicas;
  const versions = [
    version('v1', { schema: { openAPIV3Schema: changed }, storage: false }),
    version('v2', { schema: { openAPIV3Schema: changed }, storage: true }),
  ];
  const without = await call('PATCH', `${crds}/foos.example.com`, { spec: { versions: [versions[1]] } });
  expect(without.body.message).toContain('status.storedVersions[0]: Invalid value: "v1": must appear in spec.versions');
  const all = [...versions, version('v1beta1', { served: false })];
  expect((await call('PATCH', `${crds}/foos.example.com`, { spec: { versions: all } })).status).toBe(200);
  const crd = await call('GET', `${crds}/foos.example.com`);
  expect(crd.body.status.storedVersions).toEqual(['v1', 'v2']);
  for (const each of ['v1', 'v2']) {
    const { body } = await call('GET', `${foos.replace('/v1/', `/${each}/`)}/a`);
    expect([body.apiVersion, body.spec]).toEqual([`example.com/${each}`, { size: 's', colour: 'red' }]);
    const list = await call('GET', foos.replace('/v1/', `/${each}/`));
    expect(list.body.items[0].spec).toEqual({ size: 's', colour: 'red' });
  }
  expect((await call('GET', foos.replace('/v1/', '/v1beta1/'))).status).toBe(404);
});

test('a name that another has is not accepted until it is free', async () => {
  await call('POST', crds, definition());
  const other = {
    ...definition({}, { plural: 'bars', singular: 'bar', listKind: 'BarList' }),
    metadata: { name: 'bars.example.com' },
  };
  await call('POST', crds, other);
  const refused = await call('GET', `${crds}/bars.example.com`);
  expect(conditionsOf(refused)).toEqual(['NamesAccepted=False ShortNamesConflict', 'Established=False NotAccepted']);
  expect(refused.body.status.conditions[0].message).toBe('"fo" is already in use');
  expect((await call('GET', '/apis/example.com/v1/namespaces/default/bars')).status).toBe(404);
  await call('DELETE', `${crds}/foos.example.com`);
  await api.clock.advance(2_000);
  expect(conditionsOf(await call('GET', `${crds}/bars.example.com`))).toEqual([
    'NamesAccepted=True NoConflicts',
    'Established=True InitialNamesAccepted',
  ]);
  expect((await call('GET', '/apis/example.com/v1/namespaces/default/bars')).status).toBe(200);
});

test('a definition takes its objects with it, and waits for their finalizers', async () => {
  await call('POST', crds, definition());
  await call('POST', foos, foo({ size: 's' }));
  await call('POST', foos, {
    ...foo({ size: 's' }, 'held'),
    metadata: { name: 'held', finalizers: ['example.com/wait'] },
  });
  await call('DELETE', `${crds}/foos.example.com`);
  const going = await call('GET', `${crds}/foos.example.com`);
  expect(going.body.metadata.finalizers).toEqual(['customresourcecleanup.apiextensions.k8s.io']);
  expect(conditionsOf(going)).toContain('Terminating=True InstanceDeletionInProgress');
  const late = await call('POST', foos, foo({ size: 's' }, 'late'));
  expect([late.status, late.body.message]).toEqual([
    405,
    'create not allowed while custom resource definition is terminating',
  ]);
  expect((await call('GET', foos)).body.items.map((one: Body) => one.metadata.name)).toEqual(['held']);
  expect((await call('PATCH', `${foos}/held`, { metadata: { finalizers: null } })).status).toBe(200);
  await api.clock.advance(2_000);
  expect((await call('GET', `${crds}/foos.example.com`)).status).toBe(404);
  expect((await call('GET', foos)).status).toBe(404);
  await call('POST', crds, definition());
  expect((await call('GET', foos)).body.items).toEqual([]);
});

test('a schema with a pattern that is none is refused', async () => {
  const rules = { type: 'object', properties: { a: { type: 'string', pattern: '(' } } };
  const broken = await call(
    'POST',
    crds,
    definition({ versions: [version('v1', { schema: { openAPIV3Schema: rules } })] }),
  );
  expect(broken.body.message).toContain(
    `properties[a].pattern: Invalid value: "(": must be a valid regular expression, but isn't:`,
  );
});

test('a pattern that would keep a backtracking engine busy for ever costs nothing', async () => {
  const nested = {
    type: 'object',
    properties: { spec: { type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } } },
  };
  await call('POST', crds, definition({ versions: [version('v1', { schema: { openAPIV3Schema: nested } })] }));
  expect((await call('POST', foos, foo({ a: `${'a'.repeat(5_000)}!` }))).status).toBe(422);
});
