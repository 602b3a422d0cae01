/** What may be stored and how it is laid out, where the body says something that upstream's rules single out. */
import { beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';
import { createStrategies } from '#pkg/registry/table.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ strategies: createStrategies() });
});

const post = (path: string, object: object) => server.call('POST', path, { object });
const core = (resource: string): string => `/api/v1/namespaces/default/${resource}`;
const flow = (resource: string): string => `/apis/flowcontrol.apiserver.k8s.io/v1/${resource}`;

/** `field: message` of each cause, or what else the answer says. */
async function refusals(path: string, object: object): Promise<readonly string[]> {
  const { status, body } = await post(`${path}?dryRun=All`, object);
  const causes: readonly { field: string; message: string }[] = body.details?.causes ?? [];
  return status === 422 ? causes.map(({ field, message }) => `${field}: ${message}`) : [String(status)];
}

const memory = (amount: string): object => ({ limits: { memory: amount, cpu: '1' }, requests: { memory: amount } });

test('keys that the server adds to a map stand in order (fault 8)', async () => {
  const secret = await post(core('secrets'), { metadata: { name: 's' }, stringData: { a: '1' }, data: { b: 'YQ==' } });
  expect(Object.keys(secret.body.data)).toEqual(['a', 'b']);
  const container = { name: 'c', image: 'i', resources: memory('1Gi') };
  const pod = await post(core('pods'), { metadata: { name: 'p' }, spec: { containers: [container] } });
  expect(Object.keys(pod.body.spec.containers[0].resources.requests)).toEqual(['cpu', 'memory']);
  const limit = { type: 'Container', default: { memory: '1Gi' }, max: { cpu: '1' } };
  const range = await post(core('limitranges'), { metadata: { name: 'r' }, spec: { limits: [limit] } });
  expect(Object.keys(range.body.spec.limits[0].default)).toEqual(['cpu', 'memory']);
  const template = { metadata: { labels: { z: '' } }, spec: { restartPolicy: 'Never', containers: [container] } };
  const job = await post('/apis/batch/v1/namespaces/default/jobs', { metadata: { name: 'j' }, spec: { template } });
  const labels: readonly string[] = Object.keys(job.body.spec.template.metadata.labels);
  expect(labels).toEqual([...labels].sort());
});

test('the keys of a Binding join those of the pod in order (fault 8)', async () => {
  const containers = [{ name: 'c', image: 'i' }];
  await post(core('pods'), { metadata: { name: 'bound', labels: { m: '' } }, spec: { containers } });
  const metadata = { name: 'bound', labels: { z: '', a: '' } };
  await post(core('pods/bound/binding'), { metadata, target: { kind: 'Node', name: 'n' } });
  const { body } = await server.call('GET', core('pods/bound'));
  expect(Object.keys(body.metadata.labels)).toEqual(['a', 'm', 'z']);
});

test('a Binding makes its sender no manager of the pod, and is no update of it', async () => {
  const containers = [{ name: 'c', image: 'i' }];
  await post(core('pods'), { metadata: { name: 'owned' }, spec: { containers } });
  const before = (await server.call('GET', core('pods/owned'))).body;
  const metadata = { name: 'owned', annotations: { put: 'x' } };
  await post(core('pods/owned/binding'), { metadata, target: { kind: 'Node', name: 'n' } });
  const { body } = await server.call('GET', core('pods/owned'));
  expect(body.spec).toEqual({ ...before.spec, nodeName: 'n' });
  expect(body.metadata).toEqual({
    ...before.metadata,
    resourceVersion: body.metadata.resourceVersion,
    annotations: { put: 'x' },
  });
});

test('an object that is a pointer in Go is missing as a whole (fault 10)', async () => {
  const path = '/apis/networking.k8s.io/v1/ipaddresses';
  expect(await refusals(path, { metadata: { name: '10.0.0.1' } })).toEqual(['spec.parentRef: Required value']);
  expect(await refusals(path, { metadata: { name: '10.0.0.1' }, spec: { parentRef: {} } })).toEqual([
    'spec.parentRef.resource: Required value',
    'spec.parentRef.name: Required value',
  ]);
});

test.each([
  ['cpu', []],
  ['hugepages-2Mi', []],
  ['example.com/gpu', []],
  [
    'InvalidResource',
    ['must be a standard resource type or fully qualified', 'must be a standard resource for containers'],
  ],
])('an autoscaler that looks at %s of containers (fault 12)', async (name, details) => {
  const target = { type: 'AverageValue', averageValue: '1' };
  const metrics = [{ type: 'ContainerResource', containerResource: { container: 'c', name, target } }];
  const spec = { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'x' }, metrics };
  const path = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers';
  const field = 'spec.metrics[0].containerResource.name';
  const expected = details.map((detail) => `${field}: Invalid value: "${name}": ${detail}`);
  expect(await refusals(path, { metadata: { name: 'h' }, spec })).toEqual(details.length === 0 ? ['201'] : expected);
});

test.each([
  ['10.0.0.1', ''],
  ['2001:db8::1', ''],
  ['2001:db8:0:1::', ''],
  ['::', ''],
  ['2001:db8::0001', 'must be in canonical form ("2001:db8::1")'],
  ['2001:DB8::1', 'must be in canonical form ("2001:db8::1")'],
  ['1:0:0:2:0:0:0:3', 'must be in canonical form ("1:0:0:2::3")'],
  ['1:0:2:3:4:5:6::', 'must be in canonical form ("1:0:2:3:4:5:6:0")'],
  ['::ffff:1.2.3.4', 'must not be an IPv4-mapped IPv6 address'],
  ['010.0.0.1', 'must not have leading 0s'],
  ['10.0.0.256', 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
])('an address by the name %s (fault 12)', async (name, detail) => {
  const object = { metadata: { name }, spec: { parentRef: { resource: 'services', name: 'x' } } };
  const expected = detail === '' ? ['201'] : [`metadata.name: Invalid value: "${name}": ${detail}`];
  expect(await refusals('/apis/networking.k8s.io/v1/ipaddresses', object)).toEqual(expected);
});

test('a load balancer does not open the port of kubelets; nothing else minds (fault 12)', async () => {
  const service = (type: string): object => ({ metadata: { name: 's' }, spec: { type, ports: [{ port: 10250 }] } });
  expect(await refusals(core('services'), service('LoadBalancer'))).toEqual([
    'spec.ports[0]: Invalid value: 10250: may not expose port 10250 externally since it is used by kubelet',
  ]);
  expect(await refusals(core('services'), service('NodePort'))).toEqual(['201']);
});

const everything = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
};
const group = (name: string): object => ({ kind: 'Group', group: { name } });
const catchAll = {
  priorityLevelConfiguration: { name: 'catch-all' },
  matchingPrecedence: 10_000,
  distinguisherMethod: { type: 'ByUser' },
  rules: [{ subjects: [group('system:unauthenticated'), group('system:authenticated')], ...everything }],
};
const exempt = {
  priorityLevelConfiguration: { name: 'exempt' },
  matchingPrecedence: 1,
  rules: [{ subjects: [group('system:masters')], ...everything }],
};

test.each<[string, string, object, string]>([
  ['flowschemas', 'exempt', exempt, ''],
  ['flowschemas', 'catch-all', catchAll, ''],
  ['flowschemas', 'exempt', { ...exempt, rules: catchAll.rules }, "spec of 'exempt' must equal the fixed value"],
  [
    'flowschemas',
    'catch-all',
    { ...catchAll, matchingPrecedence: 9 },
    "spec of 'catch-all' must equal the fixed value",
  ],
  ['flowschemas', 'mine', { ...catchAll, matchingPrecedence: 9 }, ''],
  ['prioritylevelconfigurations', 'exempt', { type: 'Exempt', exempt: { nominalConcurrencyShares: 7 } }, ''],
  [
    'prioritylevelconfigurations',
    'catch-all',
    { type: 'Limited', limited: { nominalConcurrencyShares: 5, limitResponse: { type: 'Reject' } } },
    '',
  ],
  [
    'prioritylevelconfigurations',
    'catch-all',
    { type: 'Limited', limited: { nominalConcurrencyShares: 6, limitResponse: { type: 'Reject' } } },
    "spec of 'catch-all' must equal the fixed value",
  ],
])('%s %s are as they are (fault 12)', async (resource, name, spec, detail) => {
  const found = await refusals(flow(resource), { metadata: { name }, spec });
  // Those that the server makes at its start are there already, which is found after the rules.
  const accepted = name === 'mine' ? '201' : '409';
  expect(found.map((text) => text.replace(/Invalid value: .*: spec of/, 'spec of'))).toEqual(
    detail === '' ? [accepted] : [`spec: ${detail}`],
  );
});

test('a scaleIO volume needs no secret (fault 12)', async () => {
  const scaleIO = { gateway: 'g', system: 's', volumeName: 'v' };
  const spec = { containers: [{ name: 'c', image: 'i' }], volumes: [{ name: 'v', scaleIO }] };
  expect(await refusals(core('pods'), { metadata: { name: 'x' }, spec })).toEqual(['201']);
  const volume = { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], scaleIO };
  expect(await refusals('/api/v1/persistentvolumes', { metadata: { name: 'x' }, spec: volume })).toEqual(['201']);
});

test('no exit codes are one error (fault 12)', async () => {
  const rules = [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [] } }];
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
  const spec = { podFailurePolicy: { rules }, template };
  expect(await refusals('/apis/batch/v1/namespaces/default/jobs', { metadata: { name: 'x' }, spec })).toEqual([
    'spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: []: at least one value is required',
  ]);
});

test('what no etcd would take is refused, whatever the store (fault 14)', async () => {
  const event = (name: string, bytes: number): object => ({
    metadata: { name },
    involvedObject: { namespace: 'default' },
    message: 'x'.repeat(bytes),
  });
  expect((await post(core('events'), event('fits', 1_500_000))).status).toBe(201);
  const { status, body } = await post(core('events'), event('large', 1_572_864));
  expect([status, body.reason, body.message]).toEqual([
    413,
    'RequestEntityTooLarge',
    'Request entity too large: limit is 1568768',
  ]);
  const patch = {
    object: { reason: 'y'.repeat(100_000) },
    headers: { 'content-type': 'application/merge-patch+json' },
  };
  expect((await server.call('PATCH', core('events/fits'), patch)).status).toBe(413);
  expect((await server.call('GET', core('events/fits'))).body.reason).toBeUndefined();
});

test('the port of a backend and the target of an autoscaler are one value each (fault 5)', async () => {
  const apply = (path: string, manager: string, object: object) =>
    server.call('PATCH', `${path}?fieldManager=${manager}&force=${manager === 'b'}`, {
      object,
      headers: { 'content-type': 'application/apply-patch+yaml' },
    });
  const ingress = (port: object): object => ({
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'i' } },
    spec: { defaultBackend: { service: { name: 's', port } } },
  });
  const path = '/apis/networking.k8s.io/v1/namespaces/default/ingresses/i';
  await apply(path, 'a', ingress({ number: 80 }));
  const forced = await apply(path, 'b', ingress({ name: 'http' }));
  expect([forced.status, forced.body.spec?.defaultBackend.service.port]).toEqual([200, { name: 'http' }]);
  const scaler = (scaleTargetRef: object): object => ({
    ...{ apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', metadata: { name: 'h' } },
    spec: { maxReplicas: 2, scaleTargetRef },
  });
  const scalers = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/h';
  await apply(scalers, 'a', scaler({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'x' }));
  const { body } = await apply(scalers, 'b', scaler({ kind: 'Deployment', name: 'y' }));
  expect(body.spec.scaleTargetRef).toEqual({ kind: 'Deployment', name: 'y' });
});

const ingressRules = { defaultBackend: { service: { name: 's', port: { number: 80 } } } };

test.each([
  ['/api/v1/namespaces/default/configmaps', {}, '/registry/configmaps/default/x'],
  ['/api/v1/namespaces/default/services', { spec: { ports: [{ port: 80 }] } }, '/registry/services/specs/default/x'],
  ['/api/v1/namespaces/default/endpoints', {}, '/registry/services/endpoints/default/x'],
  ['/api/v1/nodes', {}, '/registry/minions/x'],
  ['/apis/networking.k8s.io/v1/namespaces/default/ingresses', { spec: ingressRules }, '/registry/ingress/default/x'],
])(
  'a write for another object than there is at %s names the key as upstream does (fault 20)',
  async (path, object, key) => {
    const made = await post(path, { ...object, metadata: { name: 'x' } });
    expect(made.status).toBe(201);
    const { status, body } = await server.call('PUT', `${path}/x`, {
      object: { ...object, metadata: { name: 'x', uid: 'other' } },
    });
    const resource = path.slice(path.lastIndexOf('/') + 1);
    expect([status, body.message]).toEqual([
      409,
      `Operation cannot be fulfilled on ${resource}${path.startsWith('/apis') ? '.networking.k8s.io' : ''} "x": StorageError: ` +
        `invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in ` +
        `precondition: other, UID in object meta: ${made.body.metadata.uid}`,
    ]);
  },
);
