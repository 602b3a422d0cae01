/** CSI drivers in processes of their own, over another implementation of gRPC: volumes of claims and of pods, attached, made ready, shown and given back. */
import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { attachmentFor, deviceName } from '#pkg/api/storage/attachment.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import {
  csiDrivers,
  csiNodes,
  nodes,
  persistentVolumeClaims,
  pods,
  secrets,
  volumeAttachments,
} from '#pkg/api/types/refs.ts';
import {
  bound,
  capabilities,
  driver,
  eventuallyFails,
  isRunning,
  object,
  podOf,
  remove,
  startDriver,
} from '../testing/csi-driver.ts';
import { startRealNode } from '../testing/real-node.ts';

test('a driver is told of in the CSINode, and by labels of where the node is, until it is gone', async () => {
  const node = await startRealNode();
  const drivers = async () =>
    (
      await node.client
        .resource(csiNodes)
        .get('n1')
        .catch(() => undefined)
    )?.spec.drivers ?? [];
  await expect.poll(drivers).toEqual([]);
  const { registered } = await startDriver(node);
  const [known] = await drivers();
  expect(known).toEqual({
    ...{ name: driver, nodeID: 'machine-7', topologyKeys: ['example.com/zone'], allocatable: { count: 3 } },
  });
  const { metadata } = await node.client.resource(nodes).get('n1');
  expect(metadata?.labels?.['example.com/zone']).toBe('north');
  expect(metadata?.annotations?.['csi.volume.kubernetes.io/nodeid']).toBe(`{"${driver}":"machine-7"}`);
  await rm(registered);
  await expect.poll(drivers).toEqual([]);
});

test('a volume is attached, made ready once, shown to each pod, and given back after the last', async () => {
  const node = await startRealNode();
  const { plugin } = await startDriver(node, { NodeGetCapabilities: capabilities(1) }, { isInPod: true });
  const { client } = node;
  await client.resource(secrets).create({
    metadata: { name: 'key', namespace: 'default' },
    data: { token: Buffer.from('secret').toString('base64') },
  });
  const reference = { name: 'key', namespace: 'default' };
  const csi = { driver, volumeHandle: 'handle-1', fsType: 'ext4', volumeAttributes: { size: 'large' } };
  const volume = await bound(node, {
    mountOptions: ['noatime'],
    csi: { ...csi, nodeStageSecretRef: reference, nodePublishSecretRef: reference },
  });
  await client.resource(pods).create(podOf('one'));
  await eventuallyFails(node, 'volume disk is not attached according to node status');
  const device = deviceName(volume);
  const inUse = async () => (await client.resource(nodes).get('n1')).status?.volumesInUse ?? [];
  await expect.poll(inUse).toEqual([device]);
  // As the controller, and the driver's own attacher, do.
  const attachment = await client.resource(volumeAttachments).create(attachmentFor(volume, 'n1'));
  const status = { attached: true, attachmentMetadata: { lun: '4' } };
  await client.resource(volumeAttachments).update({ ...attachment, status }, { subresource: 'status' });
  const volumesAttached = [{ name: device, devicePath: '' }];
  await client.resource(nodes).patch('n1', { status: { volumesAttached } }, { type: 'merge', subresource: 'status' });
  const one = await node.until('one', isRunning);
  const staging = /^\/var\/lib\/kubelet\/plugins\/kubernetes\.io\/csi\/disks\.example\.com\/[0-9a-f]{64}\/globalmount$/;
  const use = { mount: { fsType: 'ext4', flags: ['noatime'] }, accessMode: { mode: 1 } };
  const common = {
    ...{ volumeId: 'handle-1', publishContext: { lun: '4' }, use, secrets: { token: 'secret' } },
    ...{ attributes: { size: 'large' }, stagingPath: expect.stringMatching(staging) },
  };
  expect(plugin.requests('NodeStageVolume')).toEqual([common]);
  const target = (pod: Pod) => `/var/lib/kubelet/pods/${pod.metadata?.uid}/volumes/kubernetes.io~csi/disk/mount`;
  expect(plugin.requests('NodePublishVolume')).toEqual([{ ...common, targetPath: target(one) }]);
  expect(node.made.at(-1)?.mounts).toEqual([
    { containerPath: '/data', hostPath: target(one).replace('/var/lib/kubelet', node.folder), readOnly: false },
  ]);
  await client.resource(pods).create(podOf('two'));
  const two = await node.until('two', isRunning);
  expect(plugin.requests('NodeStageVolume')).toHaveLength(1);
  await remove(node, 'one');
  expect(await plugin.called('NodeUnpublishVolume')).toEqual([{ volumeId: 'handle-1', path: target(one) }]);
  expect(plugin.requests('NodeUnstageVolume')).toEqual([]);
  await remove(node, 'two');
  expect((await plugin.called('NodeUnpublishVolume', 2))[1]).toEqual({ volumeId: 'handle-1', path: target(two) });
  expect(await plugin.called('NodeUnstageVolume')).toEqual([
    { volumeId: 'handle-1', path: expect.stringMatching(staging) },
  ]);
  await expect.poll(inUse).toEqual([]);
  await expect.poll(() => readdir(join(node.folder, 'pods'))).toEqual([]);
});

test('a volume of the pod itself is shown with what the driver asks to know of the pod', async () => {
  const node = await startRealNode();
  const { plugin } = await startDriver(node);
  const own: Pod = podOf('one', {
    volumes: [{ name: 'v', csi: { driver, fsType: 'xfs', readOnly: true, volumeAttributes: { kind: 'scratch' } } }],
  });
  await node.client.resource(pods).create(own);
  await eventuallyFails(node, `volume mode "Ephemeral" not supported by driver ${driver} (no CSIDriver object)`);
  await node.client.resource(csiDrivers).create(object({ podInfoOnMount: true, volumeLifecycleModes: ['Ephemeral'] }));
  const { metadata } = await node.until('one', isRunning);
  const name = 'csi.storage.k8s.io';
  expect(plugin.requests('NodePublishVolume')).toEqual([
    {
      volumeId: expect.stringMatching(/^csi-[0-9a-f]{64}$/),
      targetPath: join(node.folder, `pods/${metadata?.uid}/volumes/kubernetes.io~csi/v/mount`),
      use: { mount: { fsType: 'xfs' }, accessMode: { mode: 1 } },
      readOnly: true,
      attributes: {
        ...{ kind: 'scratch', [`${name}/pod.name`]: 'one', [`${name}/pod.namespace`]: 'default' },
        ...{ [`${name}/pod.uid`]: metadata?.uid, [`${name}/serviceAccount.name`]: 'default' },
        [`${name}/ephemeral`]: 'true',
      },
    },
  ]);
  expect(node.made.at(-1)?.mounts[0]?.readOnly).toBe(true);
  await remove(node, 'one');
  await plugin.called('NodeUnpublishVolume');
  expect(plugin.requests('NodeUnstageVolume')).toEqual([]);
});

test('what the driver says against it is said of the pod, and tried again', async () => {
  const node = await startRealNode();
  await node.client.resource(csiDrivers).create(object({ attachRequired: false }));
  await bound(node);
  await node.client.resource(pods).create(podOf('one'));
  await eventuallyFails(node, `driver name ${driver} not found in the list of registered CSI drivers`);
  const { plugin } = await startDriver(node, {}, { refusals: { NodePublishVolume: 'the disk is broken' } });
  await eventuallyFails(node, 'rpc error: code = Internal desc = the disk is broken');
  plugin.answer('NodePublishVolume', {});
  await node.until('one', isRunning);
});

test('volumes of a pod that went while no kubelet ran are given back once their driver is there again', async () => {
  const node = await startRealNode();
  await node.client.resource(csiDrivers).create(object({ attachRequired: false }));
  await bound(node);
  const first = await startDriver(node, { NodeGetCapabilities: capabilities(1) });
  await node.client.resource(pods).create(podOf('one'));
  const { metadata } = await node.until('one', isRunning);
  const at = join(node.folder, `pods/${metadata?.uid}/volumes/kubernetes.io~csi/disk/mount`);
  expect(await readFile(join(at, 'data'), 'utf8')).toBe('of the driver');
  await node.restart(async () => {
    await first.plugin.stop();
    await remove(node, 'one');
  });
  const { plugin } = await startDriver(node, { NodeGetCapabilities: capabilities(1) });
  expect(await plugin.called('NodeUnpublishVolume')).toEqual([{ volumeId: 'handle-1', path: at }]);
  await plugin.called('NodeUnstageVolume');
  await expect.poll(() => existsSync(at)).toBe(false);
});

test('a volume that has become larger is made so on the node, and its claim says so', async () => {
  const node = await startRealNode();
  await node.client.resource(csiDrivers).create(object({ attachRequired: false }));
  await bound(node, { capacity: { storage: '2Gi' } });
  const { plugin } = await startDriver(node, { NodeGetCapabilities: capabilities(3) });
  await node.client.resource(pods).create(podOf('one'));
  const { metadata } = await node.until('one', isRunning);
  expect(plugin.requests('NodeExpandVolume')).toEqual([
    {
      volumeId: 'handle-1',
      volumePath: join(node.folder, `pods/${metadata?.uid}/volumes/kubernetes.io~csi/disk/mount`),
      range: { bytes: 2 * 1024 ** 3 },
      use: { mount: { fsType: 'ext4' }, accessMode: { mode: 1 } },
    },
  ]);
  const claim = await node.client.resource(persistentVolumeClaims).get('data', { namespace: 'default' });
  expect(claim.status?.capacity).toEqual({ storage: '2Gi' });
});
