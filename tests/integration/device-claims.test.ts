import { expect, onTestFinished, test } from 'vitest';
import { deviceClasses, pods, resourceClaims, resourceClaimTemplates, resourceSlices } from '#pkg/api/types/refs.ts';
import { makePod } from '#pkg/testing/builders.ts';
import { startTestCluster } from '#pkg/testing/cluster.ts';

const driver = 'gpu.example.com';

test('devices are allocated for pods by the claims that are made of a template, and are free again once a pod is gone', async () => {
  const cluster = await startTestCluster({ nodes: 2 });
  onTestFinished(() => cluster.stop());
  const { client } = cluster;
  await client.resource(deviceClasses).create({
    metadata: { name: 'gpu' },
    spec: { selectors: [{ cel: { expression: `device.driver == "${driver}"` } }] },
  });
  await client.resource(resourceSlices).create({
    metadata: { name: 'node-2-gpus' },
    spec: {
      driver,
      nodeName: 'node-2',
      pool: { name: 'node-2', generation: 1, resourceSliceCount: 1 },
      devices: [{ name: 'gpu-0', attributes: { model: { string: 'a' } } }],
    },
  });
  await client.resource(resourceClaimTemplates).create({
    metadata: { name: 'one-gpu', namespace: 'default' },
    spec: { spec: { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu' } }] } } },
  });
  const asking = (name: string) =>
    makePod(name).spec({ resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'one-gpu' }] }).object;
  await client.resource(pods).create(asking('first'));
  await cluster.until(() => cluster.pods().some(({ spec }) => spec?.nodeName === 'node-2'));
  const { items } = await client.resource(resourceClaims).list({ namespace: 'default' });
  expect(items.map(({ status }) => status)).toMatchObject([
    {
      allocation: { devices: { results: [{ request: 'gpu', driver, pool: 'node-2', device: 'gpu-0' }] } },
      reservedFor: [{ resource: 'pods', name: 'first' }],
    },
  ]);
  await client.resource(pods).create(asking('second'));
  const second = () => cluster.pods().find(({ metadata }) => metadata?.name === 'second');
  await cluster.until(() => second()?.status?.conditions?.some(({ reason }) => reason === 'Unschedulable') === true);
  expect(second()?.status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message).toBe(
    '0/2 nodes are available: 2 cannot allocate all claims. no new claims to deallocate, preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.',
  );
  await client.resource(pods).delete('first', { namespace: 'default', gracePeriodSeconds: 0 });
  await cluster.until(() => second()?.spec?.nodeName === 'node-2');
});

test('where the server knows of no devices, as one of before them, pods are scheduled all the same', async () => {
  const cluster = await startTestCluster({
    flags: { 'kube-apiserver': { 'runtime-config': 'resource.k8s.io/v1=false' } },
  });
  onTestFinished(() => cluster.stop());
  await cluster.client.resource(pods).create(makePod('plain').object);
  await cluster.until(() => cluster.pods('default').some(({ status }) => status?.phase === 'Running'));
});
