/** What nodes and pods use, through the whole of a cluster on virtual time: annotation, runtime, kubelet, `metrics.k8s.io`. */
import { expect, onTestFinished, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { nodeMetrics, podMetrics } from '#pkg/api/types/refs.ts';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { startTestCluster } from '#pkg/testing/cluster.ts';

const podOf = (name: string, usage: Readonly<Record<string, string>>, containers = ['main']): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'default',
    labels: { app: name },
    annotations: Object.fromEntries(Object.entries(usage).map(([key, value]) => [`fake.coxswain.dev/${key}`, value])),
  },
  spec: { containers: containers.map((container) => ({ name: container, image: 'coxswain.dev/pause:v1' })) },
});

async function start() {
  const cluster = await startTestCluster();
  onTestFinished(() => cluster.stop());
  /** Requests of kubelets may take two looks, between which time passes. */
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    const done = promise.catch(() => undefined);
    await cluster.advance(2_000);
    await done;
    return promise;
  };
  const get = async (path: string, query = '', accept = 'application/json') => {
    const { transport } = cluster.client;
    const { signal } = new AbortController();
    const request: ApiRequest = { method: 'GET', path, query, headers: { accept }, peer: { address: '' }, signal };
    const { status, body } = await settled(transport.request(request));
    return { status, object: body.kind === 'object' ? body.object : undefined };
  };
  return { cluster, settled, get };
}

test('pods use what was measured over the time that is told, and their node all of it', async () => {
  const { cluster, settled } = await start();
  await cluster.apply(podOf('web', { cpu: '250m', 'side.cpu': '1', memory: '64Mi' }, ['main', 'side']));
  await cluster.until(() => cluster.pods()[0]?.status?.phase === 'Running');
  await cluster.advance(30_000);
  const { resource } = cluster.client;
  const { items } = await settled(resource(podMetrics).list({ namespace: 'default' }));
  expect(
    items.map(({ metadata, containers, window }) => [metadata?.name, metadata?.labels, window, containers]),
  ).toEqual([
    [
      'web',
      { app: 'web' },
      '1s',
      [
        { name: 'main', usage: { cpu: '250000000n', memory: '65536Ki' } },
        { name: 'side', usage: { cpu: '1000000000n', memory: '65536Ki' } },
      ],
    ],
  ]);
  await cluster.advance(15_000);
  const node = await settled(resource(nodeMetrics).get('node-1'));
  expect([node.usage, node.kind]).toEqual([{ cpu: '1250000000n', memory: '131072Ki' }, 'NodeMetrics']);
  expect(Number.parseFloat(node.window)).toBeGreaterThan(14);
});

test('what changes is seen by whoever asks again', async () => {
  const { cluster, settled } = await start();
  await cluster.apply(podOf('web', { cpu: '100m,2@1m', memory: '1Mi' }));
  await cluster.until(() => cluster.pods()[0]?.status?.phase === 'Running');
  const cpu = async () => {
    const { containers } = await settled(cluster.client.resource(podMetrics).get('web', { namespace: 'default' }));
    return containers[0]?.usage.cpu;
  };
  await cluster.advance(20_000);
  expect(await cpu()).toBe('100000000n');
  await cluster.advance(60_000);
  expect(await cpu()).toBe('2000000000n');
});

test('a node is of known use right after pods were moved to it', async () => {
  const { cluster, settled } = await start();
  await cluster.apply(podOf('web', { cpu: '250m', memory: '1Mi' }));
  await cluster.until(() => cluster.pods()[0]?.status?.phase === 'Running');
  await cluster.advance(10_000);
  await settled(cluster.client.resource(nodeMetrics).list());
  await cluster.advance(10_000);
  await cluster.apply(podOf('moved', { cpu: '500m', memory: '1Mi' }));
  await cluster.until(() => cluster.pods().every(({ status }) => status?.phase === 'Running'));
  const { items } = await settled(cluster.client.resource(nodeMetrics).list());
  expect(items.map(({ metadata, usage }) => [metadata?.name, usage])).toEqual([
    ['node-1', { cpu: '750000000n', memory: '2048Ki' }],
  ]);
});

test('of what nothing is known nothing is told, and what is not there is not found', async () => {
  const { cluster, settled, get } = await start();
  const { resource } = cluster.client;
  await cluster.apply(podOf('quiet', {}));
  await cluster.apply(podOf('known', { cpu: '1m', memory: '1Ki' }));
  await cluster.until(() => cluster.pods().every(({ status }) => status?.phase === 'Running'));
  await cluster.advance(10_000);
  const names = async (options: object) =>
    (await settled(resource(podMetrics).list(options))).items.map(({ metadata }) => metadata?.name);
  expect(await names({})).toEqual(['known']);
  expect(await names({ namespace: 'default', labelSelector: 'app=quiet' })).toEqual([]);
  expect(await names({ fieldSelector: 'metadata.name=known' })).toEqual(['known']);
  expect((await settled(resource(nodeMetrics).list())).items).toEqual([]);
  await expect(settled(resource(podMetrics).get('quiet', { namespace: 'default' }))).rejects.toThrow(
    'podmetrics.metrics.k8s.io "default/quiet" not found',
  );
  await expect(settled(resource(nodeMetrics).get('none'))).rejects.toThrow(
    'nodemetrics.metrics.k8s.io "none" not found',
  );
  const list = '/apis/metrics.k8s.io/v1beta1/pods';
  expect((await get(list, 'fieldSelector=spec.nodeName%3Dx')).status).toBe(400);
  expect((await get(list, 'watch=1')).status).toBe(405);
  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  expect((await get(list, '', table)).object).toMatchObject({
    kind: 'Table',
    rows: [{ cells: ['known', '1000000n', '1Ki', expect.any(String), '0s'] }],
  });
});
