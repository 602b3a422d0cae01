/** Versions whose fields differ from those of the stored one: the rules of a resource hold in each, and each shows what was written in another. */
import { beforeAll, expect, test } from 'vitest';
import { createDocumentProvider } from '#pkg/apiserver/discovery/provider.ts';
import { startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';
import { createStrategies } from '#pkg/registry/table.ts';

const rbac = 'rbac.authorization.k8s.io';
const flowControl = 'flowcontrol.apiserver.k8s.io';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({
    documents: createDocumentProvider,
    runtimeConfig: { 'api/all': true },
    strategies: createStrategies(),
  });
});

interface Case {
  readonly group: string;
  readonly old: string;
  readonly path: string;
  readonly written: object;
  /** What the answer to the write shows, with the defaults of the resource. */
  readonly answered: object;
  /** What the stored version, v1 unless said otherwise, shows of it. */
  readonly stable: object;
  readonly stored?: string;
}

const cases: readonly Case[] = [
  {
    group: 'networking.k8s.io',
    old: 'v1beta1',
    path: 'namespaces/default/ingresses',
    written: { spec: { backend: { serviceName: 'web', servicePort: 80 } } },
    answered: { spec: { backend: { serviceName: 'web', servicePort: 80 } } },
    stable: { spec: { defaultBackend: { service: { name: 'web', port: { number: 80 } } } } },
  },
  {
    group: 'node.k8s.io',
    old: 'v1alpha1',
    path: 'runtimeclasses',
    written: { spec: { runtimeHandler: 'runsc' } },
    answered: { spec: { runtimeHandler: 'runsc' } },
    stable: { handler: 'runsc' },
  },
  {
    group: rbac,
    old: 'v1alpha1',
    path: 'clusterrolebindings',
    written: { roleRef: { kind: 'ClusterRole', name: 'view' }, subjects: [{ kind: 'User', name: 'ann' }] },
    answered: {
      roleRef: { apiGroup: rbac },
      subjects: [{ kind: 'User', name: 'ann', apiVersion: `${rbac}/v1alpha1` }],
    },
    stable: { roleRef: { apiGroup: rbac }, subjects: [{ kind: 'User', name: 'ann', apiGroup: rbac }] },
  },
  {
    group: flowControl,
    old: 'v1beta1',
    path: 'prioritylevelconfigurations',
    written: { spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } } },
    answered: { spec: { limited: { assuredConcurrencyShares: 30, lendablePercent: 0 } } },
    stable: { spec: { limited: { nominalConcurrencyShares: 30, lendablePercent: 0 } } },
  },
  {
    group: 'resource.k8s.io',
    old: 'v1beta1',
    path: 'namespaces/default/resourceclaims',
    written: { spec: { devices: { requests: [{ name: 'gpu', deviceClassName: 'gpu.example.com' }] } } },
    answered: { spec: { devices: { requests: [{ name: 'gpu', allocationMode: 'ExactCount', count: 1 }] } } },
    stable: { spec: { devices: { requests: [{ name: 'gpu', exactly: { allocationMode: 'ExactCount', count: 1 } }] } } },
  },
  {
    group: 'resource.k8s.io',
    old: 'v1beta1',
    path: 'resourceslices',
    written: {
      spec: {
        driver: 'd.example.com',
        nodeName: 'n',
        pool: { name: 'p', generation: 1, resourceSliceCount: 1 },
        devices: [{ name: 'a', basic: { attributes: { x: { int: 1 } } } }],
      },
    },
    answered: { spec: { devices: [{ name: 'a', basic: { attributes: { x: { int: 1 } } } }] } },
    stable: { spec: { devices: [{ name: 'a', attributes: { x: { int: 1 } } }] } },
  },
  {
    group: 'events.k8s.io',
    old: 'v1beta1',
    path: 'namespaces/default/events',
    written: {
      regarding: { kind: 'Pod', name: 'p', namespace: 'default' },
      note: 'n',
      reason: 'r',
      action: 'a',
      type: 'Normal',
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingController: 'example.com/c',
      reportingInstance: 'c-1',
    },
    answered: { regarding: { kind: 'Pod' }, note: 'n', deprecatedSource: {}, deprecatedFirstTimestamp: null },
    stable: { regarding: { kind: 'Pod' }, note: 'n', deprecatedSource: {} },
  },
  {
    group: 'autoscaling',
    old: 'v1',
    path: 'namespaces/default/horizontalpodautoscalers',
    written: { spec: { scaleTargetRef: { kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' }, maxReplicas: 3 } },
    answered: {
      spec: { minReplicas: 1, targetCPUUtilizationPercentage: 80 },
      status: { currentReplicas: 0, desiredReplicas: 0 },
    },
    stable: { spec: { minReplicas: 1, metrics: [{ type: 'Resource' }] }, status: { desiredReplicas: 0 } },
    stored: 'v2',
  },
];

test.each(cases)('$group/$old $path', async ({ group, old, path, written, answered, stable, stored = 'v1' }) => {
  const served = (version: string): string => `/apis/${group}/${version}/${path}`;
  const object = { ...written, metadata: { name: 'old' } };
  const made = await server.call('POST', served(old), { object });
  expect(made.body).toMatchObject({ apiVersion: `${group}/${old}`, ...answered });
  expect(made.status).toBe(201);
  const found = await server.call('GET', `${served(stored)}/old`);
  expect(found.body).toMatchObject({ apiVersion: `${group}/${stored}`, ...stable });
  const { metadata: _, apiVersion: __, ...content } = found.body;
  const copied = await server.call('POST', served(stored), { object: { ...content, metadata: { name: 'new' } } });
  expect(copied.status).toBe(201);
  const seen = await server.call('GET', `${served(old)}/new`);
  const { metadata: ___, ...shown } = made.body;
  expect(seen.body).toMatchObject(shown);
  const patched = await server.call('PATCH', `${served(old)}/new`, {
    object: { metadata: { labels: { a: 'b' } } },
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  expect(patched.body).toMatchObject({ ...shown, metadata: { labels: { a: 'b' } } });
  const again = await server.call('GET', `${served(stored)}/new`);
  expect(again.body).toMatchObject(stable);
});

test.each([...cases, { ...cases.find(({ group }) => group === 'events.k8s.io')!, old: 'v1' }])(
  'a name is made, and uid and time are set, through $group/$old $path (fault 7)',
  async ({ group, old, path, written }) => {
    const object = { ...written, metadata: { generateName: 'made-' } };
    const { status, body } = await server.call('POST', `/apis/${group}/${old}/${path}`, { object });
    expect(status).toBe(201);
    expect(body.metadata).toMatchObject({
      name: expect.stringMatching(/^made-.{5}$/),
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      creationTimestamp: expect.stringMatching(/^20.*Z$/),
    });
  },
);

test('a zero that only the older version always writes is not stored (fault 7)', async () => {
  const stored = await server.call('GET', '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/old');
  expect(stored.body.status).not.toHaveProperty('currentReplicas');
});

test('rules of the stored version hold for what is written in an older one', async () => {
  const path = `/apis/${rbac}/v1alpha1/clusterrolebindings`;
  const object = { metadata: { name: 'robots' }, roleRef: { kind: 'Robot', name: 'r' } };
  const { status, body } = await server.call('POST', path, { object });
  expect(status).toBe(422);
  expect(body.details.causes).toEqual([
    {
      reason: 'FieldValueNotSupported',
      message: 'Unsupported value: "Robot": supported values: "ClusterRole"',
      field: 'roleRef.kind',
    },
  ]);
});

test('tables of older versions show what those of the stored one show', async () => {
  const accept = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  const classes = await server.call('GET', '/apis/node.k8s.io/v1alpha1/runtimeclasses/old', { headers: accept });
  expect(classes.body.rows[0].cells.slice(0, 2)).toEqual(['old', 'runsc']);
  const events = await server.call('GET', '/apis/events.k8s.io/v1/namespaces/default/events/old', { headers: accept });
  expect(events.body.rows[0].cells.slice(2, 4)).toEqual(['r', 'pod/p']);
});

test('reviews of v1beta1 call the groups of a user group', async () => {
  const path = '/apis/authorization.k8s.io/v1beta1/subjectaccessreviews';
  const spec = { group: ['system:masters'], resourceAttributes: { verb: 'get', resource: 'pods' } };
  const { status, body } = await server.call('POST', path, { object: { spec } });
  expect([status, body.spec, body.status.allowed]).toEqual([201, spec, true]);
});
