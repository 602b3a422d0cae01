/**
 * What people ask for that cannot be, or change in the middle: each is said in a condition or an event, and costs next to no requests for as long as it
 * stays (no hot loop). All controllers run; requests of every kind are counted over an hour, once the first minute is over.
 */
import { afterEach, expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import {
  configMaps,
  cronJobs,
  deployments,
  horizontalPodAutoscalers,
  jobs,
  nodes,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  replicaSets,
  resourceQuotas,
} from '#pkg/api/types/refs.ts';
import { controllerOf } from '#pkg/apimachinery/object.ts';
import { addNode, deploymentOf, type Harness, startHarness, templateOf, until } from './testing/harness.ts';

const namespace = 'default';
const hourMs = 3_600_000;
let harness: Harness;
afterEach(() => harness.stop());

/** Without those that look at nodes, of which there are none in most tests. */
async function start(): Promise<void> {
  harness = await startHarness();
  await addNode(harness, 'n1');
  await harness.client.resource(nodes).patch('n1', { spec: { taints: null } }, { type: 'merge' });
}

/** Watches, discovery every ten minutes, and what becomes of a node that says nothing. */
const unrelated = /watch=|^GET \/(api(\/v1)?|apis(\/[^/]+){0,2})\?$|\/nodes|\/pods\/.*\/status|\/leases/;

/** Requests of the controllers in the next hour, but for those that have nothing to do with what was asked for. */
async function requestsInAnHour(): Promise<readonly string[]> {
  const made: string[] = [];
  harness.hooks.beforeRequest = async ({ method, path, query }) => {
    if (!unrelated.test(`${method} ${path}?${query}`)) made.push(`${method} ${path}`);
  };
  await harness.clock.advance(hourMs);
  harness.hooks.beforeRequest = undefined;
  return made;
}

const of = (all: readonly Pod[], owner: string): readonly Pod[] =>
  all.filter((pod) => controllerOf(pod)?.name === owner && pod.metadata?.deletionTimestamp === undefined);

test('two replica sets of one selector each keep pods of their own, and fight about none', async () => {
  await start();
  const spec = { replicas: 2, selector: { matchLabels: { app: 'web' } }, template: templateOf('web', 'v1') };
  for (const name of ['one', 'two'])
    await harness.client.resource(replicaSets).create({ metadata: { name, namespace }, spec });
  await harness.clock.advance(20_000);
  const all = await harness.list(pods);
  expect([of(all, 'one').length, of(all, 'two').length, all.length]).toEqual([2, 2, 4]);
  harness.writes.length = 0;
  await harness.clock.advance(20_000);
  expect(harness.writes.filter((line) => /pods|replicasets/.test(line))).toEqual([]);
  await harness.clock.advance(20_000);
  expect(await requestsInAnHour()).toEqual([]);
});

test('a budget that selects nothing allows nothing, and says so', async () => {
  await start();
  const matchExpressions = [
    { key: 'app', operator: 'In', values: ['web'] },
    { key: 'app', operator: 'NotIn', values: ['web'] },
  ];
  await harness.client
    .resource(podDisruptionBudgets)
    .create({ metadata: { name: 'none', namespace }, spec: { minAvailable: 1, selector: { matchExpressions } } });
  await harness.clock.advance(60_000);
  const { status } = (await harness.get(podDisruptionBudgets, 'default/none'))!;
  expect([
    status?.disruptionsAllowed,
    status?.conditions?.map(({ type, status: is, reason }) => `${type}=${is} ${reason}`),
  ]).toEqual([0, ['DisruptionAllowed=False InsufficientPods']]);
  expect(await harness.eventsOf('none')).toEqual(['NoPods: No matching pods found']);
  expect(await requestsInAnHour()).toEqual([]);
});

test('an owner that does not exist takes its dependent with it; one of a kind that does not exist is asked for ever more seldom', async () => {
  await start();
  const owned = (name: string, apiVersion: string, kind: string) =>
    harness.client
      .resource(configMaps)
      .create({ metadata: { name, namespace, ownerReferences: [{ apiVersion, kind, name: 'none', uid: 'none' }] } });
  await owned('of-nobody', 'v1', 'ConfigMap');
  await owned('of-nothing', 'example.com/v1', 'Nothing');
  await harness.clock.advance(60_000);
  const left = (await harness.list(configMaps, namespace)).map(({ metadata }) => metadata?.name);
  expect(left).toContain('of-nothing');
  expect(left).not.toContain('of-nobody');
  expect((await requestsInAnHour()).length).toBeLessThan(200);
});

test('a cron expression that never comes, and one that is none in its zone, are said to be so once', async () => {
  await start();
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'v1' }] } };
  await harness.client.resource(cronJobs).create({
    metadata: { name: 'never', namespace },
    spec: { schedule: '0 0 30 2 *', jobTemplate: { spec: { template } } },
  });
  await harness.clock.advance(60_000);
  expect((await harness.eventsOf('never')).map((line) => line.split(':')[0])).toEqual(['InvalidSchedule']);
  expect(await requestsInAnHour()).toEqual([]);
});

test('a quota that has no room left shows in condition and events, is tried ever more seldom, and again once there is room', async () => {
  await start();
  const { client, clock } = harness;
  const hard = (count: string) => ({ spec: { hard: { pods: count } } });
  await client.resource(resourceQuotas).create({ metadata: { name: 'quota', namespace }, ...hard('2') });
  await clock.advance(5_000);
  await client.resource(deployments).create(deploymentOf('web', { replicas: 5, progressDeadlineSeconds: 120 }));
  await clock.advance(10_000);
  // Lowered below what there is, in the middle: nothing is taken away for it, nothing more is let in.
  await client.resource(resourceQuotas).patch('quota', hard('1'), { namespace, type: 'merge' });
  await clock.advance(120_000);
  expect((await harness.list(pods)).length).toBe(2);
  const { status } = (await harness.get(deployments, 'default/web'))!;
  const said = status?.conditions?.map(({ type, status: is, reason }) => `${type}=${is} ${reason}`);
  expect(said).toContain('ReplicaFailure=True FailedCreate');
  expect(said).toContain('Progressing=False ProgressDeadlineExceeded');
  const made = await requestsInAnHour();
  expect(made.filter((line) => line.startsWith('POST') && line.endsWith('/pods')).length).toBeLessThan(20);
  expect(made.length).toBeLessThan(100);
  await client.resource(resourceQuotas).patch('quota', hard('10'), { namespace, type: 'merge' });
  await clock.advance(1_000_000);
  expect((await harness.list(pods)).length).toBe(5);
});

test('a deployment that is edited in the middle of its rollout ends with the last template alone', async () => {
  await start();
  const { client, clock } = harness;
  await client.resource(deployments).create(deploymentOf('web', { replicas: 6 }));
  await clock.advance(20_000);
  for (const image of ['v2', 'v3', 'v4', 'v5']) {
    await client
      .resource(deployments)
      .patch('web', { spec: { template: templateOf('web', image) } }, { namespace, type: 'merge' });
    await clock.advance(50);
  }
  await until(harness, async () => (await harness.get(deployments, 'default/web'))?.status?.updatedReplicas === 6);
  await clock.advance(60_000);
  const images = (await harness.list(pods)).map(({ spec }) => spec?.containers[0]?.image);
  expect(images).toEqual(Array(6).fill('v5'));
  expect(await requestsInAnHour()).toEqual([]);
});

test('pods of a node that is deleted under them say why they go, are made anew elsewhere, and cost nothing after', async () => {
  await start();
  const { client, clock } = harness;
  await client.resource(deployments).create(deploymentOf('web', { replicas: 3 }));
  // The finalizer keeps it to be looked at.
  const kept = { name: 'kept', namespace, finalizers: ['example.com/keep'] };
  await client.resource(pods).create({ metadata: kept, spec: { ...templateOf('kept', 'v1').spec, nodeName: 'n1' } });
  await clock.advance(20_000);
  const before = (await harness.list(pods)).map(({ metadata }) => metadata?.uid);
  await client.resource(nodes).delete('n1');
  await clock.advance(30_000);
  await addNode(harness, 'n1');
  await client.resource(nodes).delete('n1');
  await clock.advance(120_000);
  expect(await harness.eventsOf('n1')).toContain('RemovingNode: Node n1 event: Removing Node n1 from Controller');
  const { metadata, status } = (await harness.get(pods, 'default/kept'))!;
  expect([status?.phase, metadata?.deletionTimestamp]).toEqual(['Failed', expect.anything()]);
  const why = { reason: 'DeletionByPodGC', message: 'PodGC: node no longer exists' };
  expect(status?.conditions).toContainEqual(
    expect.objectContaining({ type: 'DisruptionTarget', status: 'True', ...why }),
  );
  await client.resource(pods).patch('kept', { metadata: { finalizers: null } }, { namespace, type: 'merge' });
  await addNode(harness, 'n1');
  await clock.advance(60_000);
  const after = await harness.list(pods);
  expect(after.filter((pod) => before.includes(pod.metadata?.uid))).toEqual([]);
  expect(of(after, controllerOf(after[0]!)!.name).length).toBe(3);
  expect(await requestsInAnHour()).toEqual([]);
});

test('a target that does not exist, and a class that does not, are said once and asked for seldom', async () => {
  await start();
  const { client, clock } = harness;
  await client.resource(horizontalPodAutoscalers).create({
    metadata: { name: 'lost', namespace },
    spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'none' } },
  });
  await client.resource(persistentVolumeClaims).create({
    metadata: { name: 'lost', namespace },
    spec: { storageClassName: 'none', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  });
  await clock.advance(60_000);
  const events = (await harness.eventsOf('lost')).map((line) => line.split(':')[0]);
  expect(new Set(events)).toEqual(new Set(['FailedGetScale', 'ProvisioningFailed']));
  // The autoscaler looks every 15 s, as it is meant to, and events that say the same are counted in one.
  const made = await requestsInAnHour();
  expect(made.filter((line) => !line.includes('/events')).length).toBeLessThan(2 * (hourMs / 15_000));
  expect(made.filter((line) => /^(PUT|PATCH|POST) .*(claims|autoscalers)/.test(line))).toEqual([]);
});

test.each([
  ['forward by a day', 24 * hourMs],
  ['back by a day', -24 * hourMs],
])(
  'a clock that is set %s starts no run twice, ends no job early twice, and costs nothing after',
  async (_how, byMs) => {
    await start();
    const { client, clock } = harness;
    const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'v1' }] } };
    await client.resource(cronJobs).create({
      metadata: { name: 'daily', namespace },
      spec: { schedule: '0 12 * * *', jobTemplate: { spec: { template } } },
    });
    await client.resource(deployments).create(deploymentOf('web'));
    await clock.advance(60_000);
    const uids = (await harness.list(pods)).map(({ metadata }) => metadata?.uid);
    harness.jumpClock(byMs);
    await clock.advance(60_000);
    const runs = await harness.list(jobs);
    expect(runs.length).toBeLessThanOrEqual(1);
    expect(new Set(runs.map(({ metadata }) => metadata?.name)).size).toBe(runs.length);
    expect((await harness.list(pods)).filter(({ metadata }) => uids.includes(metadata?.uid)).length).toBe(3);
    const made = await requestsInAnHour();
    expect(made.filter((line) => !line.includes('/jobs')).length).toBeLessThan(50);
  },
);
