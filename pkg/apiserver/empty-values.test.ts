/** Empty lists and maps are not stored, whichever way they come; numbers of integer fields are written as such. */
import { beforeAll, expect, test } from 'vitest';
import { encodeProtobuf } from '#pkg/api/protobuf/codec.ts';
import { type Answer, startTestServer, type TestServer } from './testing/test-server.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
const deployments = '/apis/apps/v1/namespaces/default/deployments';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

function send(method: string, target: string, type: string, body: unknown): Promise<Answer> {
  const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  return server.call(method, target, { text, headers: { 'content-type': `application/${type}` } });
}

/** An object without what the server adds. */
function plain({ body }: Answer): unknown {
  const { metadata, ...rest } = body;
  const { uid: _, creationTimestamp: _t, resourceVersion: _v, managedFields: _m, generation: _g, ...meta } = metadata;
  return { ...rest, metadata: meta };
}

const configMap = (name: string, more: object = {}, metadata: object = {}) => ({
  kind: 'ConfigMap',
  apiVersion: 'v1',
  metadata: { name, ...metadata },
  ...more,
});
const stored = (name: string, more: object = {}, metadata: object = {}) =>
  configMap(name, more, { namespace: 'default', ...metadata });

const empties = [
  { data: {}, binaryData: {} },
  { labels: {}, annotations: {}, finalizers: [] },
] as const;

test('a create and an update store no empty lists and maps, and an update that adds only such changes nothing', async () => {
  const created = await send('POST', maps, 'json', configMap('a', ...empties));
  expect([created.status, plain(created)]).toEqual([201, stored('a')]);
  const { managedFields, resourceVersion } = created.body.metadata;
  expect(managedFields).toBe(undefined);
  const updated = await send('PUT', `${maps}/a`, 'json', configMap('a', ...empties));
  expect([updated.status, updated.body.metadata.resourceVersion]).toEqual([200, resourceVersion]);
  const shared = await server.call('PUT', `${maps}/a`, { object: configMap('a', ...empties) });
  expect(shared.body.metadata.resourceVersion).toBe(resourceVersion);
});

test.each([
  ['merge-patch+json', { data: { x: null }, metadata: { labels: { l: null } } }],
  ['strategic-merge-patch+json', { data: { x: null }, metadata: { labels: { l: null } } }],
  [
    'json-patch+json',
    [
      { op: 'remove', path: '/data/x' },
      { op: 'remove', path: '/metadata/labels/l' },
    ],
  ],
])('what a %s empties is gone', async (type, patch) => {
  const name = type.split('-')[0]!;
  await send('POST', maps, 'json', configMap(name, { data: { x: '1' } }, { labels: { l: '1' } }));
  const patched = await send('PATCH', `${maps}/${name}`, type, patch);
  expect([patched.status, plain(patched)]).toEqual([200, stored(name)]);
  expect(plain(await server.call('GET', `${maps}/${name}`))).toEqual(stored(name));
});

test('a status whose last condition is taken away has no conditions', async () => {
  const labels = { app: 'a' };
  const spec = {
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'a', image: 'b' }] } },
  };
  await send('POST', deployments, 'json', { metadata: { name: 'a' }, spec });
  const condition = { type: 'Available', status: 'True' };
  const set = { status: { conditions: [condition], replicas: 1 } };
  await send('PATCH', `${deployments}/a/status`, 'merge-patch+json', set);
  const remove = [{ op: 'remove', path: '/status/conditions/0' }];
  const { body } = await send('PATCH', `${deployments}/a/status`, 'json-patch+json', remove);
  expect(body.status).toEqual({ replicas: 1 });
});

test('an apply owns the empty map it names, stores none, and changes nothing when it says so again', async () => {
  const apply = (owner: string, config: object) =>
    send('PATCH', `${maps}/applied?fieldManager=${owner}`, 'apply-patch+yaml', config);
  const config = configMap('applied', { data: {} }, { labels: {} });
  const first = await apply('one', config);
  expect([first.status, plain(first)]).toEqual([201, stored('applied')]);
  const fields = { 'f:data': {}, 'f:metadata': { 'f:labels': {} } };
  expect(first.body.metadata.managedFields).toMatchObject([{ manager: 'one', fieldsV1: fields }]);
  await server.clock.advance(5_000);
  expect((await apply('one', config)).body.metadata).toEqual(first.body.metadata);
  await send('PATCH', `${maps}/applied`, 'merge-patch+json', { metadata: { labels: { x: '1' } } });
  const later = await apply('one', config);
  expect(plain(later)).toEqual(stored('applied', {}, { labels: { x: '1' } }));
});

test('a list that Go always writes is null when it is empty, in both forms of the body (fault 11)', async () => {
  const slice = {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], deprecatedTopology: {} }],
    ports: [],
  };
  const wanted = { ...slice, endpoints: [{ addresses: ['10.0.0.1'], conditions: {} }], ports: null };
  const json = await send('POST', slices, 'json', { ...slice, metadata: { name: 'json', labels: {} } });
  expect(plain(json)).toEqual({ ...wanted, metadata: { name: 'json', namespace: 'default' } });
  const bytes = encodeProtobuf({ ...slice, metadata: { name: 'protobuf', labels: {} } })!;
  const protobuf = await send('POST', slices, 'vnd.kubernetes.protobuf', bytes);
  expect(plain(protobuf)).toEqual({ ...wanted, metadata: { name: 'protobuf', namespace: 'default' } });
});

test.each(['1.0', '1e0', '10E-1'])('%s is no integer', async (number) => {
  const text = `{"metadata":{"name":"n"},"spec":{"replicas":${number}}}`;
  for (const [method, target] of [
    ['POST', deployments],
    ['PUT', `${deployments}/n`],
  ] as const) {
    const { status, body } = await send(method, target, 'json', text);
    expect([status, body.message]).toEqual([
      400,
      'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal ' +
        `number ${number} into Go struct field DeploymentSpec.spec.replicas of type int32`,
    ]);
  }
});

test('a grace period of 1.0 seconds is none', async () => {
  await send('POST', maps, 'json', configMap('kept'));
  const { status, body } = await send('DELETE', `${maps}/kept`, 'json', '{"gracePeriodSeconds":1.0}');
  expect([status, body.message]).toEqual([400, expect.stringContaining('cannot unmarshal number 1.0 into Go struct')]);
});
