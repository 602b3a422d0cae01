/** Nodes that come and go while a cluster runs. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { nodeClaims } from '#pkg/api/node-claim.ts';
import { nodes } from '#pkg/api/types/refs.ts';
import { findCondition, isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';
import { type Nodes, nodesOf } from './nodes.ts';

// The first cluster of a process is made of all of its modules.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let cluster: TestCluster;
let ofCluster: Nodes;
beforeEach(async () => {
  cluster = await startTestCluster();
  ofCluster = nodesOf(cluster.client);
});
afterEach(() => cluster.stop());

async function nodeOf(name: string) {
  return cluster.client
    .resource(nodes)
    .get(name)
    .catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
}

const started = async (name: string) =>
  findCondition((await cluster.client.resource(nodeClaims).get(name)).status?.conditions, 'Started');

test('a node that is added is registered as it is to be, becomes ready, and is gone once it is removed', async () => {
  await ofCluster.add('extra', {
    labels: { tier: 'b' },
    taints: [{ key: 'dedicated', value: 'x', effect: 'NoSchedule' }],
    capacity: { cpu: '7', 'example.com/gpu': '2' },
  });
  await cluster.until(async () => isConditionTrue((await nodeOf('extra'))?.status?.conditions, 'Ready'));
  const extra = await nodeOf('extra');
  expect(extra?.metadata?.labels).toMatchObject({ tier: 'b', 'kubernetes.io/hostname': 'extra' });
  expect(extra?.spec?.taints).toContainEqual({ key: 'dedicated', value: 'x', effect: 'NoSchedule' });
  expect(extra?.status?.capacity).toMatchObject({ cpu: '7', 'example.com/gpu': '2' });
  await cluster.until(async () => (await started('extra'))?.status === 'True');

  await ofCluster.remove('extra');
  await cluster.until(async () => (await cluster.client.resource(nodeClaims).list()).items.length === 0);
  // Its kubelet has stopped: nobody registers it again.
  await cluster.advance(600_000);
  expect(await nodeOf('extra')).toBeUndefined();
  expect(cluster.nodes.map(({ name }) => name)).toEqual(['node-1']);
});

test('what cannot be added is refused, or says why', async () => {
  await ofCluster.add('twice', {});
  await expect(ofCluster.add('twice', {})).rejects.toMatchObject({ code: 409, reason: 'AlreadyExists' });
  await expect(ofCluster.remove('never')).rejects.toMatchObject({ code: 404 });
  await expect(ofCluster.add('wrong', { labels: { 'a b': '' }, capacity: { cpu: 'much' } })).rejects.toMatchObject({
    code: 422,
    reason: 'Invalid',
  });
  await ofCluster.add('node-1', {});
  await cluster.until(async () => (await started('node-1'))?.reason === 'NameTaken');
  await ofCluster.add('strange', { runtime: 'container' });
  await cluster.until(async () => (await started('strange'))?.reason === 'NoSuchRuntime');
  // Neither has a kubelet, so both go at once.
  await ofCluster.remove('node-1');
  await ofCluster.remove('strange');
  expect((await cluster.client.resource(nodeClaims).list()).items.map(({ metadata }) => metadata?.name)).toEqual([
    'twice',
  ]);
  expect(isConditionTrue((await nodeOf('node-1'))?.status?.conditions, 'Ready')).toBe(true);
});
