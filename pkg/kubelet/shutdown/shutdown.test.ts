/** A node that is told to stop ends its pods by their priorities, on virtual time. */
import { expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { events, nodes, pods } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { type Cluster, pod, start } from '../testing/virtual-node.ts';
import { plainPeriods, shutdownGroups } from './shutdown-groups.ts';

const withPriority = (name: string, priority?: number): { readonly pod: Pod } => ({
  pod: { metadata: { name }, spec: { containers: [], ...(priority === undefined ? {} : { priority }) } },
});

test('pods end in the groups of their priorities, the lowest first, and empty ones take no time', () => {
  const periods = [
    { priority: 1_000, seconds: 5 },
    { priority: 100, seconds: 20 },
    { priority: 10_000, seconds: 7 },
  ];
  const all = [withPriority('none'), withPriority('low', 99), withPriority('high', 20_000), withPriority('at', 100)];
  const groups = shutdownGroups(periods, all);
  expect(groups.map(({ seconds, pods: own }) => [seconds, own.map((one) => one.pod.metadata?.name)])).toEqual([
    [20, ['none', 'low', 'at']],
    [7, ['high']],
  ]);
});

test('a time for all is one for critical pods after the others', () => {
  expect(plainPeriods(30, 10)).toEqual([
    { priority: 0, seconds: 20 },
    { priority: 2_000_000_000, seconds: 10 },
  ]);
  expect([plainPeriods(0, 0), plainPeriods(5, 10)]).toEqual([[], []]);
});

const stubborn = { 'stop-time': 'forever' };
const statusOf = async ({ client }: Cluster, name: string) =>
  (await client.resource(pods).get(name, { namespace: 'default' })).status;

test('what the node has is ended in turn, each within its time, and nothing new is taken', async () => {
  const cluster = await start({ shutdown: plainPeriods(30, 10) });
  const { client, clock } = cluster;
  await client.resource(pods).create(pod('quick', { annotations: { 'stop-time': '2s' } }));
  await client
    .resource(pods)
    .create(pod('stubborn', { annotations: stubborn, spec: { terminationGracePeriodSeconds: 300 } }));
  await client
    .resource(pods)
    .create(pod('critical', { annotations: { 'stop-time': '3s' }, spec: { priority: 2_000_000_000 } }));
  await clock.settle();
  const beganMs = clock.nowMs();
  let stoppedMs = Number.POSITIVE_INFINITY;
  const stopped = cluster.kubelet.shutDown().then(() => {
    stoppedMs = clock.nowMs();
  });
  await clock.advance(1_000);
  const ready = findCondition((await client.resource(nodes).get('n1')).status?.conditions, 'Ready');
  expect([ready?.status, ready?.message]).toEqual(['False', 'node is shutting down']);
  await client.resource(pods).create(pod('late'));
  await clock.advance(18_000);
  const terminated = {
    phase: 'Failed',
    reason: 'Terminated',
    message: 'Pod was terminated in response to imminent node shutdown.',
  };
  expect(await statusOf(cluster, 'quick')).toMatchObject(terminated);
  expect((await statusOf(cluster, 'critical'))?.phase).toBe('Running');
  expect(await statusOf(cluster, 'late')).toMatchObject({
    phase: 'Failed',
    reason: 'NodeShutdown',
    message: 'Pod was rejected: Pod was rejected as the node is shutting down.',
  });
  await clock.advance(30_000);
  await stopped;
  for (const name of ['stubborn', 'critical']) expect(await statusOf(cluster, name)).toMatchObject(terminated);
  const disrupted = findCondition((await statusOf(cluster, 'critical'))?.conditions, 'DisruptionTarget');
  expect(disrupted).toMatchObject({ status: 'True', reason: 'TerminationByKubelet' });
  // Twenty seconds for the first group, of which one takes all, and three for the second.
  expect(stoppedMs - beganMs).toBeLessThanOrEqual(30_000);
  const said = (await client.resource(events).list({})).items.filter(({ reason }) => reason === 'NodeShutdown');
  expect(said.map(({ message }) => message)).toContain('Shutdown manager detected shutdown event');
});

test('a node without such periods leaves its pods as they are', async () => {
  const cluster = await start();
  await cluster.client.resource(pods).create(pod('web'));
  await cluster.clock.settle();
  await cluster.kubelet.shutDown();
  expect((await statusOf(cluster, 'web'))?.phase).toBe('Running');
});
