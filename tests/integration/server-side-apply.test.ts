/** Server-side apply through the whole server: what becomes of the object, who owns what, and what is refused. */
import { beforeEach, expect, test } from 'vitest';
import { type Answer, startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';
import { createStrategies } from '#pkg/registry/table.ts';

let server: TestServer;
beforeEach(async () => {
  server = await startTestServer({ strategies: createStrategies() });
});

interface ApplyOptions {
  readonly manager?: string;
  readonly force?: boolean;
}

function apply(path: string, object: object, { manager = 'a', force = false }: ApplyOptions = {}): Promise<Answer> {
  return server.call('PATCH', `${path}?fieldManager=${manager}&force=${force}`, {
    object,
    headers: { 'content-type': 'application/apply-patch+yaml' },
  });
}

const configMaps = '/api/v1/namespaces/default/configmaps';
const deployments = '/apis/apps/v1/namespaces/default/deployments';

function configMap(metadata: object, rest: object = {}): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, ...rest };
}

function deployment(podSpec: object, spec: object = {}, metadata: object = { name: 'web' }): object {
  const labels = { app: 'web' };
  const template = { metadata: { labels }, spec: podSpec };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: { selector: { matchLabels: labels }, template, ...spec },
  };
}

const managersOf = ({ body }: Answer): unknown =>
  body.metadata.managedFields?.map((entry: Record<string, unknown>) => [
    entry.manager,
    entry.operation,
    entry.fieldsV1,
  ]);

test.each([
  ['labels', { labels: { a: '1' } }],
  ['annotations', { annotations: { a: '1' } }],
  ['finalizers', { finalizers: ['example.com/a'] }],
  ['owners', { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }] }],
  ['all of them', { labels: { a: '1' }, annotations: { a: '1' }, finalizers: ['example.com/a'] }],
])(
  'what an apply no longer names goes, though nothing but the name is left in the metadata: %s (fault 1)',
  async (_, more) => {
    const first = await apply(`${configMaps}/m`, configMap({ name: 'm', ...more }, { data: { x: '1' } }));
    expect(first.status).toBe(201);
    const second = await apply(`${configMaps}/m`, configMap({ name: 'm' }, { data: { x: '1' } }));
    expect(second.status).toBe(200);
    const { name, namespace, uid, creationTimestamp } = first.body.metadata;
    expect(second.body.metadata).toEqual({
      name,
      namespace,
      uid,
      creationTimestamp,
      resourceVersion: expect.any(String),
      managedFields: [expect.objectContaining({ fieldsV1: { 'f:data': { 'f:x': {} } } })],
    });
  },
);

test('an apply that gives up everything leaves the object without managers (fault 1)', async () => {
  await apply(`${configMaps}/m`, configMap({ name: 'm', labels: { a: '1' } }));
  const { status, body } = await apply(`${configMaps}/m`, configMap({ name: 'm' }));
  expect([status, body.metadata.labels, body.metadata.managedFields]).toEqual([200, undefined, undefined]);
});

const container = { name: 'c', image: 'x' };

test('empty lists and maps over what another manager set are conflicts, each with its path (fault 2)', async () => {
  const full = {
    containers: [{ ...container, args: ['x'], command: ['y'] }],
    nodeSelector: { disk: 'ssd' },
    tolerations: [{ key: 'k', operator: 'Exists' }],
  };
  expect((await apply(`${deployments}/web`, deployment(full))).status).toBe(201);
  const empty = { containers: [{ name: 'c', args: [], command: [] }], nodeSelector: {}, tolerations: [] };
  const refused = await apply(`${deployments}/web`, deployment(empty), { manager: 'b' });
  expect(refused.status).toBe(409);
  expect(refused.body.details.causes.map((cause: { field: string }) => cause.field).sort()).toEqual([
    '.spec.template.spec.containers[name="c"].args',
    '.spec.template.spec.containers[name="c"].command',
    '.spec.template.spec.nodeSelector',
    '.spec.template.spec.tolerations',
  ]);
  expect(refused.body.details.causes[0]).toMatchObject({
    reason: 'FieldManagerConflict',
    message: 'conflict with "a"',
  });
  const kept = await server.call('GET', `${deployments}/web`);
  expect(kept.body.spec.template.spec).toMatchObject(full);
  const forced = await apply(`${deployments}/web`, deployment(empty), { manager: 'b', force: true });
  expect(forced.status).toBe(200);
  for (const gone of ['nodeSelector', 'tolerations']) expect(forced.body.spec.template.spec).not.toHaveProperty(gone);
});

test('an empty map or list that is merged takes nothing from others (fault 2)', async () => {
  await apply(`${configMaps}/m`, configMap({ name: 'm', labels: { a: '1' } }, { data: { x: '1' } }));
  const { status, body } = await apply(`${configMaps}/m`, configMap({ name: 'm', labels: {} }, { data: {} }), {
    manager: 'b',
  });
  expect([status, body.metadata.labels, body.data]).toEqual([200, { a: '1' }, { x: '1' }]);
});

test('applying what is filled in or left out afterwards once more changes nothing (fault 2)', async () => {
  const spec = { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }], egress: [] };
  const object = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'p' }, spec };
  const path = '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/p';
  const first = await apply(path, object);
  expect([first.status, first.body.spec.ingress]).toEqual([201, [{ ports: [{ port: 80, protocol: 'TCP' }] }]]);
  await server.clock.advance(5000);
  const second = await apply(path, object);
  expect(second.body.metadata).toEqual(first.body.metadata);
});

const claims = '/apis/resource.k8s.io/v1/namespaces/default/resourceclaims';

test('an item that lacks one of its keys is an item of its own (fault 6)', async () => {
  const requests = [{ name: 'r', exactly: { deviceClassName: 'gpu.example.com' } }];
  const claim = { apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaim', metadata: { name: 'c' } };
  await apply(`${claims}/c`, { ...claim, spec: { devices: { requests } } });
  const allocated = { driver: 'd.example.com', pool: 'p', device: 'x', request: 'r' };
  await server.call('PATCH', `${claims}/c/status`, {
    object: { status: { allocation: { devices: { results: [allocated] } } } },
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  const { request: _, ...device } = allocated;
  const config = { ...claim, status: { devices: [{ ...device, data: { a: 1 } }] } };
  const applied = await apply(`${claims}/c/status`, config, { manager: 'driver' });
  expect([applied.status, applied.body.message]).toEqual([200, undefined]);
  expect(applied.body.status.devices).toEqual([{ ...device, data: { a: 1 }, conditions: null }]);
  expect(managersOf(applied)).toContainEqual([
    'driver',
    'Apply',
    {
      'f:status': {
        'f:devices': {
          'k:{"device":"x","driver":"d.example.com","pool":"p"}': {
            '.': {},
            'f:data': {},
            'f:device': {},
            'f:driver': {},
            'f:pool': {},
          },
        },
      },
    },
  ]);
});

test.each([
  [{ ports: [{ name: 'web' }] }, 'spec.template.spec.containers[0].ports[0].containerPort'],
  [{ ports: [{ protocol: 'TCP' }] }, 'spec.template.spec.containers[0].ports[0].containerPort'],
])('a missing key that has to be there is told by validation: %j (fault 6)', async (more, field) => {
  const { status, body } = await apply(`${deployments}/web`, deployment({ containers: [{ ...container, ...more }] }));
  expect([status, body.details.causes[0].field]).toEqual([422, field]);
});

test('a spread constraint without its second key is refused by validation (fault 6)', async () => {
  const topologySpreadConstraints = [{ maxSkew: 1, topologyKey: 'zone' }];
  const pod = { containers: [container], topologySpreadConstraints };
  const { status, body } = await apply(`${deployments}/web`, deployment(pod));
  expect([status, body.details.causes[0].field]).toEqual([
    422,
    'spec.template.spec.topologySpreadConstraints[0].whenUnsatisfiable',
  ]);
});

test('a configuration without a name creates nothing (fault 8)', async () => {
  for (const metadata of [{}, { labels: { a: 'b' } }]) {
    const { status, body } = await apply(`${configMaps}/m`, configMap(metadata));
    expect([status, body.message]).toEqual([
      400,
      'the name of the object (m based on URL) was undeterminable: name must be provided',
    ]);
  }
  const other = await apply(`${configMaps}/m`, configMap({ name: 'n' }));
  expect([other.status, other.body.message]).toEqual([
    400,
    'the name of the object (n) does not match the name on the URL (m)',
  ]);
  const elsewhere = await apply(`${configMaps}/m`, configMap({ name: 'm', namespace: 'other' }));
  expect([elsewhere.status, elsewhere.body.reason]).toEqual([400, 'BadRequest']);
  expect((await server.call('GET', `${configMaps}/m`)).status).toBe(404);
});

test('owned fields, keys of maps and managers are listed in order (fault 8)', async () => {
  const data = { b: '2', a: '1' };
  const created = await server.call('POST', `${configMaps}?fieldManager=z`, {
    text: JSON.stringify(configMap({ name: 'm', labels: { y: '', x: '' } }, { data })),
    headers: { 'content-type': 'application/json' },
  });
  expect(Object.keys(created.body.data)).toEqual(['a', 'b']);
  expect(Object.keys(created.body.metadata.labels)).toEqual(['x', 'y']);
  const { body } = await apply(`${configMaps}/m`, configMap({ name: 'm' }, { data: { c: '3', '0': '', B: '' } }));
  expect(Object.keys(body.data)).toEqual(['0', 'B', 'a', 'b', 'c']);
  expect(JSON.stringify(managersOf({ body } as Answer))).toBe(
    JSON.stringify([
      ['a', 'Apply', { 'f:data': { 'f:0': {}, 'f:B': {}, 'f:c': {} } }],
      [
        'z',
        'Update',
        {
          'f:data': { '.': {}, 'f:a': {}, 'f:b': {} },
          'f:metadata': { 'f:labels': { '.': {}, 'f:x': {}, 'f:y': {} } },
        },
      ],
    ]),
  );
});

const scalers = (version: string): string =>
  `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers/h`;

function scaler(version: string, spec: object): object {
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
  const head = { apiVersion: `autoscaling/${version}`, kind: 'HorizontalPodAutoscaler', metadata: { name: 'h' } };
  return { ...head, spec: { scaleTargetRef, maxReplicas: 5, ...spec } };
}

const cpuMetrics = (averageUtilization: number): object => ({
  metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } }],
});

test('what a manager set in one version is its own in every version (fault 7)', async () => {
  await apply(scalers('v1'), scaler('v1', { targetCPUUtilizationPercentage: 50 }));
  const refused = await apply(scalers('v2'), scaler('v2', cpuMetrics(70)), { manager: 'b' });
  expect([refused.status, refused.body.message]).toEqual([
    409,
    'Apply failed with 1 conflict: conflict with "a": .spec.targetCPUUtilizationPercentage',
  ]);
  const same = await apply(scalers('v2'), scaler('v2', cpuMetrics(50)), { manager: 'b' });
  expect(same.status).toBe(200);
  const forced = await apply(scalers('v2'), scaler('v2', cpuMetrics(70)), { manager: 'b', force: true });
  // The reference is one field in v1 and three in v2.
  const target = { 'f:apiVersion': {}, 'f:kind': {}, 'f:name': {} };
  expect(managersOf(forced)).toEqual([
    ['a', 'Apply', { 'f:spec': { 'f:maxReplicas': {}, 'f:scaleTargetRef': {} } }],
    ['b', 'Apply', { 'f:spec': { 'f:maxReplicas': {}, 'f:metrics': {}, 'f:scaleTargetRef': target } }],
  ]);
});

test('a manager that goes on in another version gives up what it set in the first (fault 7)', async () => {
  await apply(scalers('v1'), scaler('v1', { targetCPUUtilizationPercentage: 50, minReplicas: 2 }));
  const { status, body } = await apply(scalers('v2'), scaler('v2', cpuMetrics(50)));
  expect([status, body.spec.minReplicas, body.spec.maxReplicas]).toEqual([200, 1, 5]);
  expect(body.metadata.managedFields).toMatchObject([
    { apiVersion: 'autoscaling/v2', fieldsV1: { 'f:spec': { 'f:maxReplicas': {}, 'f:metrics': {} } } },
  ]);
  const seen = await server.call('GET', scalers('v1'));
  expect(seen.body.spec.targetCPUUtilizationPercentage).toBe(50);
});

test('managers of versions that do not exist any more are forgotten with the next change', async () => {
  const created = await apply(`${configMaps}/m`, configMap({ name: 'm' }, { data: { x: '1', y: '1' } }));
  const [entry] = created.body.metadata.managedFields;
  const ancient = { ...entry, manager: 'old', apiVersion: 'v0' };
  await server.call('PUT', `${configMaps}/m`, {
    object: { ...created.body, metadata: { ...created.body.metadata, managedFields: [entry, ancient] } },
  });
  const { body } = await apply(`${configMaps}/m`, configMap({ name: 'm' }, { data: { x: '2' } }));
  expect(managersOf({ body } as Answer)).toEqual([['a', 'Apply', { 'f:data': { 'f:x': {} } }]]);
  expect(body.data).toEqual({ x: '2' });
});

test('null takes a value away that is replaced as a whole, and conflicts with who owns it (fault 2)', async () => {
  await apply(`${deployments}/web`, deployment({ containers: [container] }, { replicas: 3, paused: true }));
  const nulls = { replicas: null, paused: null };
  const config = deployment({ containers: [container] }, nulls);
  const refused = await apply(`${deployments}/web`, config, { manager: 'b' });
  expect(refused.body.details.causes.map((cause: { field: string }) => cause.field)).toEqual([
    '.spec.paused',
    '.spec.replicas',
  ]);
  const forced = await apply(`${deployments}/web`, config, { manager: 'b', force: true });
  expect([forced.body.spec.replicas, forced.body.spec.paused]).toEqual([1, undefined]);
});
