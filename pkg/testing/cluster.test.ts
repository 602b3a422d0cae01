import { expect, test } from 'vitest';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { startTestCluster } from './cluster.ts';

const annotations = { 'fake.coxswain.dev/stop-time': '25s' };
const spec = { containers: [{ name: 'main', image: 'coxswain.dev/pause:v1' }] };
const slow = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'slow', namespace: 'default', annotations }, spec };

async function startWithPodThatEnds() {
  const cluster = await startTestCluster();
  await cluster.apply(slow);
  await cluster.until(() => cluster.pods()[0]?.status?.phase === 'Running');
  await cluster.client.resource(pods).delete('slow', { namespace: 'default' });
  await cluster.advance(1_000);
  return cluster;
}

test('a cluster stops while a container takes its time to end', async () => {
  const cluster = await startWithPodThatEnds();
  const beforeMs = cluster.clock.monotonicMs();
  await cluster.stop();
  expect(cluster.clock.monotonicMs()).toBe(beforeMs);
});

test('a node that falls silent leaves its containers to end, and goes on from there', async () => {
  const cluster = await startWithPodThatEnds();
  const [node] = cluster.nodes;
  await node!.silence();
  await cluster.advance(1_000);
  expect(cluster.pods()[0]?.metadata?.name).toBe('slow');
  await node!.resume();
  await cluster.until(() => cluster.pods().length === 0);
  await cluster.stop();
});

test('a pod that is scheduled carries zone and region of its node (fault 28)', async () => {
  const cluster = await startTestCluster();
  const labels = { 'topology.kubernetes.io/zone': 'z1', 'topology.kubernetes.io/region': 'r1' };
  await cluster.client.resource(nodes).patch('node-1', { metadata: { labels } }, { type: 'merge' });
  await cluster.apply({ ...slow, metadata: { ...slow.metadata, labels: { app: 'slow' } } });
  await cluster.until(() => cluster.pods()[0]?.status?.phase === 'Running');
  expect(cluster.pods()[0]?.metadata?.labels).toEqual({ app: 'slow', ...labels });
  await cluster.stop();
});
