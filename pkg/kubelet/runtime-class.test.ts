/** A pod is run by what its RuntimeClass names: it waits for a class, and keeps its runtime when the class goes. Transcripts on virtual time. */
import { expect, test } from 'vitest';
import { pods, runtimeClasses } from '#pkg/api/types/refs.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createFakeRuntime } from './runtime/fake/fake-runtime.ts';
import { type Cluster, pod, recorded, seen, start } from './testing/virtual-node.ts';

const addClass = async ({ client, clock }: Cluster, name: string, handler: string): Promise<void> => {
  await client
    .resource(runtimeClasses)
    .create({ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name }, handler });
  await clock.settle();
};

const waiting = 'Pending ready=False app=waiting:ContainerCreating';

test('a pod whose class the kubelet has not heard of waits for it', async () => {
  const cluster = await start();
  await cluster.client.resource(pods).create(pod('web', { spec: { runtimeClassName: 'late' } }));
  await cluster.clock.settle();
  expect(await seen(cluster, 'web')).toBe(`0s ${waiting}`);
  await cluster.clock.advance(10_000);
  const failed = 'FailedCreatePodSandBox: Failed to create pod sandbox: runtimeclass.node.k8s.io "late" not found';
  expect((await recorded(cluster, 'web')).join()).toContain(failed);
  await addClass(cluster, 'late', 'fake');
  await cluster.clock.advance(10_000);
  expect(await seen(cluster, 'web')).toBe('20s Running ready=True app=running');
});

test('a pod whose handler the node does not have waits, with its handler in an event, and can be deleted', async () => {
  const cluster = await start();
  await addClass(cluster, 'strong', 'missing');
  await cluster.client.resource(pods).create(pod('web', { spec: { runtimeClassName: 'strong' } }));
  await cluster.clock.advance(60_000);
  expect(await seen(cluster, 'web')).toBe(`60s ${waiting}`);
  expect((await recorded(cluster, 'web')).join()).toContain('no runtime for "missing" is configured');
  await cluster.client.resource(pods).delete('web', { namespace: 'default' });
  await cluster.clock.advance(60_000);
  expect((await cluster.client.resource(pods).list({ namespace: 'default' })).items).toEqual([]);
});

test('a pod keeps its runtime when its class goes, and the kubelet after it', async () => {
  // Of a clock that stands still, as nothing of it is waited for.
  const other = createFakeRuntime({ clock: new VirtualClock(), random: new SeededRandom(2) });
  const cluster = await start((fake) => ({ runtimes: { fake, other } }));
  await addClass(cluster, 'strong', 'other');
  await cluster.client.resource(pods).create(pod('web', { spec: { runtimeClassName: 'strong' } }));
  await cluster.clock.settle();
  const idOf = async () =>
    (await cluster.client.resource(pods).get('web', { namespace: 'default' })).status?.containerStatuses?.[0]
      ?.containerID;
  const id = await idOf();
  expect(await other.containers.list()).toHaveLength(1);
  await cluster.client.resource(runtimeClasses).delete('strong');
  await cluster.end();
  const { end } = cluster.startKubelet();
  await cluster.clock.advance(60_000);
  expect(await seen(cluster, 'web')).toBe('60s Running ready=True app=running');
  expect(await idOf()).toBe(id);
  expect(await cluster.runtime.containers.list()).toEqual([]);
  await end();
});
