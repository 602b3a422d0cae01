/** What becomes of special pods: rejected ones, ephemeral containers, sidecars that end late, hooks and probes that fail, host ports. */
import { expect, test } from 'vitest';
import type { PodSpec } from '#pkg/api/types/core-v1.ts';
import { configMaps, events, pods } from '#pkg/api/types/refs.ts';
import type { HostPortFailure, HostPorts } from '#pkg/network/host-ports.ts';
import { type Cluster, pod, recorded, seen, start, watchPod } from './testing/virtual-node.ts';

const inDefault = { namespace: 'default' };
const app = { name: 'app', image: 'example.com/app:v1' };

async function fieldPaths(cluster: Cluster, name: string): Promise<string[]> {
  const list = await cluster.client.resource(events).list(inDefault);
  const about = list.items.filter(({ involvedObject }) => involvedObject.name === name);
  return about.map(({ reason, involvedObject }) => `${reason} ${involvedObject.fieldPath}`);
}

test('of a pod that is not taken nothing is said but why', async () => {
  const cluster = await start();
  const api = cluster.client.resource(pods);
  const { nodeName: _, ...spec } = pod('stray').spec!;
  await api.create({ ...pod('stray'), spec: { ...spec, nodeSelector: { disk: 'ssd' } } });
  const scheduled = { type: 'PodScheduled', status: 'True' };
  await api.patch(
    'stray',
    { status: { conditions: [scheduled] } },
    { ...inDefault, type: 'merge', subresource: 'status' },
  );
  await api.createSubresource(
    'stray',
    'binding',
    { metadata: { name: 'stray' }, target: { kind: 'Node', name: 'n1' } } as never,
    inDefault,
  );
  await cluster.clock.settle();
  const { metadata, status } = await cluster.client.resource(pods).get('stray', inDefault);
  const why = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector";
  expect(status).toEqual({
    observedGeneration: metadata?.generation,
    phase: 'Failed',
    reason: 'NodeAffinity',
    message: `Pod was rejected: ${why}`,
    startTime: '2026-01-01T00:00:00Z',
    qosClass: 'BestEffort',
  });
  expect(await recorded(cluster, 'stray')).toEqual([`NodeAffinity: ${why}`]);
  await cluster.client.resource(pods).delete('stray', inDefault);
  await cluster.clock.settle();
  expect((await cluster.client.resource(pods).list(inDefault)).items).toEqual([]);
});

test('an ephemeral container joins a pod that runs, and is not started again', async () => {
  const cluster = await start();
  const { client, clock } = cluster;
  const annotations = { 'debug.run-time': '5s', 'debug.log': 'looked' };
  const made = await client.resource(pods).create(pod('web', { annotations }));
  await clock.settle();
  const ephemeralContainers = [{ name: 'debug', image: 'example.com/tools:v1', targetContainerName: 'app' }];
  const patch = { spec: { ephemeralContainers } };
  await client
    .resource(pods)
    .patch('web', patch, { ...inDefault, type: 'strategic', subresource: 'ephemeralcontainers' });
  await clock.settle();
  const read = async () => (await client.resource(pods).get('web', inDefault)).status;
  const first = await read();
  expect(first?.ephemeralContainerStatuses).toEqual([
    {
      name: 'debug',
      image: 'example.com/tools:v1',
      imageID: expect.stringContaining('example.com/tools@sha256:'),
      containerID: expect.stringContaining('fake://'),
      state: { running: { startedAt: '2026-01-01T00:00:00Z' } },
      lastState: {},
      ready: false,
      restartCount: 0,
      resources: {},
    },
  ]);
  expect(first?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('True');
  await clock.advance(60_000);
  const later = await read();
  expect(later?.ephemeralContainerStatuses?.[0]?.state).toMatchObject({ terminated: { exitCode: 0 } });
  expect([later?.phase, later?.containerStatuses?.[0]?.restartCount]).toEqual(['Running', 0]);
  expect((await fieldPaths(cluster, 'web')).slice(-2)).toEqual([
    'Created spec.ephemeralContainers{debug}',
    'Started spec.ephemeralContainers{debug}',
  ]);
  await cluster.end();
  cluster.startKubelet();
  await clock.advance(60_000);
  expect((await read())?.ephemeralContainerStatuses).toEqual(later?.ephemeralContainerStatuses);
  expect((await client.resource(pods).get('web', inDefault)).metadata?.uid).toBe(made.metadata?.uid);
});

test('a pod runs until its sidecars have ended, in the reverse of their order', async () => {
  const cluster = await start();
  const annotations = { 'app.run-time': '3s', 'one.stop-time': '2s', 'two.stop-time': '4s' };
  const sidecar = (name: string) => ({ name, image: 'example.com/side:v1', restartPolicy: 'Always' });
  const spec: Partial<PodSpec> = { restartPolicy: 'Never', initContainers: [sidecar('one'), sidecar('two')] };
  await cluster.client.resource(pods).create(pod('job', { annotations, spec }));
  await cluster.clock.settle();
  expect(await watchPod(cluster, 'job', 12_000)).toEqual([
    '0s Running ready=True one=running two=running app=running',
    '3s Running ready=False one=running two=running app=terminated:Completed',
    '9s Succeeded ready=False one=terminated:Error two=terminated:Error app=terminated:Completed',
  ]);
  const { status } = await cluster.client.resource(pods).get('job', inDefault);
  expect(status?.podIP).toBe('127.8.1.2');
  expect(status?.conditions?.map((one) => `${one.type}=${one.status} ${one.reason ?? ''}`.trim())).toEqual([
    'PodReadyToStartContainers=False',
    'Initialized=True PodCompleted',
    'Ready=False PodCompleted',
    'ContainersReady=False PodCompleted',
    'PodScheduled=True',
  ]);
  expect((await fieldPaths(cluster, 'job')).filter((path) => path.startsWith('Killing'))).toEqual([
    'Killing spec.initContainers{two}',
    'Killing spec.initContainers{one}',
  ]);
});

test('a pod has failed once its containers have ended, not before', async () => {
  const cluster = await start();
  const annotations = { 'app.stop-time': '5s', 'first.run-time': '1s', 'first.exit-code': '1', 'side.stop-time': '3s' };
  await cluster.client.resource(pods).create(pod('late', { annotations, spec: { activeDeadlineSeconds: 10 } }));
  const image = 'example.com/init:v1';
  const initContainers = [
    { name: 'side', image, restartPolicy: 'Always' },
    { name: 'first', image },
  ];
  const spec: Partial<PodSpec> = { initContainers, restartPolicy: 'Never' };
  await cluster.client.resource(pods).create(pod('stillborn', { annotations, spec }));
  await cluster.clock.settle();
  const reasonOf = async (): Promise<unknown> =>
    (await cluster.client.resource(pods).get('late', inDefault)).status?.reason;
  await cluster.clock.advance(2_000);
  expect(await seen(cluster, 'stillborn')).toBe(
    '2s Pending ready=False side=running first=terminated:Error app=waiting:PodInitializing',
  );
  await cluster.clock.advance(10_000);
  expect([await seen(cluster, 'late'), await reasonOf()]).toEqual(['12s Running ready=False app=running', undefined]);
  expect(await seen(cluster, 'stillborn')).toBe(
    '12s Failed ready=False side=terminated:Error first=terminated:Error app=waiting:PodInitializing',
  );
  await cluster.clock.advance(4_000);
  expect([await seen(cluster, 'late'), await reasonOf()]).toEqual([
    '16s Failed ready=False app=terminated:Error',
    'DeadlineExceeded',
  ]);
});

test('what a hook says is not told, as it may be secret', async () => {
  const cluster = await start();
  const lifecycle = { postStart: { tcpSocket: { port: 80 } } };
  await cluster.client.resource(pods).create(pod('hooked', { spec: { containers: [{ ...app, lifecycle }] } }));
  await cluster.clock.settle();
  const said = (await recorded(cluster, 'hooked')).filter((event) => /Hook/.test(event));
  expect(said).toEqual(['FailedPostStartHook: PostStartHook failed (x2)', 'Killing: FailedPostStartHook (x2)']);
});

test('a probe that cannot be asked says nothing of its container', async () => {
  const cluster = await start();
  const probe = { httpGet: { port: 'web' }, periodSeconds: 1, failureThreshold: 1 };
  const containers = [{ ...app, livenessProbe: probe, readinessProbe: { grpc: { port: 80 }, periodSeconds: 1 } }];
  await cluster.client.resource(pods).create(pod('odd', { spec: { containers } }));
  await cluster.clock.advance(10_000);
  expect(await seen(cluster, 'odd')).toBe('10s Running ready=True app=running');
  expect(await recorded(cluster, 'odd')).toEqual(
    expect.arrayContaining([
      expect.stringContaining(
        'Unhealthy: Liveness probe errored and resulted in unknown state: strconv.Atoi: parsing "web": invalid syntax',
      ),
    ]),
  );
});

test('a pod that is ending says when it is no longer ready', async () => {
  const cluster = await start();
  const annotations = { readiness: 'ok,fail@5s', 'stop-time': '20s' };
  const readinessProbe = { httpGet: { port: 80 }, periodSeconds: 1, failureThreshold: 1 };
  await cluster.client
    .resource(pods)
    .create(pod('web', { annotations, spec: { containers: [{ ...app, readinessProbe }] } }));
  await cluster.clock.advance(3_000);
  await cluster.client.resource(pods).delete('web', inDefault);
  await cluster.clock.advance(1_000);
  expect(await seen(cluster, 'web')).toBe('4s Running ready=True app=running');
  await cluster.clock.advance(2_000);
  expect(await seen(cluster, 'web')).toBe('6s Running ready=False app=running');
});

test('a pod that runs goes on without what its volumes named', async () => {
  const cluster = await start();
  const { client, clock } = cluster;
  const settings = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings', ...inDefault } } as const;
  await client.resource(configMaps).create(settings);
  const spec = { volumes: [{ name: 'v', configMap: { name: 'settings' } }] };
  await client.resource(pods).create(pod('web', { annotations: { 'run-time': '30s,forever' }, spec }));
  await clock.advance(10_000);
  await client.resource(configMaps).delete('settings', inDefault);
  await clock.advance(25_000);
  expect(await seen(cluster, 'web')).toBe('35s Running ready=True app=running(1)');
  expect((await recorded(cluster, 'web')).filter((event) => event.startsWith('FailedMount'))).toEqual([
    expect.stringContaining('MountVolume.SetUp failed for volume "v" : configmap "settings" not found'),
  ]);
});

/** Host ports that note what is asked, and of which some are taken. */
class NotedHostPorts implements HostPorts {
  readonly calls: string[] = [];
  readonly taken = new Set<number>();

  async publish(
    _: string,
    { addresses, ports }: Parameters<HostPorts['publish']>[1],
  ): Promise<readonly HostPortFailure[]> {
    const all = ports.map((port) => `${port.protocol} ${port.hostIp || 'node'}:${port.hostPort}`);
    this.calls.push(`publish ${all.join(', ')} to ${addresses.join()}`);
    const failed = ports.filter(({ hostPort }) => this.taken.has(hostPort));
    return failed.map((port) => ({ port, message: `Cannot publish ${port.hostPort} as it is taken` }));
  }

  async withdraw(): Promise<void> {
    this.calls.push('withdraw');
  }

  async close(): Promise<void> {}
}

test('host ports lead to the pod while it runs; one that is taken is said once and tried again', async () => {
  const hostPorts = new NotedHostPorts();
  hostPorts.taken.add(8080);
  const cluster = await start({ hostPorts });
  const ports = [
    { containerPort: 80, hostPort: 8080 },
    { containerPort: 53, hostPort: 5353, hostIP: '127.0.0.9', protocol: 'UDP' },
    { containerPort: 81 },
  ];
  await cluster.client.resource(pods).create(pod('edge', { spec: { containers: [{ ...app, ports }] } }));
  await cluster.clock.advance(15_000);
  hostPorts.taken.clear();
  await cluster.clock.advance(10_000);
  const published = 'publish TCP node:8080, UDP 127.0.0.9:5353 to 127.8.1.2';
  expect(new Set(hostPorts.calls)).toEqual(new Set([published]));
  const tries = hostPorts.calls.length;
  await cluster.clock.advance(60_000);
  expect(hostPorts.calls.length).toBe(tries);
  expect(await seen(cluster, 'edge')).toBe('85s Running ready=True app=running');
  const trouble = (await recorded(cluster, 'edge')).filter((event) => event.startsWith('HostPort'));
  expect(trouble).toEqual(['HostPortNotPublished: Cannot publish 8080 as it is taken']);
  await cluster.client.resource(pods).delete('edge', inDefault);
  await cluster.clock.advance(1_000);
  expect(hostPorts.calls.slice(tries)).toEqual(['withdraw']);
});
