import { afterEach, expect, test } from 'vitest';
import type { Pod, Service } from '#pkg/api/types/core-v1.ts';
import { endpointSlices, endpoints, pods, services } from '#pkg/api/types/refs.ts';
import { addNode, type Harness, startHarness } from '../testing/harness.ts';
import { sliceChanges } from './slices.ts';

let harness: Harness | undefined;
afterEach(async () => {
  await harness?.stop();
  harness = undefined;
});

const controllers = ['endpoints-controller', 'endpointslice-controller'];

const service = (spec: Partial<NonNullable<Service['spec']>> = {}): Service => ({
  metadata: { name: 'web', namespace: 'default', labels: { team: 'a' } },
  spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }], ...spec },
});

const pod = (name: string, labels: Record<string, string> = {}): Pod => ({
  metadata: { name, namespace: 'default', labels: { app: 'web', ...labels } },
  spec: {
    containers: [{ name: 'main', image: 'v1', ports: [{ name: 'http', containerPort: 8080 }] }],
    terminationGracePeriodSeconds: 5,
  },
});

test('ready pods become endpoints, others not ready ones; both kinds of objects follow', async () => {
  harness = await startHarness({ controllers });
  await addNode(harness, 'n1', { 'topology.kubernetes.io/zone': 'z1' });
  await harness.client.resource(services).create(service());
  await harness.client.resource(pods).create(pod('a'));
  await harness.client.resource(pods).create(pod('b', { broken: '' }));
  await harness.clock.advance(1_000);
  const [a, b] = [(await harness.get(pods, 'default/a'))!, (await harness.get(pods, 'default/b'))!];
  const refOf = (p: Pod) => ({ kind: 'Pod', namespace: 'default', name: p.metadata!.name!, uid: p.metadata!.uid! });
  const slices = await harness.list(endpointSlices, 'default');
  expect(slices.length).toBe(1);
  expect(slices[0]).toMatchObject({
    metadata: {
      labels: {
        team: 'a',
        'kubernetes.io/service-name': 'web',
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: 'web', controller: true, blockOwnerDeletion: true }],
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  });
  expect([...slices[0]!.endpoints!].sort((x, y) => (x.targetRef!.name! < y.targetRef!.name! ? -1 : 1))).toEqual([
    {
      addresses: [a.status!.podIP],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: 'n1',
      zone: 'z1',
      targetRef: refOf(a),
    },
    {
      addresses: [b.status!.podIP],
      conditions: { ready: false, serving: false, terminating: false },
      nodeName: 'n1',
      zone: 'z1',
      targetRef: refOf(b),
    },
  ]);
  expect((await harness.get(endpoints, 'default/web'))?.subsets).toEqual([
    {
      addresses: [{ ip: a.status!.podIP, nodeName: 'n1', targetRef: refOf(a) }],
      notReadyAddresses: [{ ip: b.status!.podIP, nodeName: 'n1', targetRef: refOf(b) }],
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    },
  ]);
});

test('a service without pods has one empty slice, one without selector none; deletion of pods empties again', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(services).create(service());
  await harness.client.resource(services).create({
    metadata: { name: 'manual', namespace: 'default' },
    spec: { ports: [{ port: 80 }] },
  });
  await harness.clock.settle();
  const seen = async () =>
    (await harness!.list(endpointSlices, 'default')).map((slice) => [
      slice.metadata?.labels?.['kubernetes.io/service-name'],
      slice.endpoints?.length ?? 0,
    ]);
  expect(await seen()).toEqual([['web', 0]]);
  expect(await harness.get(endpoints, 'default/manual')).toBeUndefined();
  await harness.client.resource(pods).create(pod('a'));
  await harness.clock.advance(1_000);
  expect(await seen()).toEqual([['web', 1]]);
  await harness.client.resource(pods).delete('a', { namespace: 'default' });
  await harness.clock.advance(1_000);
  expect(await seen()).toEqual([['web', 0]]);
  expect((await harness.get(endpoints, 'default/web'))?.subsets ?? []).toEqual([]);
  harness.writes.length = 0;
  await harness.clock.advance(3_600_000);
  expect(harness.writes).toEqual([]);
});

test('a slice holds at most 100 endpoints and those that stay are left where they are', () => {
  const running = Array.from(
    { length: 150 },
    (_, index): Pod => ({
      ...pod(`p${index}`),
      metadata: { ...pod(`p${index}`).metadata, uid: `u${index}` },
      status: { podIP: `10.0.0.${index}`, phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    }),
  );
  const input = { service: service(), nodeOf: () => undefined };
  const first = sliceChanges({ ...input, pods: running, existing: [] });
  expect(first.create.map((slice) => slice.endpoints!.length)).toEqual([100, 50]);
  const again = sliceChanges({ ...input, pods: running, existing: first.create });
  expect(again).toEqual({ create: [], update: [], remove: [] });
  const fewer = sliceChanges({ ...input, pods: running.slice(0, 149), existing: first.create });
  expect([fewer.create.length, fewer.update.length, fewer.remove.length]).toEqual([0, 1, 0]);
  const few = sliceChanges({ ...input, pods: running.slice(0, 100), existing: first.create });
  expect([few.create.length, few.update.length, few.remove.length]).toEqual([0, 0, 1]);
});

test('terminating pods serve on but are not ready, unless not-ready addresses are published', () => {
  const going: Pod = {
    ...pod('a'),
    metadata: { ...pod('a').metadata, uid: 'u', deletionTimestamp: '2026-01-01T00:00:00Z' },
    status: { podIP: '10.0.0.1', phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  };
  const conditionsWith = (spec: Partial<NonNullable<Service['spec']>>) =>
    sliceChanges({ service: service(spec), pods: [going], existing: [], nodeOf: () => undefined }).create[0]!
      .endpoints![0]!.conditions;
  expect(conditionsWith({})).toEqual({ ready: false, serving: true, terminating: true });
  expect(conditionsWith({ publishNotReadyAddresses: true })).toEqual({ ready: true, serving: true, terminating: true });
});

test('a slice that is no longer needed becomes one that is, and keeps its name', () => {
  const wanted = service({ ipFamilies: ['IPv4'] });
  const ready: Pod = {
    ...pod('a'),
    status: {
      podIP: '10.0.0.1',
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
  const empty = {
    metadata: { name: 'web-1', namespace: 'default' },
    addressType: 'IPv4' as const,
    endpoints: [],
    ports: [],
  };
  const other = { ...empty, metadata: { name: 'web-2', namespace: 'default' } };
  const nodeOf = () => undefined;
  const { create, update, remove } = sliceChanges({ service: wanted, pods: [ready], existing: [empty, other], nodeOf });
  expect(create).toEqual([]);
  expect(update.map((slice) => [slice.metadata?.name, slice.endpoints?.[0]?.addresses])).toEqual([
    ['web-1', ['10.0.0.1']],
  ]);
  expect(remove).toEqual([other]);
});
