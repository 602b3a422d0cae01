/** How full volumes are, as a CSI driver in a process of its own says it, and as the files of the node's own kinds do: in `/stats/summary`, `/metrics` and events. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { configMaps, csiDrivers, events, pods } from '#pkg/api/types/refs.ts';
import { bound, capabilities, driver, isRunning, object, podOf, startDriver } from '../testing/csi-driver.ts';
import { startRealNode } from '../testing/real-node.ts';

const usage = [
  { available: 60, total: 100, used: 40, unit: 1 },
  { available: 7, total: 10, used: 3, unit: 2 },
];
type RealNode = Awaited<ReturnType<typeof startRealNode>>;

/** The `volume` list of a pod in the summary, by name. */
async function volumesOf(node: RealNode, name: string) {
  const summary = JSON.parse(await node.get('/stats/summary'));
  const pod = summary.pods.find(({ podRef }: { podRef: { name: string } }) => podRef.name === name);
  const all: { name: string; time: string }[] = pod.volume ?? [];
  return Object.fromEntries(all.map(({ name: volume, time: _, ...rest }) => [volume, rest]));
}

/** Who asks waits two seconds for a look, and is told of what it has seen when he asks again. */
const eventually = <T>(asked: () => Promise<T>) => expect.poll(asked, { interval: 20 });

const metricsOf = async (node: RealNode): Promise<readonly string[]> =>
  (await node.get('/metrics')).split('\n').filter((line) => line.startsWith('kubelet_volume_stats_'));

test('a volume is as full as its driver says, in the summary by its claim and in the metrics once for each claim', async () => {
  const node = await startRealNode();
  await node.client.resource(csiDrivers).create(object({ attachRequired: false }));
  await bound(node);
  const { plugin } = await startDriver(node, {
    NodeGetCapabilities: capabilities(2),
    NodeGetVolumeStats: { usage },
  });
  for (const name of ['one', 'two']) await node.client.resource(pods).create(podOf(name));
  const { metadata } = await node.until('one', isRunning);
  await node.until('two', isRunning);
  await eventually(async () => (await volumesOf(node, 'one')).v).toEqual({
    pvcRef: { name: 'data', namespace: 'default' },
    ...{ availableBytes: 60, capacityBytes: 100, usedBytes: 40, inodesFree: 7, inodes: 10, inodesUsed: 3 },
  });
  const labels = '{namespace="default",persistentvolumeclaim="data"}';
  await eventually(() => metricsOf(node)).toEqual([
    `kubelet_volume_stats_capacity_bytes${labels} 100`,
    `kubelet_volume_stats_available_bytes${labels} 60`,
    `kubelet_volume_stats_used_bytes${labels} 40`,
    `kubelet_volume_stats_inodes${labels} 10`,
    `kubelet_volume_stats_inodes_free${labels} 7`,
    `kubelet_volume_stats_inodes_used${labels} 3`,
  ]);
  const path = join(node.folder, `pods/${metadata?.uid}/volumes/kubernetes.io~csi/disk/mount`);
  expect(plugin.requests('NodeGetVolumeStats')).toContainEqual({ volumeId: 'handle-1', path });
  // Once for each pod's, however many asked.
  expect(plugin.requests('NodeGetVolumeStats')).toHaveLength(2);
});

test('what a driver says is wrong with a volume is an event of its pod, and a sign in summary and metrics', async () => {
  const node = await startRealNode();
  await node.client.resource(csiDrivers).create(object({ attachRequired: false }));
  await bound(node);
  await startDriver(node, {
    NodeGetCapabilities: capabilities(2, 4),
    NodeGetVolumeStats: { usage, condition: { abnormal: true, message: 'the disk has bad blocks' } },
  });
  await node.client.resource(pods).create(podOf('one'));
  await node.until('one', isRunning);
  await eventually(() => metricsOf(node)).toContain(
    'kubelet_volume_stats_health_status_abnormal{namespace="default",persistentvolumeclaim="data"} 1',
  );
  await eventually(async () => (await volumesOf(node, 'one')).v).toMatchObject({
    volumeHealthStats: { abnormal: true },
  });
  const said = async () => {
    const { items } = await node.client.resource(events).list({ namespace: 'default' });
    return items.flatMap(({ type, reason, message }) =>
      reason === 'VolumeConditionAbnormal' ? [`${type} ${message}`] : [],
    );
  };
  await expect.poll(said).toEqual(['Warning Volume v: the disk has bad blocks']);
});

test('a driver that cannot say, or refuses, leaves its volume out, and nothing else of the pod', async () => {
  const node = await startRealNode();
  await node.client.resource(csiDrivers).create(object({ volumeLifecycleModes: ['Ephemeral'] }));
  const { plugin } = await startDriver(
    node,
    { NodeGetCapabilities: capabilities(2) },
    { refusals: { NodeGetVolumeStats: 'no idea' } },
  );
  await node.client.resource(configMaps).create({
    metadata: { name: 'config', namespace: 'default' },
    data: { key: 'value' },
  });
  const own: Pod = podOf('one', {
    volumes: [
      { name: 'v', csi: { driver } },
      { name: 'cache', emptyDir: {} },
      { name: 'config', configMap: { name: 'config' } },
    ],
  });
  await node.client.resource(pods).create(own);
  const { metadata } = await node.until('one', isRunning);
  await writeFile(join(node.folder, `volumes/${metadata?.uid}/empty-dir/cache/file`), Buffer.alloc(1_000_000));
  await eventually(async () => Object.keys(await volumesOf(node, 'one'))).toEqual(['cache', 'config']);
  await plugin.called('NodeGetVolumeStats');
  const found = await volumesOf(node, 'one');
  const { usedBytes, capacityBytes, availableBytes, inodesUsed, pvcRef } = Object(found.cache);
  expect([usedBytes >= 1_000_000, usedBytes < 1_100_000, inodesUsed, pvcRef]).toEqual([true, true, 1, undefined]);
  expect(capacityBytes).toBeGreaterThan(availableBytes);
  expect(await metricsOf(node)).toEqual([]);
});

test('a driver that hangs holds up nobody who asks for what others say', async () => {
  const node = await startRealNode();
  await node.client.resource(csiDrivers).create(object({ volumeLifecycleModes: ['Ephemeral'] }));
  const { plugin } = await startDriver(node, { NodeGetCapabilities: capabilities(2) });
  plugin.silence('NodeGetVolumeStats');
  const volumes = [
    { name: 'v', csi: { driver } },
    { name: 'cache', emptyDir: {} },
  ];
  await node.client.resource(pods).create(podOf('one', { volumes }));
  await node.until('one', isRunning);
  await eventually(async () => Object.keys(await volumesOf(node, 'one'))).toEqual(['cache']);
});
