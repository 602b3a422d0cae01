/** Custom resources: their definitions as objects, in discovery and in OpenAPI, and what is checked of their objects. */
import { expect } from 'vitest';
import type { CustomResourceDefinition } from '#pkg/api/types/apiextensions-v1.ts';
import { customResourceDefinitions } from '#pkg/api/types/refs.ts';
import type { JsonObject, KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { observe } from './observe.ts';

const area = '[sig-api-machinery]';
const resources = `${area} CustomResourceDefinition resources [Privileged:ClusterAdmin]`;
const publishing = `${area} CustomResourcePublishOpenAPI [Privileged:ClusterAdmin]`;
const validation = `${area} FieldValidation`;
const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

const open: JsonObject = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

interface Shape {
  readonly group?: string;
  readonly kind?: string;
  readonly schema?: JsonObject;
  readonly versions?: readonly { readonly name: string; readonly served?: boolean; readonly storage?: boolean }[];
  readonly selectable?: readonly string[];
}

/** A definition of a namespaced resource; the first version is the stored one. */
function define({ group = 'conformance.example.com', kind = 'Foo', schema = open, versions, selectable }: Shape = {}) {
  const plural = `${kind.toLowerCase()}s`;
  const crd: CustomResourceDefinition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, labels: { made: 'here' } },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, kind },
      versions: (versions ?? [{ name: 'v1' }]).map((version, index) => ({
        served: true,
        storage: index === 0,
        schema: { openAPIV3Schema: schema },
        subresources: { status: {} },
        ...(selectable === undefined ? {} : { selectableFields: selectable.map((jsonPath) => ({ jsonPath })) }),
        ...version,
      })),
    },
  };
  const ref: ResourceRef = { group, version: 'v1', resource: plural, kind, namespaced: true };
  return { crd, ref, name: crd.metadata!.name!, path: `/apis/${group}/v1/namespaces/conformance/${plural}` };
}

/** Makes a definition and waits until it is established. */
async function establish(stage: Stage, shape: Shape = {}) {
  const defined = define(shape);
  await stage.of(customResourceDefinitions).create(defined.crd);
  await stage.cluster.until(async () => {
    const { status } = await stage.of(customResourceDefinitions).get(defined.name);
    return (status?.conditions ?? []).some((one) => one.type === 'Established' && one.status === 'True');
  });
  return defined;
}

async function isGone(stage: Stage, name: string): Promise<boolean> {
  try {
    await stage.of(customResourceDefinitions).get(name);
    return false;
  } catch (error) {
    return isNotFound(error);
  }
}

behaviour(
  `${resources} Simple CustomResourceDefinition creating/deleting custom resource definition objects works`,
  async (stage) => {
    const { name } = await establish(stage);
    await stage.of(customResourceDefinitions).delete(name);
    await stage.cluster.until(() => isGone(stage, name));
  },
);

behaviour(
  `${resources} Simple CustomResourceDefinition listing custom resource definition objects works`,
  async (stage) => {
    const kinds = ['One', 'Two', 'Three'];
    for (const kind of kinds) await establish(stage, { kind });
    const client = stage.of(customResourceDefinitions);
    const { items } = await client.list({ labelSelector: 'made=here' });
    expect(items.map(({ spec }) => spec.names.kind).toSorted()).toEqual(kinds.toSorted());
    await client.deleteCollection({ labelSelector: 'made=here' });
    await stage.cluster.until(async () => (await client.list({ labelSelector: 'made=here' })).items.length === 0);
  },
);

behaviour(
  `${resources} Simple CustomResourceDefinition getting/updating/patching custom resource definition status sub-resource works`,
  async (stage) => {
    const { name } = await establish(stage);
    const client = stage.of(customResourceDefinitions);
    const crd = await client.get(name, { subresource: 'status' });
    const condition = { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Set from an e2e test' };
    const conditions = [...(crd.status?.conditions ?? []), condition];
    const updated = await client.update({ ...crd, status: { ...crd.status, conditions } }, { subresource: 'status' });
    expect(updated.status?.conditions).toContainEqual(expect.objectContaining(condition));
    const patch = { status: { conditions: [{ ...condition, type: 'StatusPatched' }] } };
    const patched = await client.patch(name, patch, { type: 'merge', subresource: 'status' });
    expect(patched.status?.conditions).toContainEqual(expect.objectContaining({ type: 'StatusPatched' }));
  },
);

behaviour(`${resources} custom resource defaulting for requests and from storage works`, async (stage) => {
  const field = (fallback?: string) => ({ type: 'string', ...(fallback === undefined ? {} : { default: fallback }) });
  const schemaOf = (a: JsonObject, b: JsonObject) => ({ type: 'object', properties: { a, b } });
  const { name, ref, path } = await establish(stage, { schema: schemaOf(field('A'), field()) });
  const made = await stage.request('POST', path, { body: { metadata: { name: 'x' } } });
  expect([made.body['a'], made.body['b']]).toEqual(['A', undefined]);
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: schemaOf(field('A'), field('B')) },
  };
  await stage.of(customResourceDefinitions).patch(name, { spec: { versions: [version] } }, { type: 'merge' });
  await stage.cluster.advance(1_000);
  expect(await stage.of(ref).get('x', { namespace: stage.namespace })).toMatchObject({ a: 'A', b: 'B' });
  const without = { ...version, schema: { openAPIV3Schema: schemaOf(field(), field('B')) } };
  await stage.of(customResourceDefinitions).patch(name, { spec: { versions: [without] } }, { type: 'merge' });
  await stage.cluster.advance(1_000);
  expect(await stage.of(ref).get('x', { namespace: stage.namespace })).toMatchObject({ a: 'A', b: 'B' });
  const next = await stage.request('POST', path, { body: { metadata: { name: 'y' } } });
  expect([next.body['a'], next.body['b']]).toEqual([undefined, 'B']);
});

behaviour(
  `${area} CustomResourceDefinition Watch [Privileged:ClusterAdmin] CustomResourceDefinition Watch watch on custom resource definition objects`,
  async (stage) => {
    const { ref } = await establish(stage);
    const client = stage.of(ref);
    const { namespace } = stage;
    const observer = observe(stage, ref, { namespace });
    await stage.cluster.advance(1_000);
    for (const name of ['a', 'b']) await client.create({ metadata: { name, namespace } });
    await client.patch('a', { dummy: 'test' }, { namespace, type: 'merge' });
    for (const name of ['a', 'b']) await client.delete(name, { namespace });
    await observer.saw('DELETED', ({ metadata }) => metadata?.name === 'b');
    expect(observer.lines).toEqual(['ADDED a', 'ADDED b', 'MODIFIED a', 'DELETED a', 'DELETED b']);
    await observer.stop();
  },
);

behaviour(
  `${area} CustomResourceFieldSelectors [Privileged:ClusterAdmin] CustomResourceFieldSelectors MUST list and watch custom resources matching the field selector`,
  async (stage) => {
    const text = { type: 'string' };
    const schema = {
      type: 'object',
      properties: { hostname: text, spec: { type: 'object', properties: { port: text } } },
    };
    const { ref } = await establish(stage, { schema, selectable: ['.hostname', '.spec.port'] });
    const { namespace } = stage;
    const client = stage.of(ref);
    const make = (name: string, hostname: string, port: string) =>
      client.create({ metadata: { name, namespace }, hostname, spec: { port } } as KubeObject);
    const observer = observe(stage, ref, { namespace, fieldSelector: 'hostname=b.example,spec.port=80' });
    await stage.cluster.advance(1_000);
    await make('a', 'a.example', '80');
    await make('b', 'b.example', '80');
    await make('c', 'b.example', '8080');
    const names = async (fieldSelector: string) =>
      (await client.list({ namespace, fieldSelector })).items.map(({ metadata }) => metadata?.name);
    expect(await names('hostname=b.example')).toEqual(['b', 'c']);
    expect(await names('hostname=b.example,spec.port!=80')).toEqual(['c']);
    await client.patch('b', { hostname: 'other' }, { namespace, type: 'merge' });
    await observer.saw('DELETED');
    expect(observer.lines).toEqual(['ADDED b', 'DELETED b']);
    await observer.stop();
  },
);

for (const [what, path] of [
  ['should support aggregated discovery interface for CRDs', '/apis'],
  ['should support raw aggregated discovery request for CRDs', '/apis'],
] as const) {
  behaviour(`${area} AggregatedDiscovery ${what}`, async (stage) => {
    const versions = [{ name: 'v1' }, { name: 'v2' }];
    await establish(stage, { versions });
    await establish(stage, { kind: 'Bar', versions });
    const { status, body } = await stage.request('GET', path, { headers: { accept: aggregated } });
    const groups = body['items'] as unknown as readonly (KubeObject & {
      versions: readonly { version: string; resources: readonly { resource: string }[] }[];
    })[];
    const group = groups.find(({ metadata }) => metadata?.name === 'conformance.example.com');
    const listed = group?.versions.flatMap((one) => one.resources.map(({ resource }) => `${one.version} ${resource}`));
    expect([status, listed?.toSorted()]).toEqual([200, ['v1 bars', 'v1 foos', 'v2 bars', 'v2 foos']]);
  });
}

/** The schema of a kind as it is published in both documents; undefined where there is none. */
async function published(stage: Stage, { group, version, kind }: { group: string; version: string; kind: string }) {
  const name = [...group.split('.').toReversed(), version, kind].join('.');
  const v2 = (await stage.request('GET', '/openapi/v2')).body['definitions'] as JsonObject;
  const v3 = await stage.request('GET', `/openapi/v3/apis/${group}/${version}`);
  const schemas = v3.status === 200 ? ((v3.body['components'] as JsonObject)['schemas'] as JsonObject) : {};
  return { v2: v2[name] as JsonObject | undefined, v3: schemas[name] as JsonObject | undefined };
}

const group = 'conformance.example.com';
const schema: JsonObject = {
  description: 'Foo CRD for Testing',
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      description: 'Specification of Foo',
      required: ['bars'],
      properties: {
        bars: {
          type: 'array',
          description: 'List of Bars and their specs.',
          items: {
            type: 'object',
            required: ['name'],
            properties: { name: { type: 'string', description: 'Name of Bar.' } },
          },
        },
      },
    },
    status: { type: 'object', properties: { bars: { type: 'array', items: { type: 'string' } } } },
  },
};

behaviour(`${publishing} works for CRD with validation schema`, async (stage) => {
  const { path } = await establish(stage, { schema });
  const { v2, v3 } = await published(stage, { group, version: 'v1', kind: 'Foo' });
  for (const document of [v2, v3]) {
    expect(document).toMatchObject({
      description: 'Foo CRD for Testing',
      properties: {
        spec: (schema['properties'] as JsonObject)['spec'],
        metadata: { description: expect.stringContaining("Standard object's metadata.") },
      },
    });
    expect(document?.['x-kubernetes-group-version-kind']).toEqual([{ group, version: 'v1', kind: 'Foo' }]);
  }
  const refused = await stage.request('POST', path, { body: { metadata: { name: 'a' }, spec: { bars: [{}] } } });
  expect(refused.body['message']).toContain('spec.bars[0].name: Required value');
  const strict = {
    query: 'fieldValidation=Strict',
    body: { metadata: { name: 'a' }, spec: { bars: [{ name: 'x', no: 1 }] } },
  };
  expect((await stage.request('POST', path, strict)).body['message']).toContain('unknown field "spec.bars[0].no"');
});

for (const what of ['without validation schema', 'preserving unknown fields at the schema root'] as const) {
  behaviour(`${publishing} works for CRD ${what}`, async (stage) => {
    const { path } = await establish(stage);
    const { v2, v3 } = await published(stage, { group, version: 'v1', kind: 'Foo' });
    expect(v3).toMatchObject({ 'x-kubernetes-preserve-unknown-fields': true });
    // By v2 kubectl refuses what it does not name.
    const kinds = [{ group, version: 'v1', kind: 'Foo' }];
    expect(v2).toEqual({ type: 'object', 'x-kubernetes-group-version-kind': kinds });
    const made = await stage.request('POST', path, {
      query: 'fieldValidation=Strict',
      body: { metadata: { name: 'a' }, any: { x: [1] } },
    });
    expect([made.status, made.body['any']]).toEqual([201, { x: [1] }]);
  });
}

behaviour(`${publishing} works for CRD preserving unknown fields in an embedded object`, async (stage) => {
  const embedded = { type: 'object', properties: { spec: { ...open, description: 'Specification of Waldo' } } };
  const { path } = await establish(stage, { schema: embedded });
  const { v2, v3 } = await published(stage, { group, version: 'v1', kind: 'Foo' });
  for (const document of [v2, v3]) {
    expect(document?.['properties']).toMatchObject({
      spec: { 'x-kubernetes-preserve-unknown-fields': true, description: 'Specification of Waldo' },
    });
  }
  const made = await stage.request('POST', path, { body: { metadata: { name: 'a' }, spec: { any: 1 } } });
  expect(made.body['spec']).toEqual({ any: 1 });
});

behaviour(`${publishing} works for multiple CRDs of different groups`, async (stage) => {
  const groups = ['one.example.com', 'two.example.com'];
  for (const each of groups) await establish(stage, { group: each, schema });
  for (const each of groups)
    expect((await published(stage, { group: each, version: 'v1', kind: 'Foo' })).v3).toBeDefined();
});

behaviour(`${publishing} works for multiple CRDs of same group but different versions`, async (stage) => {
  await establish(stage, { schema, versions: [{ name: 'v1' }, { name: 'v2' }] });
  for (const version of ['v1', 'v2'])
    expect((await published(stage, { group, version, kind: 'Foo' })).v2).toBeDefined();
});

behaviour(`${publishing} works for multiple CRDs of same group and version but different kinds`, async (stage) => {
  for (const kind of ['Foo', 'Bar']) await establish(stage, { kind, schema });
  for (const kind of ['Foo', 'Bar']) expect((await published(stage, { group, version: 'v1', kind })).v2).toBeDefined();
});

const versionOf = (name: string, more: object = {}) => ({
  name,
  served: true,
  storage: false,
  schema: { openAPIV3Schema: schema },
  ...more,
});

behaviour(`${publishing} updates the published spec when one version gets renamed`, async (stage) => {
  const { name } = await establish(stage, { schema, versions: [{ name: 'v2' }, { name: 'v3' }] });
  const before = await published(stage, { group, version: 'v2', kind: 'Foo' });
  const versions = [versionOf('v2', { storage: true }), versionOf('v4')];
  await stage.of(customResourceDefinitions).patch(name, { spec: { versions } }, { type: 'merge' });
  await stage.cluster.advance(1_000);
  expect((await published(stage, { group, version: 'v4', kind: 'Foo' })).v3).toBeDefined();
  expect(await published(stage, { group, version: 'v3', kind: 'Foo' })).toEqual({ v2: undefined, v3: undefined });
  expect(await published(stage, { group, version: 'v2', kind: 'Foo' })).toEqual(before);
});

behaviour(
  `${publishing} removes definition from spec when one version gets changed to not be served`,
  async (stage) => {
    const { name } = await establish(stage, { schema, versions: [{ name: 'v5' }, { name: 'v6alpha1' }] });
    const before = await published(stage, { group, version: 'v5', kind: 'Foo' });
    const versions = [versionOf('v5', { storage: true }), versionOf('v6alpha1', { served: false })];
    await stage.of(customResourceDefinitions).patch(name, { spec: { versions } }, { type: 'merge' });
    await stage.cluster.advance(1_000);
    expect(await published(stage, { group, version: 'v6alpha1', kind: 'Foo' })).toEqual({
      v2: undefined,
      v3: undefined,
    });
    expect(await published(stage, { group, version: 'v5', kind: 'Foo' })).toEqual(before);
  },
);

const ports: JsonObject = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        knownField1: { type: 'string' },
        ports: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['containerPort', 'protocol'],
          items: {
            type: 'object',
            required: ['containerPort', 'protocol'],
            properties: {
              containerPort: { type: 'integer' },
              hostPort: { type: 'integer' },
              protocol: { type: 'string' },
            },
          },
        },
      },
    },
  },
};

const apply = (stage: Stage, path: string, object: JsonObject) =>
  stage.request('PATCH', `${path}/a`, {
    query: 'fieldManager=conformance&fieldValidation=Strict',
    headers: { 'content-type': 'application/apply-patch+yaml' },
    body: { apiVersion: `${group}/v1`, kind: 'Foo', metadata: { name: 'a' }, ...object },
  });

const post = (stage: Stage, path: string, text: string) =>
  stage.request('POST', path, { query: 'fieldValidation=Strict', text });

behaviour(
  `${validation} should create/apply a CR with unknown fields for CRD with no validation schema`,
  async (stage) => {
    const { path } = await establish(stage);
    const { status, body } = await apply(stage, path, { spec: { foo: 'foo1', ports: [{ hostPort: 80 }] } });
    expect([status, body['spec']]).toEqual([201, { foo: 'foo1', ports: [{ hostPort: 80 }] }]);
  },
);

behaviour(`${validation} should create/apply a valid CR for CRD with validation schema`, async (stage) => {
  const { path } = await establish(stage, { schema: ports });
  const spec = { knownField1: 'val1', ports: [{ hostPort: 8081, containerPort: 8080, protocol: 'TCP' }] };
  expect((await apply(stage, path, { spec })).body['spec']).toEqual(spec);
});

behaviour(
  `${validation} should create/apply an invalid CR with extra properties for CRD with validation schema`,
  async (stage) => {
    const { path } = await establish(stage, { schema: ports });
    const port = { hostPort: 8081, containerPort: 8080, protocol: 'TCP', unknownNested: 'v' };
    const refused = await apply(stage, path, { spec: { foo: 'foo1', ports: [port] } });
    expect(refused.status).toBe(400);
    expect(refused.body['message']).toContain('.spec.foo: field not declared in schema');
    const nested = await apply(stage, path, { spec: { ports: [port] } });
    expect(nested.body['message']).toContain(
      '.spec.ports[containerPort=8080,protocol="TCP"].unknownNested: field not declared in schema',
    );
  },
);

behaviour(`${validation} should detect duplicates in a CR when preserving unknown fields`, async (stage) => {
  const { path } = await establish(stage);
  const text = `{"apiVersion":"${group}/v1","kind":"Foo","metadata":{"name":"a"},"spec":{"unknown":"uk1","unknown":"uk2"}}`;
  const { status, body } = await post(stage, path, text);
  expect([status, body['message']]).toEqual([400, expect.stringContaining('duplicate field "spec.unknown"')]);
});

behaviour(
  `${validation} should detect unknown metadata fields in both the root and embedded object of a CR`,
  async (stage) => {
    const template = {
      type: 'object',
      'x-kubernetes-embedded-resource': true,
      'x-kubernetes-preserve-unknown-fields': true,
    };
    const embedding = { type: 'object', properties: { spec: { type: 'object', properties: { template } } } };
    const { path } = await establish(stage, { schema: embedding });
    const embedded = { apiVersion: 'foo/v1', kind: 'Sub', metadata: { name: 'sub', unknownSubMeta: 'u' } };
    const body = { metadata: { name: 'a', unknownMeta: 'u' }, spec: { template: embedded } };
    const refused = await post(stage, path, JSON.stringify(body));
    expect(refused.status).toBe(400);
    for (const field of ['metadata.unknownMeta', 'spec.template.metadata.unknownSubMeta']) {
      expect(refused.body['message']).toContain(`unknown field "${field}"`);
    }
  },
);
