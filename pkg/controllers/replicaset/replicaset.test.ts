import { afterEach, expect, test } from 'vitest';
import type { ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import { pods, replicaSets, replicationControllers } from '#pkg/api/types/refs.ts';
import { controllerOf } from '#pkg/apimachinery/object.ts';
import { type Harness, startHarness, templateOf } from '../testing/harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

const controllers = ['replicaset-controller', 'replicationcontroller-controller'];

const setOf = (name: string, replicas: number): ReplicaSet => ({
  metadata: { name, namespace: 'default' },
  spec: { replicas, selector: { matchLabels: { app: name } }, template: templateOf(name, 'v1') },
});

test('as many pods are made as asked for, and the status counts them', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(replicaSets).create(setOf('web', 5));
  await harness.clock.advance(1_000);
  const made = await harness.list(pods, 'default');
  expect(made.length).toBe(5);
  expect(made.every((pod) => pod.metadata?.name?.startsWith('web-') && controllerOf(pod)?.name === 'web')).toBe(true);
  expect((await harness.get(replicaSets, 'default/web'))?.status).toMatchObject({
    replicas: 5,
    fullyLabeledReplicas: 5,
    readyReplicas: 5,
    availableReplicas: 5,
    observedGeneration: 1,
  });
  const events = await harness.eventsOf('web');
  expect(events.length).toBe(5);
  expect(events.every((event) => event.startsWith('SuccessfulCreate: Created pod: web-'))).toBe(true);
});

test('surplus pods are deleted and the count never goes below what is asked for', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(replicaSets).create(setOf('web', 5));
  await harness.clock.advance(1_000);
  await harness.client
    .resource(replicaSets)
    .patch('web', { spec: { replicas: 2 } }, { namespace: 'default', type: 'merge' });
  await harness.clock.advance(1_000);
  expect((await harness.list(pods, 'default')).length).toBe(2);
  expect((await harness.get(replicaSets, 'default/web'))?.status).toMatchObject({ replicas: 2, readyReplicas: 2 });
  expect(
    (await harness.eventsOf('web')).filter((event) => event.startsWith('SuccessfulDelete: Deleted pod: web-')).length,
  ).toBe(3);
});

test('a matching orphan is adopted; a pod that no longer matches is let go and replaced', async () => {
  harness = await startHarness({ controllers });
  const { labels } = templateOf('web', 'v1').metadata;
  await harness.client.resource(pods).create({
    metadata: { name: 'orphan', namespace: 'default', labels },
    spec: { containers: [{ name: 'main', image: 'v1' }] },
  });
  await harness.client.resource(replicaSets).create(setOf('web', 2));
  await harness.clock.advance(1_000);
  expect((await harness.list(pods, 'default')).length).toBe(2);
  expect(controllerOf((await harness.get(pods, 'default/orphan'))!)?.name).toBe('web');
  await harness.client
    .resource(pods)
    .patch('orphan', { metadata: { labels: { app: 'other' } } }, { namespace: 'default', type: 'merge' });
  await harness.clock.advance(1_000);
  expect(controllerOf((await harness.get(pods, 'default/orphan'))!)).toBeUndefined();
  expect((await harness.list(pods, 'default')).length).toBe(3);
});

test('a pod counts as available only after minReadySeconds', async () => {
  harness = await startHarness({ controllers });
  const set = setOf('web', 1);
  await harness.client.resource(replicaSets).create({ ...set, spec: { ...set.spec!, minReadySeconds: 10 } });
  await harness.clock.advance(5_000);
  const status = async () => (await harness.get(replicaSets, 'default/web'))?.status;
  expect(await status()).toMatchObject({ readyReplicas: 1 });
  expect((await status())?.availableReplicas ?? 0).toBe(0);
  await harness.clock.advance(6_000);
  expect(await status()).toMatchObject({ availableReplicas: 1 });
});

test('a replication controller keeps its pods the same way', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(replicationControllers).create({
    metadata: { name: 'old', namespace: 'default' },
    spec: { replicas: 3, selector: { app: 'old' }, template: templateOf('old', 'v1') },
  });
  await harness.clock.advance(1_000);
  const made = await harness.list(pods, 'default');
  expect(made.length).toBe(3);
  await harness.client.resource(pods).delete(made[0]!.metadata!.name!, { namespace: 'default' });
  await harness.clock.advance(1_000);
  expect((await harness.list(pods, 'default')).length).toBe(3);
  expect((await harness.get(replicationControllers, 'default/old'))?.status).toMatchObject({
    replicas: 3,
    readyReplicas: 3,
  });
});

test('nothing is written once everything is as asked for', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(replicaSets).create(setOf('web', 3));
  await harness.clock.advance(5_000);
  harness.writes.length = 0;
  await harness.clock.advance(3_600_000);
  expect(harness.writes).toEqual([]);
});

test('a template that the server refuses is tried one pod at a time, and condition and events say why', async () => {
  harness = await startHarness({ controllers });
  const set = setOf('web', 50);
  const template = templateOf('web', 'v1');
  await harness.client.resource(replicaSets).create({
    ...set,
    spec: { ...set.spec!, template: { ...template, spec: { ...template.spec, priorityClassName: 'none' } } },
  });
  await harness.clock.advance(1_000);
  expect(harness.writes.filter((line) => line.endsWith('/pods')).length).toBeLessThan(12);
  const why = 'pods "web-" is forbidden: no PriorityClass with name none was found';
  const status = (await harness.get(replicaSets, 'default/web'))?.status;
  expect(status?.conditions?.map(({ type, reason }) => `${type} ${reason}`)).toEqual(['ReplicaFailure FailedCreate']);
  expect(status?.conditions?.[0]?.message).toMatch(/is forbidden: no PriorityClass with name none was found$/);
  expect((await harness.eventsOf('web'))[0]?.replace(/web-\w+"/, 'web-"')).toBe(`FailedCreate: Error creating: ${why}`);
});

test('a set that is deleted and made anew under its name while its pods are created gets pods of its own at once', async () => {
  harness = await startHarness({ controllers });
  const sets = harness.client.resource(replicaSets);
  harness.hooks.beforeRequest = async (request) => {
    if (request.method !== 'POST' || !request.path.endsWith('/pods')) return;
    harness.hooks.beforeRequest = undefined;
    await sets.delete('web', { namespace: 'default' });
    await sets.create(setOf('web', 3));
  };
  await sets.create(setOf('web', 3));
  await harness.clock.advance(5_000);
  const { metadata } = (await harness.get(replicaSets, 'default/web'))!;
  const made = await harness.list(pods, 'default');
  expect(made.filter((pod) => controllerOf(pod)?.uid === metadata!.uid).length).toBe(3);
});

test('pods on their way out are counted apart, and replaced at once', async () => {
  harness = await startHarness({ controllers, runPods: false });
  await harness.client.resource(replicaSets).create(setOf('web', 2));
  await harness.clock.advance(1_000);
  for (const pod of await harness.list(pods, 'default')) {
    const target = { apiVersion: 'v1', kind: 'Node', name: 'n1' };
    const { name = '' } = pod.metadata ?? {};
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace: 'default' }, target };
    await harness.client.resource(pods).createSubresource(name, 'binding', binding, { namespace: 'default' });
    await harness.client.resource(pods).delete(name, { namespace: 'default' });
  }
  await harness.clock.advance(1_000);
  expect((await harness.list(pods, 'default')).length).toBe(4);
  expect((await harness.get(replicaSets, 'default/web'))?.status).toMatchObject({
    replicas: 2,
    terminatingReplicas: 2,
  });
});

test('at most 500 pods are created in one go', async () => {
  harness = await startHarness({ controllers, runPods: false });
  await harness.client.resource(replicaSets).create(setOf('web', 700));
  await harness.clock.advance(10_000);
  expect((await harness.list(pods, 'default')).length).toBe(700);
  const isCreation = (line: string) => line === 'POST /api/v1/namespaces/default/pods';
  const firstStatus = harness.writes.findIndex((line) => line.startsWith('PUT'));
  expect(harness.writes.slice(0, firstStatus).filter(isCreation).length).toBe(500);
});
