/** What the server answers of fields that nobody has set, and of those that were set to zero (faults 3 and 11): as Go encodes them. */
import { beforeAll, expect, test } from 'vitest';
import { encodeProtobuf } from '#pkg/api/protobuf/codec.ts';
import { type Answer, startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';
import { strategies } from './table.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ strategies });
});

function send(method: string, target: string, body: unknown, type = 'json'): Promise<Answer> {
  const text = body instanceof Uint8Array ? body : JSON.stringify(body);
  return server.call(method, target, { text, headers: { 'content-type': `application/${type}` } });
}

/** An object without type and metadata. */
function content({ body: { kind: _, apiVersion: _v, metadata: _m, ...rest } }: Answer): unknown {
  return rest;
}

const nodeInfo = {
  architecture: '',
  bootID: '',
  containerRuntimeVersion: '',
  kernelVersion: '',
  kubeProxyVersion: '',
  kubeletVersion: '',
  machineID: '',
  operatingSystem: '',
  osImage: '',
  systemUUID: '',
};
const inDefault = (group: string, resource: string): string => `/apis/${group}/namespaces/default/${resource}`;
const pod = { containers: [{ name: 'c', image: 'i' }], restartPolicy: 'OnFailure' };

test.each<[string, string, object, object]>([
  ['a ClusterRole', '/apis/rbac.authorization.k8s.io/v1/clusterroles', {}, { rules: null }],
  ['one with no rule', '/apis/rbac.authorization.k8s.io/v1/clusterroles', { rules: [] }, { rules: null }],
  ['a Lease', inDefault('coordination.k8s.io/v1', 'leases'), {}, { spec: {} }],
  [
    'a Node',
    '/api/v1/nodes',
    {},
    { spec: {}, status: { daemonEndpoints: { kubeletEndpoint: { Port: 0 } }, nodeInfo } },
  ],
  [
    'an EndpointSlice',
    inDefault('discovery.k8s.io/v1', 'endpointslices'),
    { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }] },
    { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'], conditions: {} }], ports: null },
  ],
  [
    'a PodDisruptionBudget',
    inDefault('policy/v1', 'poddisruptionbudgets'),
    { spec: { minAvailable: 0 } },
    {
      spec: { minAvailable: 0 },
      status: { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 },
    },
  ],
  [
    'an Event',
    '/api/v1/namespaces/default/events',
    { involvedObject: { namespace: 'default' } },
    {
      involvedObject: { namespace: 'default' },
      source: {},
      firstTimestamp: null,
      lastTimestamp: null,
      eventTime: null,
      reportingComponent: '',
      reportingInstance: '',
    },
  ],
])('%s has what Go writes of fields that nobody has set (fault 11)', async (name, path, object, wanted) => {
  const metadata = { name: name.toLowerCase().replaceAll(' ', '-') };
  const created = await send('POST', path, { metadata, ...object });
  expect([created.status, content(created)]).toEqual([201, wanted]);
  expect(content(await server.call('GET', `${path}/${metadata.name}`))).toEqual(wanted);
  const { resourceVersion } = created.body.metadata;
  const again = await send('PUT', `${path}/${metadata.name}`, {
    metadata: { ...metadata, resourceVersion },
    ...object,
  });
  expect([again.status, again.body]).toEqual([200, created.body]);
});

test('templates of a CronJob have metadata (fault 11)', async () => {
  const spec = { schedule: '* * * * *', jobTemplate: { spec: { template: { spec: pod } } } };
  const { body } = await send('POST', inDefault('batch/v1', 'cronjobs'), { metadata: { name: 'c' }, spec });
  const { metadata, spec: job } = body.spec.jobTemplate;
  expect([metadata, job.template.metadata, body.status]).toEqual([{}, {}, {}]);
  expect(job.template.spec.containers[0].resources).toEqual({});
});

test('each version of an autoscaler has its own (fault 11)', async () => {
  const spec = { maxReplicas: 2, scaleTargetRef: { kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' } };
  const path = (version: string): string => inDefault(`autoscaling/${version}`, 'horizontalpodautoscalers');
  const first = await send('POST', path('v1'), { metadata: { name: 'a' }, spec });
  expect([first.status, first.body.status]).toEqual([201, { currentReplicas: 0, desiredReplicas: 0 }]);
  expect((await server.call('GET', `${path('v1')}/a`)).body.status).toEqual({ currentReplicas: 0, desiredReplicas: 0 });
  const { body } = await server.call('GET', `${path('v2')}/a`);
  expect(body.status).toEqual({ currentMetrics: null, desiredReplicas: 0 });
});

test('a dry run of another version than the stored one says what would come back', async () => {
  const all = await startTestServer({ strategies, runtimeConfig: { 'api/all': true } });
  const path = '/apis/resource.k8s.io/v1beta1/resourceslices';
  const spec = { driver: 'a', nodeName: 'n', pool: { name: 'p', resourceSliceCount: 1 }, devices: [{ name: 'd' }] };
  const [dry, real] = await Promise.all(
    ['?dryRun=All', ''].map((query) => all.call('POST', path + query, { object: { metadata: { name: 's' }, spec } })),
  );
  expect([dry?.status, dry?.body.spec]).toEqual([201, real?.body.spec]);
});

const zeros = {
  hostNetwork: false,
  hostPID: false,
  hostname: '',
  nodeName: '',
  containers: [
    {
      name: 'c',
      image: 'i',
      stdin: false,
      tty: false,
      workingDir: '',
      volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: false }],
    },
  ],
  volumes: [{ name: 'v', emptyDir: { medium: '' } }],
  hostAliases: [],
  overhead: {},
  // These are pointers: somebody has said so.
  hostUsers: false,
  shareProcessNamespace: false,
  securityContext: { runAsUser: 0 },
};
const withoutZeros = {
  containers: [{ name: 'c', image: 'i', volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
  volumes: [{ name: 'v', emptyDir: {} }],
  hostUsers: false,
  shareProcessNamespace: false,
  securityContext: { runAsUser: 0 },
};
const labels = { app: 'web' };
const deployment = (podSpec: object): object => ({
  kind: 'Deployment',
  apiVersion: 'apps/v1',
  metadata: { name: 'web' },
  spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec } },
});

test('zeros that say nothing are not stored, and leaving them out changes nothing (fault 3)', async () => {
  const path = inDefault('apps/v1', 'deployments');
  const { status, body } = await send('POST', path, deployment(zeros));
  const { spec } = body.spec.template;
  expect(status).toBe(201);
  expect(spec).toMatchObject({ hostUsers: false, shareProcessNamespace: false, securityContext: { runAsUser: 0 } });
  for (const name of ['hostNetwork', 'hostPID', 'hostname', 'nodeName', 'hostAliases', 'overhead']) {
    expect(spec, name).not.toHaveProperty(name);
  }
  expect(Object.keys(spec.containers[0])).not.toEqual(expect.arrayContaining(['stdin']));
  expect([spec.volumes, spec.containers[0].volumeMounts]).toEqual([
    withoutZeros.volumes,
    withoutZeros.containers[0]!.volumeMounts,
  ]);
  const unchanged = { resourceVersion: body.metadata.resourceVersion, generation: 1 };
  const put = await send('PUT', `${path}/web`, deployment(withoutZeros));
  const bytes = encodeProtobuf(deployment(withoutZeros) as never)!;
  const protobuf = await send('PUT', `${path}/web`, bytes, 'vnd.kubernetes.protobuf');
  const merged = await send(
    'PATCH',
    `${path}/web`,
    { spec: { paused: false, template: { spec: { hostNetwork: false, hostname: '' } } } },
    'merge-patch+json',
  );
  const strategic = await send(
    'PATCH',
    `${path}/web`,
    { spec: { template: { spec: zeros } } },
    'strategic-merge-patch+json',
  );
  for (const answer of [put, protobuf, merged, strategic]) expect(answer.body.metadata).toMatchObject(unchanged);
});

test('an apply owns the zero it names, stores none, and changes nothing by leaving it out (fault 3)', async () => {
  const path = `${inDefault('apps/v1', 'deployments')}/applied?fieldManager=m`;
  const apply = (podSpec: object) =>
    send('PATCH', path, { ...deployment(podSpec), metadata: { name: 'applied' } }, 'apply-patch+yaml');
  const first = await apply(zeros);
  expect(first.status).toBe(201);
  expect(first.body.spec.template.spec).not.toHaveProperty('hostNetwork');
  const [{ fieldsV1 }] = first.body.metadata.managedFields;
  expect(fieldsV1['f:spec']['f:template']['f:spec']).toMatchObject({ 'f:hostNetwork': {}, 'f:hostname': {} });
  await server.clock.advance(5_000);
  expect((await apply(zeros)).body).toEqual(first.body);
  const left = await apply(withoutZeros);
  expect([left.body.metadata.generation, left.body.spec]).toEqual([1, first.body.spec]);
});

test.each<[string, object, object, readonly unknown[]]>([
  [
    '/apis/networking.k8s.io/v1/ingressclasses',
    { spec: { controller: 'example.com/a' } },
    { spec: { parameters: { kind: 'K', name: 'n' } } },
    [1, 2],
  ],
  ['/apis/scheduling.k8s.io/v1/priorityclasses', { value: 1 }, { description: 'x' }, [1, 1]],
  [
    '/api/v1/namespaces/default/podtemplates',
    { template: { spec: { ...pod, restartPolicy: 'Always' } } },
    { template: { spec: { hostname: 'h' } } },
    [1, 2],
  ],
  [
    '/api/v1/persistentvolumes',
    { spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/a' } } },
    { spec: { capacity: { storage: '2Gi' } } },
    [undefined, undefined],
  ],
  [
    '/api/v1/namespaces/default/persistentvolumeclaims',
    { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
    { metadata: { labels: { a: 'b' } } },
    [undefined, undefined],
  ],
  [
    '/apis/storage.k8s.io/v1/volumeattachments',
    { spec: { attacher: 'a', nodeName: 'n', source: { persistentVolumeName: 'v' } } },
    { metadata: { labels: { a: 'b' } } },
    [undefined, undefined],
  ],
  [
    '/apis/resource.k8s.io/v1/namespaces/default/resourceclaims',
    {},
    { metadata: { labels: { a: 'b' } } },
    [undefined, undefined],
  ],
])('%s has a generation as upstream (fault 11)', async (path, object, patch, wanted) => {
  const created = await send('POST', path, { metadata: { name: 'generations' }, ...object });
  const changed = await send('PATCH', `${path}/generations`, patch, 'merge-patch+json');
  expect([created.status, changed.status]).toEqual([201, 200]);
  expect([created, changed].map(({ body }) => body.metadata.generation)).toEqual(wanted);
});

test('one pod of a StatefulSet may be unavailable by default (fault 11)', async () => {
  const template = { metadata: { labels }, spec: { ...pod, restartPolicy: 'Always' } };
  const spec = { selector: { matchLabels: labels }, template, serviceName: 's' };
  const { body } = await send('POST', inDefault('apps/v1', 'statefulsets'), { metadata: { name: 's' }, spec });
  expect(body.spec.updateStrategy).toEqual({
    type: 'RollingUpdate',
    rollingUpdate: { partition: 0, maxUnavailable: 1 },
  });
});

test('a spec that nobody has sent has its defaults (fault 10)', async () => {
  const path = inDefault('networking.k8s.io/v1', 'networkpolicies');
  const policy = await send('POST', path, { metadata: { name: 'p' } });
  expect([policy.status, content(policy)]).toEqual([201, { spec: { podSelector: {}, policyTypes: ['Ingress'] } }]);
  const driver = await send('POST', '/apis/storage.k8s.io/v1/csidrivers', { metadata: { name: 'd' } });
  expect([driver.status, driver.body.spec.volumeLifecycleModes]).toEqual([201, ['Persistent']]);
  const { status, body } = await send('POST', inDefault('apps/v1', 'deployments'), { metadata: { name: 'd' } });
  expect([status, body.details.causes.map(({ field }: { field: string }) => field).sort()]).toEqual([
    422,
    ['spec.selector', 'spec.template.metadata.labels', 'spec.template.spec.containers'],
  ]);
});

test('objects of a custom shape keep their zeros', async () => {
  const path = inDefault('apps/v1', 'controllerrevisions');
  const data = { zero: 0, no: false, text: '', list: [], map: {}, nothing: null };
  const { body } = await send('POST', path, { metadata: { name: 'r' }, data, revision: 0 });
  expect([body.data, body.revision]).toEqual([data, 0]);
});
