/** Feature gates in a whole cluster: what the API server does with them and without. */
import { expect, onTestFinished, test } from 'vitest';
import type { MetricSpec } from '#pkg/api/types/autoscaling-v2.ts';
import { horizontalPodAutoscalers, serviceAccounts } from '#pkg/api/types/refs.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';
import { readMetrics } from './metrics-text.ts';

async function clusterWith(gates: string): Promise<TestCluster> {
  const cluster = await startTestCluster({ nodes: 0, flags: { 'kube-apiserver': { 'feature-gates': gates } } });
  onTestFinished(() => cluster.stop());
  return cluster;
}

async function ask(cluster: TestCluster, path: string, query = '') {
  const { signal } = new AbortController();
  const request = { method: 'GET', path, query, headers: {}, peer: { address: '' }, signal };
  const { status, body } = await cluster.client.transport.request(request);
  return { status, text: body.kind === 'bytes' ? new TextDecoder().decode(body.bytes) : JSON.stringify(body) };
}

const initial = 'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';

test('without WatchList a watch does not begin with what there is, and the cluster goes on by lists', async () => {
  const cluster = await clusterWith('WatchList=false');
  const { status, text } = await ask(cluster, '/api/v1/namespaces', initial);
  expect([status, text]).toEqual([
    422,
    expect.stringContaining('sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled'),
  ]);
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'later' } });
  await cluster.until(
    async () => (await cluster.client.resource(serviceAccounts).list({ namespace: 'later' })).items.length > 0,
  );
});

const scaled = (minReplicas: number, metric: MetricSpec) => ({
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    minReplicas,
    maxReplicas: 3,
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
    metrics: [metric],
  },
});
const target = { type: 'AverageValue', averageValue: '1' };
const external = { type: 'External', external: { metric: { name: 'waiting' }, target } };
const cpu = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } };

test('with HPAScaleToZero an autoscaler may take the last replica away, by what is not of its pods', async () => {
  const [usual, scaling] = [await clusterWith(''), await clusterWith('HPAScaleToZero=true')];
  const create = (cluster: TestCluster, min: number, metric: MetricSpec) =>
    cluster.client.resource(horizontalPodAutoscalers).create(scaled(min, metric));
  await expect(create(usual, 0, external)).rejects.toThrow(
    'spec.minReplicas: Invalid value: 0: must be greater than or equal to 1',
  );
  await expect(create(scaling, 0, cpu)).rejects.toThrow(
    'spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas',
  );
  await expect(create(scaling, -1, external)).rejects.toThrow('must be greater than or equal to 0');
  const made = await create(scaling, 0, external);
  expect(made.spec?.minReplicas).toBe(0);
});

test('the server tells of its features', async () => {
  const cluster = await clusterWith('HPAScaleToZero=true,WatchList=false');
  const { text } = await ask(cluster, '/metrics');
  expect(readMetrics(text).faults).toEqual([]);
  for (const line of ['name="HPAScaleToZero",stage="ALPHA"} 1', 'name="WatchList",stage="BETA"} 0'])
    expect(text).toContain(`kubernetes_feature_enabled{${line}`);
});
