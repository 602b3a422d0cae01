/** Transcripts of a kubelet with the fake runtime against a real API server on virtual time. */
import { expect, test } from 'vitest';
import type { PodSpec } from '#pkg/api/types/core-v1.ts';
import { configMaps, events, leases, nodes, pods } from '#pkg/api/types/refs.ts';
import { pod, recorded, seen, start, watchPod } from './testing/virtual-node.ts';

test('containers that a killed kubelet had not yet removed are, but for the newest and the one before it', async () => {
  const cluster = await start();
  const { containers } = cluster.runtime;
  const { remove } = containers;
  // As if it had always been killed before it came to that.
  Object.assign(containers, { remove: async () => {} });
  await cluster.client.resource(pods).create(pod('web'));
  await cluster.clock.settle();
  for (let attempt = 0; attempt < 3; attempt++) {
    const running = (await containers.list()).find(({ state }) => state === 'running');
    cluster.runtime.exit(running?.id ?? '', { exitCode: 1 });
    await cluster.clock.advance(60_000);
  }
  const attempts = async (): Promise<readonly number[]> =>
    (await containers.list()).map(({ attempt }) => attempt).toSorted((a, b) => a - b);
  expect(await attempts()).toEqual([0, 1, 2, 3]);
  await cluster.end();
  Object.assign(containers, { remove });
  const { end } = cluster.startKubelet();
  await cluster.clock.settle();
  expect(await attempts()).toEqual([2, 3]);
  await end();
});

test('a pod runs, has an address, conditions and events as upstream', async () => {
  const cluster = await start();
  const { client, clock } = cluster;
  await client.resource(pods).create(pod('web'));
  await clock.settle();
  const { status, metadata } = await client.resource(pods).get('web', { namespace: 'default' });
  const at = '2026-01-01T00:00:00Z';
  const generation = metadata?.generation === undefined ? {} : { observedGeneration: metadata.generation };
  const is = (type: string) => ({ type, ...generation, status: 'True', lastProbeTime: null, lastTransitionTime: at });
  expect(status).toEqual({
    ...generation,
    phase: 'Running',
    conditions: ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(is),
    hostIP: '127.0.0.1',
    hostIPs: [{ ip: '127.0.0.1' }],
    podIP: '127.8.1.2',
    podIPs: [{ ip: '127.8.1.2' }],
    startTime: at,
    containerStatuses: [
      {
        name: 'app',
        image: 'example.com/app:v1',
        imageID: expect.stringMatching(/^example.com\/app@sha256:[0-9a-f]{64}$/),
        containerID: expect.stringMatching(/^fake:\/\/[0-9a-f]{64}$/),
        state: { running: { startedAt: at } },
        lastState: {},
        ready: true,
        restartCount: 0,
        started: true,
        resources: {},
      },
    ],
    qosClass: 'BestEffort',
  });
  expect(await recorded(cluster, 'web')).toEqual([
    'Pulling: Pulling image "example.com/app:v1"',
    'Pulled: Successfully pulled image "example.com/app:v1" in 0s (0s including waiting). Image size: 0 bytes.',
    'Created: Container created',
    'Started: Container started',
  ]);
});

test('the node is registered, ready and renews its lease every ten seconds', async () => {
  const { client, clock } = await start();
  await clock.advance(25_000);
  const node = await client.resource(nodes).get('n1');
  expect(node.metadata?.labels).toEqual({
    'beta.kubernetes.io/arch': 'amd64',
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    'kubernetes.io/hostname': 'n1',
    'kubernetes.io/os': 'linux',
  });
  expect(node.status?.conditions?.map(({ type, status, reason }) => `${type}=${status} ${reason}`)).toEqual([
    'MemoryPressure=False KubeletHasSufficientMemory',
    'DiskPressure=False KubeletHasNoDiskPressure',
    'PIDPressure=False KubeletHasSufficientPID',
    'Ready=True KubeletReady',
  ]);
  const about = (await client.resource(events).list({})).items.filter(
    ({ involvedObject }) => involvedObject.kind === 'Node',
  );
  expect(about.map(({ reason, message }) => `${reason}: ${message}`)).toEqual([
    'Starting: Starting kubelet.',
    'NodeHasSufficientMemory: Node n1 status is now: NodeHasSufficientMemory',
    'NodeHasNoDiskPressure: Node n1 status is now: NodeHasNoDiskPressure',
    'NodeHasSufficientPID: Node n1 status is now: NodeHasSufficientPID',
    'NodeReady: Node n1 status is now: NodeReady',
  ]);
  const lease = await client.resource(leases).get('n1', { namespace: 'kube-node-lease' });
  expect(lease.spec).toEqual({
    holderIdentity: 'n1',
    leaseDurationSeconds: 40,
    renewTime: '2026-01-01T00:00:20.000000Z',
  });
});

test('a node that is made anew takes over the lease that one of its name has left', async () => {
  const cluster = await start();
  const { client, clock } = cluster;
  await clock.advance(5_000);
  await cluster.end();
  await client.resource(nodes).delete('n1');
  await clock.advance(60_000);
  const { end } = cluster.startKubelet();
  await clock.settle();
  const { metadata, spec } = await client.resource(leases).get('n1', { namespace: 'kube-node-lease' });
  expect(spec?.renewTime).toBe('2026-01-01T00:01:05.000000Z');
  expect(metadata?.creationTimestamp).toMatch(/^2026-01-01T00:00:0\d/);
  await end();
});

test('a node that pods are no longer to be put on says so, and when they are again', async () => {
  const { client, clock } = await start();
  for (const unschedulable of [true, true, null]) {
    await client.resource(nodes).patch('n1', { spec: { unschedulable } }, { type: 'merge' });
    await clock.advance(10_000);
  }
  const { items } = await client.resource(events).list({});
  const about = items.filter(({ reason = '' }) => reason.endsWith('Schedulable'));
  expect(about.map(({ reason, message, count }) => `${reason} ${count}: ${message}`)).toEqual([
    'NodeNotSchedulable 1: Node n1 status is now: NodeNotSchedulable',
    'NodeSchedulable 1: Node n1 status is now: NodeSchedulable',
  ]);
});

test('a container that keeps failing waits 10 s, 20 s, 40 s before it is started again', async () => {
  const cluster = await start();
  await cluster.client.resource(pods).create(pod('crash', { annotations: { 'run-time': '2s', 'exit-code': '1' } }));
  await cluster.clock.settle();
  expect(await watchPod(cluster, 'crash', 100_000)).toEqual([
    '0s Running ready=True app=running',
    '2s Running ready=True app=running(1)',
    '4s Running ready=False app=waiting:CrashLoopBackOff(1)',
    '14s Running ready=True app=running(2)',
    '16s Running ready=False app=waiting:CrashLoopBackOff(2)',
    '36s Running ready=True app=running(3)',
    '38s Running ready=False app=waiting:CrashLoopBackOff(3)',
    '78s Running ready=True app=running(4)',
    '80s Running ready=False app=waiting:CrashLoopBackOff(4)',
  ]);
  const { metadata, status } = await cluster.client.resource(pods).get('crash', { namespace: 'default' });
  const container = status?.containerStatuses?.[0];
  expect(container?.state?.waiting?.message).toBe(
    `back-off 1m20s restarting failed container=app pod=crash_default(${metadata?.uid})`,
  );
  expect(container?.lastState?.terminated).toMatchObject({
    exitCode: 1,
    reason: 'Error',
    finishedAt: '2026-01-01T00:01:20Z',
  });
});

test.each([
  ['OnFailure', '0', 'Succeeded', 'app=terminated:Completed'],
  ['Never', '3', 'Failed', 'app=terminated:Error'],
])('restart policy %s with exit code %s ends as %s', async (restartPolicy, exitCode, phase, container) => {
  const cluster = await start();
  const annotations = { 'run-time': '5s', 'exit-code': exitCode };
  await cluster.client.resource(pods).create(pod('job', { annotations, spec: { restartPolicy } }));
  await cluster.clock.advance(6_000);
  expect(await seen(cluster, 'job')).toBe(`6s ${phase} ready=False ${container}`);
});

test('init containers run one after the other, a sidecar beside what follows', async () => {
  const cluster = await start();
  const annotations = { 'one.run-time': '2s', 'two.run-time': '3s', 'side.startup': 'fail,ok@3s' };
  const image = 'example.com/init:v1';
  const probe = { httpGet: { port: 80 }, periodSeconds: 1, failureThreshold: 30 };
  const spec: Partial<PodSpec> = {
    initContainers: [
      { name: 'one', image },
      { name: 'side', image, restartPolicy: 'Always', startupProbe: probe },
      { name: 'two', image },
    ],
  };
  await cluster.client.resource(pods).create(pod('init', { annotations, spec }));
  await cluster.clock.settle();
  expect(await watchPod(cluster, 'init', 10_000)).toEqual([
    '0s Pending ready=False one=running side=waiting:PodInitializing two=waiting:PodInitializing app=waiting:PodInitializing',
    '2s Pending ready=False one=terminated:Completed side=running two=waiting:PodInitializing app=waiting:PodInitializing',
    '5s Pending ready=False one=terminated:Completed side=running two=running app=waiting:PodInitializing',
    '8s Running ready=True one=terminated:Completed side=running two=terminated:Completed app=running',
  ]);
});

test('a pod is ready when its readiness probe says so, and restarted when its liveness probe fails', async () => {
  const cluster = await start();
  const annotations = { readiness: 'fail,ok@5s', liveness: 'ok,500@20s', 'stop-time': '2s' };
  const probe = { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 2, failureThreshold: 3 };
  const container = {
    name: 'app',
    image: 'example.com/app:v1',
    ports: [{ name: 'http', containerPort: 8080 }],
    livenessProbe: probe,
    readinessProbe: { ...probe, failureThreshold: 1 },
  };
  await cluster.client.resource(pods).create(pod('sick', { annotations, spec: { containers: [container] } }));
  await cluster.clock.settle();
  expect(await watchPod(cluster, 'sick', 35_000)).toEqual([
    '0s Running ready=False app=running',
    '5s Running ready=True app=running',
    '27s Running ready=False app=running(1)',
    '32s Running ready=True app=running(1)',
  ]);
  expect(await recorded(cluster, 'sick')).toEqual(
    expect.arrayContaining([
      'Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500 (x3)',
      'Killing: Container app failed liveness probe, will be restarted',
    ]),
  );
});

test('a deleted pod is asked to end, and gone from the API once it has', async () => {
  const cluster = await start();
  await cluster.client.resource(pods).create(pod('slow', { annotations: { 'stop-time': '7s' } }));
  await cluster.client.resource(pods).create(pod('stubborn', { annotations: { 'stop-time': 'forever' } }));
  await cluster.clock.settle();
  for (const name of ['slow', 'stubborn']) await cluster.client.resource(pods).delete(name, { namespace: 'default' });
  const left = async () => (await cluster.client.resource(pods).list({})).items.map(({ metadata }) => metadata?.name);
  await cluster.clock.advance(6_500);
  expect(await left()).toEqual(['slow', 'stubborn']);
  await cluster.clock.advance(1_000);
  expect(await left()).toEqual(['stubborn']);
  await cluster.clock.advance(23_000);
  expect(await left()).toEqual([]);
  expect(await cluster.runtime.sandboxes.list()).toEqual([]);
  expect(await recorded(cluster, 'slow')).toContain('Killing: Stopping container app');
});

test('deleting by force ends the containers too', async () => {
  const cluster = await start();
  await cluster.client.resource(pods).create(pod('web'));
  await cluster.clock.settle();
  await cluster.client.resource(pods).delete('web', { namespace: 'default', gracePeriodSeconds: 0 });
  await cluster.clock.settle();
  expect(await cluster.runtime.containers.list()).toEqual([]);
});

test('an image that cannot be pulled is tried again with back-off', async () => {
  const cluster = await start();
  await cluster.client.resource(pods).create(pod('bad', { annotations: { 'pull-error': 'no such image' } }));
  await cluster.clock.settle();
  expect(await watchPod(cluster, 'bad', 12_000)).toEqual([
    '0s Pending ready=False app=waiting:ErrImagePull',
    '1s Pending ready=False app=waiting:ImagePullBackOff',
    '10s Pending ready=False app=waiting:ErrImagePull',
    '11s Pending ready=False app=waiting:ImagePullBackOff',
  ]);
});

test.each([
  ['..', "unable to provision SubPath `..`: must not contain '..'"],
  ['a/../../b', "unable to provision SubPath `a/../../b`: must not contain '..'"],
  ['/etc', 'error SubPath `/etc` must not be an absolute path'],
  ['$(NONE)', 'missing value for "NONE"'],
])('the subpath %j is refused', async (value, why) => {
  const cluster = await start();
  const volumeMounts = [{ name: 'v', mountPath: '/v', subPathExpr: value === '$(NONE)' ? value : '$(PART)' }];
  const env = [{ name: 'PART', value }];
  const containers = [{ name: 'app', image: 'example.com/app:v1', env, volumeMounts }];
  await cluster.client
    .resource(pods)
    .create(pod('p', { spec: { containers, volumes: [{ name: 'v', emptyDir: {} }] } }));
  await cluster.clock.settle();
  expect(await seen(cluster, 'p')).toBe('0s Pending ready=False app=waiting:CreateContainerConfigError');
  expect(await recorded(cluster, 'p')).toContain(`Failed: Error: ${why}`);
});

test('what the configuration names and is missing is waited for', async () => {
  const cluster = await start();
  const { client, clock } = cluster;
  const env = [{ name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'color' } } }];
  const containers = [{ name: 'app', image: 'example.com/app:v1', env }];
  await client.resource(pods).create(pod('env', { spec: { containers } }));
  await client
    .resource(pods)
    .create(pod('volume', { spec: { volumes: [{ name: 'v', configMap: { name: 'settings' } }] } }));
  await clock.settle();
  expect([await seen(cluster, 'env'), await seen(cluster, 'volume')]).toEqual([
    '0s Pending ready=False app=waiting:CreateContainerConfigError',
    '0s Pending ready=False app=waiting:ContainerCreating',
  ]);
  expect(await recorded(cluster, 'env')).toContain('Failed: Error: configmap "settings" not found');
  expect(await recorded(cluster, 'volume')).toContain(
    'FailedMount: MountVolume.SetUp failed for volume "v" : configmap "settings" not found',
  );
  await client.resource(configMaps).create({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings', namespace: 'default' },
    data: { color: 'red' },
  });
  await clock.advance(10_000);
  expect([await seen(cluster, 'env'), await seen(cluster, 'volume')]).toEqual([
    '10s Running ready=True app=running',
    '10s Running ready=True app=running',
  ]);
});

test("a pod that does not fit is failed with upstream's words", async () => {
  const cluster = await start();
  const big = (cpu: string) => [{ name: 'app', image: 'example.com/app:v1', resources: { requests: { cpu } } }];
  await cluster.client.resource(pods).create(pod('first', { spec: { containers: big('3') } }));
  await cluster.client.resource(pods).create(pod('second', { spec: { containers: big('1500m') } }));
  await cluster.client.resource(pods).create(pod('third', { spec: { nodeSelector: { disk: 'ssd' } } }));
  await cluster.clock.settle();
  const statusOf = async (name: string) => {
    const { status } = await cluster.client.resource(pods).get(name, { namespace: 'default' });
    return [status?.phase, status?.reason, status?.message];
  };
  expect([await statusOf('first'), await statusOf('second'), await statusOf('third')]).toEqual([
    ['Running', undefined, undefined],
    [
      'Failed',
      'OutOfcpu',
      "Pod was rejected: Node didn't have enough resource: cpu, requested: 1500, used: 3000, capacity: 4000",
    ],
    [
      'Failed',
      'NodeAffinity',
      "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    ],
  ]);
});

test('a pod that was deleted by force no longer counts, while it ends', async () => {
  const cluster = await start();
  const containers = [{ name: 'app', image: 'example.com/app:v1', resources: { requests: { cpu: '3' } } }];
  const annotations = { 'stop-time': '2s' };
  await cluster.client.resource(pods).create(pod('victim', { annotations, spec: { containers } }));
  await cluster.clock.settle();
  await cluster.client.resource(pods).delete('victim', { namespace: 'default', gracePeriodSeconds: 0 });
  await cluster.client.resource(pods).create(pod('next', { spec: { containers } }));
  await cluster.clock.settle();
  const { status } = await cluster.client.resource(pods).get('next', { namespace: 'default' });
  expect([status?.phase, status?.message]).toEqual(['Running', undefined]);
});

test('a pod that runs longer than its deadline is failed', async () => {
  const cluster = await start();
  await cluster.client.resource(pods).create(pod('late', { spec: { activeDeadlineSeconds: 30 } }));
  await cluster.clock.advance(31_000);
  const { status } = await cluster.client.resource(pods).get('late', { namespace: 'default' });
  expect([status?.phase, status?.reason, status?.message]).toEqual([
    'Failed',
    'DeadlineExceeded',
    'Pod was active on the node longer than the specified deadline',
  ]);
});

test('a kubelet that starts again takes over what runs without an event, and starts again what was lost (fault 65)', async () => {
  const cluster = await start();
  const { client, clock, runtime } = cluster;
  await client.resource(pods).create(pod('kept'));
  await client.resource(pods).create(pod('lost'));
  await clock.settle();
  await cluster.end();
  const told = async (name: string): Promise<string> => {
    const { items } = await client.resource(events).list({});
    const about = items.filter(({ involvedObject }) => involvedObject.name === name);
    return about
      .map(({ reason, count = 1 }) => `${reason} ${count}`)
      .sort()
      .join(', ');
  };
  const toldBefore = await told('kept');
  const before = await client.resource(pods).get('kept', { namespace: 'default' });
  for (const { id, config } of await runtime.sandboxes.list()) {
    if (config.podName === 'lost') await runtime.sandboxes.remove(id);
  }
  await clock.advance(60_000);
  const again = cluster.startKubelet();
  await clock.settle();
  expect((await client.resource(pods).get('kept', { namespace: 'default' })).status).toEqual(before.status);
  expect(await seen(cluster, 'lost')).toBe('60s Running ready=True app=running(1)');
  expect(await told('kept')).toBe(toldBefore);
  // Those of any container that is started.
  expect(await told('lost')).toBe('Created 1, Created 1, Pulled 1, Pulled 1, Started 1, Started 1');
  await again.end();
});

test('a deletion can be hurried: the shorter grace period counts', async () => {
  const { client, clock } = await start();
  await client.resource(pods).create(pod('stubborn', { annotations: { 'stop-time': 'forever' } }));
  await clock.settle();
  await client.resource(pods).delete('stubborn', { namespace: 'default' });
  await clock.advance(5_000);
  await client.resource(pods).delete('stubborn', { namespace: 'default', gracePeriodSeconds: 2 });
  const left = async () => (await client.resource(pods).list({})).items.length;
  await clock.advance(1_500);
  expect(await left()).toBe(1);
  await clock.advance(1_000);
  expect(await left()).toBe(0);
});

test('a preStop hook takes its time from the grace period', async () => {
  const { client, clock } = await start();
  const container = { name: 'app', image: 'a:v1', lifecycle: { preStop: { sleep: { seconds: 4 } } } };
  await client.resource(pods).create(pod('hooked', { spec: { containers: [container] } }));
  await clock.settle();
  await client.resource(pods).delete('hooked', { namespace: 'default' });
  const left = async () => (await client.resource(pods).list({})).items.length;
  await clock.advance(3_900);
  expect(await left()).toBe(1);
  await clock.advance(200);
  expect(await left()).toBe(0);
});

test('the end of the log is the message of a failure, where the policy says so', async () => {
  const { client, clock } = await start();
  const annotations = { log: 'one\ntwo', 'run-time': '1s', 'exit-code': '1' };
  const containers = [{ name: 'app', image: 'a:v1', terminationMessagePolicy: 'FallbackToLogsOnError' as const }];
  await client.resource(pods).create(pod('job', { annotations, spec: { containers, restartPolicy: 'Never' } }));
  await clock.advance(2_000);
  const { status } = await client.resource(pods).get('job', { namespace: 'default' });
  expect(status?.containerStatuses?.[0]?.state?.terminated?.message).toBe('one\ntwo\n');
});

test("the kubelet's own API lists pods, gives logs and refuses what it does not do", async () => {
  const { client, clock, kubelet } = await start();
  await client.resource(pods).create(pod('web', { annotations: { log: 'one\ntwo\nthree' } }));
  await clock.settle();
  const get = async (path: string): Promise<string> => {
    const [route = '', query = ''] = path.split('?');
    const { signal } = new AbortController();
    const peer = { address: '' };
    const answer = await kubelet.handle({ method: 'GET', path: route, query, headers: {}, peer, signal });
    let text = '';
    if (answer.body.kind === 'stream')
      for await (const part of answer.body.chunks) text += Buffer.from(part).toString();
    else if (answer.body.kind === 'bytes' || answer.body.kind === 'object') {
      const { bytes } = answer.body;
      text = Buffer.from(typeof bytes === 'function' ? bytes() : bytes).toString();
    }
    return `${answer.status} ${text}`;
  };
  const logs = '/containerLogs/default/web/app';
  expect(await Promise.all([logs, `${logs}?tailLines=1&timestamps=true`, `${logs}?limitBytes=5`].map(get))).toEqual([
    '200 one\ntwo\nthree\n',
    '200 2026-01-01T00:00:00.000000000Z three\n',
    '200 one\nt',
  ]);
  expect(await get(`${logs}?previous=true`)).toBe('400 previous terminated container "app" in pod "web" not found');
  expect(await get(`${logs}?tailLines=x`)).toBe('400 tailLines: Invalid value: must be a number not below 0');
  expect(await get('/healthz')).toBe('200 ok');
  expect(await get('/exec/default/web/app')).toBe('400 you must specify at least 1 of stdin, stdout, stderr');
  expect(JSON.parse((await get('/pods')).slice(4))).toMatchObject({
    kind: 'PodList',
    items: [{ metadata: { name: 'web' } }],
  });
});

test('a kubelet whose node was taken for silent, while it was only stopped, says within ten seconds that it is back (fault 30)', async () => {
  const { client, clock } = await start();
  await clock.advance(60_000);
  const node = await client.resource(nodes).get('n1');
  const conditions = node.status!.conditions!.map((condition) => ({
    ...condition,
    status: 'Unknown' as const,
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
  }));
  await client.resource(nodes).update({ ...node, status: { ...node.status, conditions } }, { subresource: 'status' });
  await clock.advance(10_000);
  const now = (await client.resource(nodes).get('n1')).status?.conditions;
  expect(now?.map(({ type, status, reason }) => `${type}=${status} ${reason}`)).toEqual([
    'MemoryPressure=False KubeletHasSufficientMemory',
    'DiskPressure=False KubeletHasNoDiskPressure',
    'PIDPressure=False KubeletHasSufficientPID',
    'Ready=True KubeletReady',
  ]);
});

test('an extended resource that somebody gives the node may be used, until it is taken away (fault 29)', async () => {
  const { client, clock } = await start();
  await clock.advance(20_000);
  const patch = (capacity: Record<string, string | null>) =>
    client.resource(nodes).patch('n1', { status: { capacity } }, { type: 'merge', subresource: 'status' });
  await patch({ 'example.com/dongle': '4' });
  await clock.advance(10_000);
  const amounts = async () => {
    const { status } = await client.resource(nodes).get('n1');
    return { capacity: status?.capacity, allocatable: status?.allocatable };
  };
  const own = { cpu: '4', memory: '8Gi', pods: '110' };
  const more = { ...own, 'example.com/dongle': '4' };
  expect(await amounts()).toEqual({ capacity: more, allocatable: more });
  const asking = (dongles: string) => ({
    containers: [{ name: 'app', image: 'i', resources: { limits: { 'example.com/dongle': dongles } } }],
  });
  await client.resource(pods).create(pod('plays', { spec: asking('3') }));
  await clock.advance(1_000);
  await client.resource(pods).create(pod('waits', { spec: asking('2') }));
  await clock.advance(1_000);
  const reasonOf = async (name: string) =>
    (await client.resource(pods).get(name, { namespace: 'default' })).status?.reason ?? 'none';
  expect([await reasonOf('plays'), await reasonOf('waits')]).toEqual(['none', 'OutOfexample.com/dongle']);
  await clock.advance(400_000);
  expect(await amounts()).toEqual({ capacity: more, allocatable: more });
  await patch({ 'example.com/dongle': null });
  await clock.advance(10_000);
  expect(await amounts()).toEqual({ capacity: own, allocatable: own });
});

test('a node of which nothing has changed is written every five minutes, however its amounts are written', async () => {
  const { client, clock } = await start({ capacity: { cpu: '4000m', memory: '8388608Ki', pods: '110' } });
  const beat = async () =>
    (await client.resource(nodes).get('n1')).status?.conditions?.find(({ type }) => type === 'Ready')
      ?.lastHeartbeatTime;
  await clock.advance(299_000);
  expect(await beat()).toBe('2026-01-01T00:00:00Z');
  await clock.advance(1_000);
  expect(await beat()).toBe('2026-01-01T00:05:00Z');
});

test('a node that has just been made has its status, which is not written again before something has changed', async () => {
  const { client, clock } = await start();
  await clock.settle();
  const node = await client.resource(nodes).get('n1');
  const writers = node.metadata?.managedFields?.map(({ operation, subresource = '' }) => `${operation} ${subresource}`);
  expect(writers).toEqual(['Update ']);
  await clock.advance(300_000);
  const later = await client.resource(nodes).get('n1');
  expect(later.metadata?.managedFields?.map(({ subresource = '' }) => subresource)).toEqual(['', 'status']);
});
