import { beforeEach, expect, test } from 'vitest';
import { type CallOptions, startTestServer, type TestServer } from '../testing/test-server.ts';

const deployments = '/apis/apps/v1/namespaces/default/deployments';
const scale = `${deployments}/d/scale`;
const labels = { app: 'd' };
const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };

let server: TestServer;

beforeEach(async () => {
  const selector = () => 'app=d';
  server = await startTestServer({
    strategies: [
      {
        group: 'apps',
        resource: 'deployments',
        scale: { specReplicasPath: ['spec', 'replicas'], statusReplicasPath: ['status', 'replicas'], selector },
      },
    ],
  });
  const object = { metadata: { name: 'd' }, spec: { replicas: 1, selector: { matchLabels: labels }, template } };
  await server.call('POST', `${deployments}?fieldManager=maker`, { object });
});

function scaleTo(replicas: number | undefined, metadata: object = { name: 'd' }): object {
  return { kind: 'Scale', apiVersion: 'autoscaling/v1', metadata, spec: replicas === undefined ? {} : { replicas } };
}

function patch(type: string, body: unknown): CallOptions {
  return { text: JSON.stringify(body), headers: { 'content-type': `application/${type}` } };
}

async function replicas(): Promise<number> {
  return (await server.call('GET', `${deployments}/d`)).body.spec.replicas;
}

test('a scale is read, written and patched, and is the replicas of its object', async () => {
  const { body } = await server.call('GET', scale);
  expect(body).toEqual({
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name: 'd',
      namespace: 'default',
      uid: expect.any(String),
      resourceVersion: expect.any(String),
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
    spec: { replicas: 1 },
    status: { replicas: 0, selector: 'app=d' },
  });
  const put = await server.call('PUT', scale, { object: { ...body, spec: { replicas: 2 } } });
  expect([put.status, put.body.spec, await replicas()]).toEqual([200, { replicas: 2 }, 2]);
  for (const type of ['merge-patch+json', 'strategic-merge-patch+json']) {
    expect((await server.call('PATCH', scale, patch(type, { spec: { replicas: 3 } }))).body.spec.replicas).toBe(3);
  }
  const operations = [{ op: 'replace', path: '/spec/replicas', value: 4 }];
  expect((await server.call('PATCH', scale, patch('json-patch+json', operations))).body.spec.replicas).toBe(4);
  const dry = await server.call('PUT', `${scale}?dryRun=All`, { object: scaleTo(9) });
  expect([dry.body.spec.replicas, await replicas()]).toEqual([9, 4]);
});

test('who applies a scale owns the replicas, and takes them only by force', async () => {
  const apply = (manager: string, count: number | undefined, query = '') =>
    server.call('PATCH', `${scale}?fieldManager=${manager}${query}`, patch('apply-patch+yaml', scaleTo(count)));
  const refused = await apply('scaler', 3);
  expect([refused.status, refused.body.message]).toEqual([
    409,
    'Apply failed with 1 conflict: conflict with "maker" using apps/v1: .spec.replicas',
  ]);
  const forced = await apply('scaler', 3, '&force=true');
  expect([forced.status, forced.body.kind, forced.body.spec]).toEqual([200, 'Scale', { replicas: 3 }]);
  const { managedFields } = (await server.call('GET', `${deployments}/d`)).body.metadata;
  expect(managedFields.find(({ manager }: { manager: string }) => manager === 'scaler')).toEqual({
    manager: 'scaler',
    operation: 'Apply',
    apiVersion: 'apps/v1',
    time: '2026-01-01T00:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:spec': { 'f:replicas': {} } },
    subresource: 'scale',
  });
});

const unknown = { ...scaleTo(2), foo: 1 };

test.each([
  [
    'another name',
    'PUT',
    '',
    scaleTo(2, { name: 'e' }),
    400,
    'the name of the object (e) does not match the name on the URL (d)',
  ],
  [
    'no name',
    'PUT',
    '',
    scaleTo(2, {}),
    400,
    'the name of the object (d based on URL) was undeterminable: name must be provided',
  ],
  [
    'another namespace',
    'PUT',
    '',
    scaleTo(2, { name: 'd', namespace: 'x' }),
    400,
    'the namespace of the provided object does not match the namespace sent on the request',
  ],
  [
    'a stale version',
    'PUT',
    '',
    scaleTo(2, { name: 'd', resourceVersion: '1' }),
    409,
    'Operation cannot be fulfilled on deployments.apps "d": the object has been modified; please apply your changes to the latest version and try again',
  ],
  [
    'fewer than none',
    'PUT',
    '',
    scaleTo(-1),
    422,
    'Scale.autoscaling "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
  ],
  [
    'an unknown field, strictly',
    'PUT',
    '?fieldValidation=Strict',
    unknown,
    400,
    'Scale in version "v1" cannot be handled as a Scale: strict decoding error: unknown field "foo"',
  ],
  [
    'another kind',
    'PUT',
    '',
    { kind: 'Deployment', apiVersion: 'apps/v1' },
    400,
    'Deployment in version "v1" cannot be handled as a Scale: converting (v1.Deployment) to (autoscaling.Scale): unknown conversion',
  ],
] as const)('%s', async (_name, method, query, body, status, message) => {
  const answer = await server.call(method, `${scale}${query}`, patch('json', body));
  expect([answer.status, answer.body.message, await replicas()]).toEqual([status, message, 1]);
});

test('an unknown field is warned of', async () => {
  const { headers } = await server.call('PUT', scale, patch('json', unknown));
  expect(headers.warning).toBe('299 - "unknown field \\"foo\\""');
});
