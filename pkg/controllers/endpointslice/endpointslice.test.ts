import { afterEach, expect, test } from 'vitest';
import type { Pod, Service } from '#pkg/api/types/core-v1.ts';
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { endpointSlices, endpoints, pods, services } from '#pkg/api/types/refs.ts';
import { endpointSubsets } from '../endpoint/subsets.ts';
import { addNode, type Harness, startHarness } from '../testing/harness.ts';
import { sliceChanges } from './slices.ts';
import { TriggerTimes, triggerTimeAnnotation, withTriggerTime } from './trigger-times.ts';

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

const nowhere = { nodeOf: () => undefined, triggerTime: undefined };

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

test('endpoints get their hints as soon as the Service asks for a traffic distribution, and lose them with it', async () => {
  harness = await startHarness({ controllers });
  await addNode(harness, 'n1', { 'topology.kubernetes.io/zone': 'z1' });
  const resource = harness.client.resource(services);
  await resource.create(service());
  await harness.client.resource(pods).create(pod('a'));
  const hintsAfter = async (trafficDistribution: string | null) => {
    await resource.patch('web', { spec: { trafficDistribution } }, { namespace: 'default', type: 'merge' });
    await harness?.clock.advance(2_000);
    const slices = (await harness?.list(endpointSlices, 'default')) ?? [];
    return slices.flatMap((slice) => (slice.endpoints ?? []).map(({ hints }) => hints));
  };
  const forZones = [{ name: 'z1' }];
  expect(await hintsAfter('PreferSameZone')).toEqual([{ forZones }]);
  expect(await hintsAfter('PreferSameNode')).toEqual([{ forZones, forNodes: [{ name: 'n1' }] }]);
  expect(await hintsAfter(null)).toEqual([undefined]);
});

test('a service without pods has one empty slice, one without selector none; deletion of pods empties again', async () => {
  harness = await startHarness({ controllers });
  await addNode(harness, 'n1');
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
  const input = { ...nowhere, service: service() };
  const first = sliceChanges({ ...input, pods: running, existing: [] });
  expect(first.create.map((slice) => slice.endpoints!.length)).toEqual([100, 50]);
  const again = sliceChanges({ ...input, pods: running, existing: first.create });
  expect(again).toEqual({ create: [], update: [], remove: [], problems: [] });
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
    sliceChanges({ ...nowhere, service: service(spec), pods: [going], existing: [] }).create[0]!.endpoints![0]!
      .conditions;
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
  const { create, update, remove } = sliceChanges({
    ...nowhere,
    service: wanted,
    pods: [ready],
    existing: [empty, other],
  });
  expect(create).toEqual([]);
  expect(update.map((slice) => [slice.metadata?.name, slice.endpoints?.[0]?.addresses])).toEqual([
    ['web-1', ['10.0.0.1']],
  ]);
  expect(remove).toEqual([other]);
});

/** Ready pods by number, each with an address of its own. */
const readyPods = (from: number, to: number): Pod[] =>
  Array.from({ length: to - from }, (_, index): Pod => {
    const name = `p${from + index}`;
    return {
      ...pod(name),
      metadata: { ...pod(name).metadata, uid: name },
      status: { podIP: `10.0.0.${from + index}`, phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    };
  });

/** What becomes of slices with the sizes before: sizes by name after, those that are written marked. */
function churn(before: readonly EndpointSlice[], running: readonly Pod[]): readonly string[] {
  const { create, update, remove } = sliceChanges({ ...nowhere, service: service(), pods: running, existing: before });
  const line = (mark: string) => (slice: EndpointSlice) =>
    `${mark}${slice.metadata?.name ?? ''} ${slice.endpoints?.length}`;
  return [...create.map(line('+')), ...update.map(line('~')), ...remove.map(line('-'))];
}

test('few slices change: those that do are filled first, then one with room for all, else a new one is made', () => {
  const first = sliceChanges({ ...nowhere, service: service(), pods: readyPods(0, 250), existing: [] }).create;
  const slices = first.map((slice, index) => ({ ...slice, metadata: { ...slice.metadata!, name: `s${index}` } }));
  expect(slices.map((slice) => slice.endpoints?.length)).toEqual([100, 100, 50]);
  expect(churn(slices, readyPods(0, 260))).toEqual(['~s2 60']);
  expect(churn(slices, readyPods(10, 260))).toEqual(['~s0 100']);
  expect(churn(slices, readyPods(10, 270))).toEqual(['~s0 100', '~s2 60']);
  expect(churn(slices, readyPods(0, 310))).toEqual(['+ 60']);
  expect(churn(slices, readyPods(250, 500))).toEqual(['~s0 100', '~s1 100', '~s2 50']);
});

test('a pod without a port of that name is in a slice without ports', () => {
  const bare = readyPods(0, 1).map((one) => ({ ...one, spec: { containers: [{ name: 'main', image: 'v1' }] } }));
  const { create } = sliceChanges({
    ...nowhere,
    service: service(),
    pods: [...readyPods(1, 2), ...bare],
    existing: [],
  });
  expect(create.map((slice) => [slice.ports?.map(({ port }) => port), slice.endpoints?.length])).toEqual([
    [[8080], 1],
    [[], 1],
  ]);
});

test('a pod on a node that is not there is no endpoint until the node is, unless not-ready addresses are published', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(services).create(service());
  const published = { ...service({ publishNotReadyAddresses: true }), metadata: { name: 'all', namespace: 'default' } };
  await harness.client.resource(services).create(published);
  await harness.client.resource(pods).create(pod('a'));
  await harness.clock.advance(1_000);
  const seen = async () =>
    Object.fromEntries(
      (await harness!.list(endpointSlices, 'default')).map((slice) => [
        slice.metadata?.labels?.['kubernetes.io/service-name'],
        slice.endpoints?.length ?? 0,
      ]),
    );
  expect(await seen()).toEqual({ web: 0, all: 1 });
  await addNode(harness, 'n1');
  await harness.clock.advance(1_000);
  expect(await seen()).toEqual({ web: 1, all: 1 });
});

test('Endpoints go with their Service, also those that a user keeps; those of no Service stay', async () => {
  harness = await startHarness({ controllers });
  const named = (name: string) => ({ metadata: { name, namespace: 'default' } });
  const subsets = [{ addresses: [{ ip: '10.1.2.3' }], ports: [{ port: 80 }] }];
  await harness.client.resource(services).create(service());
  await harness.client.resource(services).create({ ...named('manual'), spec: { ports: [{ port: 80 }] } });
  for (const name of ['manual', 'lonely']) await harness.client.resource(endpoints).create({ ...named(name), subsets });
  await harness.clock.advance(1_000);
  for (const name of ['web', 'manual']) await harness.client.resource(services).delete(name, { namespace: 'default' });
  await harness.clock.advance(1_000);
  expect((await harness.list(endpoints, 'default')).map(({ metadata }) => metadata?.name)).toEqual(['lonely']);
});

test('the annotation says when the earliest of the changes happened that led to this one', () => {
  const times = new TriggerTimes();
  const readyAt = (name: string, second: number): Pod => ({
    metadata: { name, namespace: 'default' },
    spec: { containers: [] },
    status: { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: `2026-01-01T00:00:0${second}Z` }] },
  });
  const web = { ...service(), metadata: { ...service().metadata, creationTimestamp: '2026-01-01T00:00:00Z' } };
  expect(times.next(web, [readyAt('a', 3)])).toBe('2026-01-01T00:00:00Z');
  expect(times.next(web, [readyAt('a', 3)])).toBeUndefined();
  expect(times.next(web, [readyAt('a', 5), readyAt('b', 4), readyAt('c', 7)])).toBe('2026-01-01T00:00:04Z');
  expect(times.next(web, [readyAt('a', 5)])).toBeUndefined();
  const fallen = {
    ...readyAt('a', 5),
    status: { conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: '2026-01-01T00:00:05Z' }] },
  };
  expect(times.next(web, [fallen as Pod])).toBe('2026-01-01T00:00:05Z');
  expect(withTriggerTime({ x: 'y', [triggerTimeAnnotation]: 'old' }, undefined)).toEqual({ x: 'y' });
  expect(withTriggerTime({ [triggerTimeAnnotation]: 'old' }, undefined)).toBeUndefined();
});

test('of a dual-stack Service there are slices of both families, and Endpoints of the first', () => {
  const both = readyPods(1, 3).map((one, index) => ({
    ...one,
    status: { ...one.status, podIPs: [{ ip: one.status!.podIP! }, { ip: `fd00::${index}` }] },
  }));
  const wanted = service({ ipFamilies: ['IPv6', 'IPv4'] });
  const { create } = sliceChanges({ ...nowhere, service: wanted, pods: both, existing: [] });
  expect(create.map((slice) => [slice.addressType, ...slice.endpoints!.flatMap(({ addresses }) => addresses)])).toEqual(
    [
      ['IPv6', 'fd00::0', 'fd00::1'],
      ['IPv4', '10.0.0.1', '10.0.0.2'],
    ],
  );
  const { subsets } = endpointSubsets(wanted, both);
  expect(subsets.map(({ addresses }) => addresses?.map(({ ip }) => ip))).toEqual([['fd00::0', 'fd00::1']]);
});

test('beyond a thousand addresses Endpoints hold the ready ones first and say that they are truncated', () => {
  const notReady = (one: Pod): Pod => ({
    ...one,
    status: { ...one.status, conditions: [{ type: 'Ready', status: 'False' }] },
  });
  const many = [...readyPods(0, 600).map(notReady), ...readyPods(600, 1_300)];
  const { subsets, isTruncated } = endpointSubsets(service(), many);
  expect([isTruncated, subsets[0]?.addresses?.length, subsets[0]?.notReadyAddresses?.length]).toEqual([true, 700, 300]);
});
