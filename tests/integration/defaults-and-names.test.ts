/** What new objects get and may be called, where the body says little, and which collections can be deleted. */
import { beforeAll, expect, test } from 'vitest';
import { createDocumentProvider } from '#pkg/apiserver/discovery/provider.ts';
import { startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';
import { createStrategies } from '#pkg/registry/table.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ strategies: createStrategies(), documents: createDocumentProvider });
});

const pathOf = (group: string, resource: string): string => `/apis/${group}/v1/namespaces/default/${resource}`;
const post = (path: string, object: object) => server.call('POST', path, { object });

function causesOf(body: { details?: { causes?: readonly { field: string; message: string }[] } }): readonly string[] {
  return (body.details?.causes ?? []).map(({ field, message }) => `${field}: ${message}`);
}

test.each([
  ['/api/v1/namespaces/default/pods', ['spec.containers: Required value']],
  ['/api/v1/namespaces/default/services', ['spec.ports: Required value']],
  [
    pathOf('batch', 'jobs'),
    [
      'spec.template.spec.containers: Required value',
      'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
  ],
  ...['deployments', 'daemonsets', 'replicasets', 'statefulsets'].map((resource): [string, string[]] => [
    pathOf('apps', resource),
    [
      'spec.selector: Required value',
      'spec.template.spec.containers: Required value',
      'spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels`',
    ],
  ]),
])('a body of %s without spec lacks only what has no default (fault 10)', async (path, causes) => {
  const { status, body } = await post(path, { metadata: { name: 'bare' } });
  expect([status, causesOf(body)]).toEqual([422, causes]);
});

test.each([
  [pathOf('networking.k8s.io', 'networkpolicies'), { podSelector: {}, policyTypes: ['Ingress'] }],
  [
    '/apis/storage.k8s.io/v1/csidrivers',
    {
      attachRequired: true,
      podInfoOnMount: false,
      fsGroupPolicy: 'ReadWriteOnceWithFSType',
      volumeLifecycleModes: ['Persistent'],
      requiresRepublish: false,
      storageCapacity: false,
      seLinuxMount: false,
    },
  ],
  [pathOf('coordination.k8s.io', 'leases'), {}],
  ['/api/v1/nodes', {}],
])('a body of %s without spec gets the defaults in it (fault 10)', async (path, spec) => {
  const { status, body } = await post(path, { metadata: { name: 'bare' } });
  expect([status, body.spec]).toEqual([201, spec]);
});

const containers = [{ name: 'c', image: 'x' }];

test('a pod that would never wait for its end waits a second; a template stays as it is (fault 9)', async () => {
  const spec = { containers, terminationGracePeriodSeconds: -1 };
  const pod = await post('/api/v1/namespaces/default/pods', { metadata: { name: 'hasty' }, spec });
  expect([pod.status, pod.body.spec.terminationGracePeriodSeconds]).toEqual([201, 1]);
  const template = { metadata: { labels: { a: 'b' } }, spec };
  const deployment = await post(pathOf('apps', 'deployments'), {
    metadata: { name: 'hasty' },
    spec: { selector: { matchLabels: { a: 'b' } }, template },
  });
  expect(deployment.body.spec.template.spec.terminationGracePeriodSeconds).toBe(-1);
});

test.each([
  ['runAsUser', 3_000_000_000, 'spec.securityContext.runAsUser'],
  ['runAsGroup', 2 ** 31, 'spec.securityContext.runAsGroup'],
  ['fsGroup', 2 ** 31, 'spec.securityContext.fsGroup'],
  ['supplementalGroups', [2 ** 31], 'spec.securityContext.supplementalGroups[0]'],
])('an id of %s has 31 bits (fault 9)', async (name, value, field) => {
  const spec = { containers, securityContext: { [name]: value } };
  const { status, body } = await post('/api/v1/namespaces/default/pods', { metadata: { name: 'wide' }, spec });
  const id = Array.isArray(value) ? value[0] : value;
  expect([status, causesOf(body)]).toEqual([
    422,
    [`${field}: Invalid value: ${id}: must be between 0 and 2147483647, inclusive`],
  ]);
});

test.each(['a.b', 'x'.repeat(64)])(
  'a stateful set, whose pods are named for it, is not called %s (fault 9)',
  async (name) => {
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers } };
    const spec = { selector: { matchLabels: { a: 'b' } }, serviceName: 's', template };
    const { status, body } = await post(pathOf('apps', 'statefulsets'), { metadata: { name }, spec });
    expect([status, body.details.causes.map((cause: { field: string }) => cause.field)]).toEqual([
      422,
      ['metadata.name'],
    ]);
  },
);

test('namespaces are not deleted by the dozen, and no document says so (fault 13)', async () => {
  await post('/api/v1/namespaces', { metadata: { name: 'kept' } });
  const { status, body } = await server.call('DELETE', '/api/v1/namespaces');
  expect([status, body.reason]).toEqual([405, 'MethodNotAllowed']);
  expect((await server.call('GET', '/api/v1/namespaces/kept')).body.metadata.deletionTimestamp).toBeUndefined();
  const discovery = await server.call('GET', '/api/v1');
  const { verbs } = discovery.body.resources.find((one: { name: string }) => one.name === 'namespaces');
  expect(verbs).toEqual(['create', 'delete', 'get', 'list', 'patch', 'update', 'watch']);
  const openapi = await server.call('GET', '/openapi/v3/api/v1');
  expect(Object.keys(openapi.body.paths['/api/v1/namespaces'])).not.toContain('delete');
  expect((await server.call('DELETE', '/api/v1/namespaces/default/configmaps')).status).toBe(200);
});
