/** Volumes that are devices, of a CSI driver in a process of its own and of the machine: how they are asked for, what a container has of them, and what is refused. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { csiDrivers, pods } from '#pkg/api/types/refs.ts';
import { neverAborted } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { noRoot } from '#pkg/images/testing/folders.ts';
import { createFakeRuntime } from '../runtime/fake/fake-runtime.ts';
import { Leaving, leavingRuntime } from '../runtime/leaving-runtime.ts';
import {
  bound,
  capabilities,
  eventuallyFails,
  isRunning,
  object,
  podOf,
  remove,
  startDriver,
} from '../testing/csi-driver.ts';
import { startRealNode } from '../testing/real-node.ts';

const app: Container = { name: 'app', image: 'example.com/app:v1' };
const waitingOf = ({ status }: Pod) =>
  [status?.containerStatuses?.[0]?.state?.waiting].find((waiting) => waiting?.reason === 'CreateContainerConfigError');
const devicePod = (name: string): Pod =>
  podOf(name, { containers: [{ ...app, volumeDevices: [{ name: 'v', devicePath: '/dev/disk' }] }] });

/** A device node of the kernel's loop devices, which nobody opens. */
async function makeDevice({ place }: Awaited<ReturnType<typeof startRealNode>>): Promise<string> {
  const path = await place('disks', 'disk');
  execFileSync('mknod', [path, 'b', '7', '63']);
  return path;
}

test.skipIf(noRoot !== undefined)(
  'a device of a driver is asked for as one, in the container at the path it wants, and given back',
  async () => {
    const node = await startRealNode();
    await node.client.resource(csiDrivers).create(object({ attachRequired: false, fsGroupPolicy: 'File' }));
    await bound(node, { volumeMode: 'Block' });
    const shows = await makeDevice(node);
    const { plugin } = await startDriver(node, { NodeGetCapabilities: capabilities(1, 2, 6) }, { shows });
    await node.client.resource(pods).create(devicePod('one'));
    const { metadata } = await node.until('one', isRunning);
    const devices = join(node.folder, 'plugins/kubernetes.io/csi/volumeDevices');
    const stagingPath = join(devices, 'staging/disk');
    const targetPath = join(devices, 'publish/disk', metadata?.uid ?? '');
    const common = { volumeId: 'handle-1', stagingPath, attributes: { size: 'large' } };
    const use = { block: {}, accessMode: { mode: 1 } };
    expect(plugin.requests('NodeStageVolume')).toEqual([{ ...common, use }]);
    expect(plugin.requests('NodePublishVolume')).toEqual([{ ...common, use, targetPath }]);
    expect(node.made.at(-1)).toMatchObject({
      mounts: [],
      devices: [{ containerPath: '/dev/disk', hostPath: targetPath, permissions: 'mrw' }],
    });
    await node.get('/stats/summary');
    expect(await plugin.called('NodeGetVolumeStats')).toContainEqual({ volumeId: 'handle-1', path: targetPath });
    await node.restart();
    await remove(node, 'one');
    expect(await plugin.called('NodeUnpublishVolume')).toEqual([{ volumeId: 'handle-1', path: targetPath }]);
    expect(await plugin.called('NodeUnstageVolume')).toEqual([{ volumeId: 'handle-1', path: stagingPath }]);
    await expect.poll(() => readdir(join(node.folder, 'pods'))).toEqual([]);
    await expect.poll(() => readdir(join(devices, 'publish'))).toEqual([]);
    expect(existsSync(stagingPath)).toBe(false);
  },
);

test('what a driver shows that is no device is not given to a container, and taken away again', async () => {
  const node = await startRealNode();
  await node.client.resource(csiDrivers).create(object({ attachRequired: false }));
  await bound(node, { volumeMode: 'Block' });
  const { plugin } = await startDriver(node);
  await node.client.resource(pods).create(devicePod('one'));
  await eventuallyFails(node, /^driver disks\.example\.com has shown no block device at /);
  await remove(node, 'one');
  await plugin.called('NodeUnpublishVolume');
  await expect.poll(() => readdir(join(node.folder, 'pods'))).toEqual([]);
});

test.skipIf(noRoot !== undefined)(
  'a device of the machine is in the container, only to be read where the claim says so',
  async () => {
    const node = await startRealNode();
    const path = await makeDevice(node);
    await bound(node, { volumeMode: 'Block', local: { path } });
    const pod = devicePod('one');
    const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: 'data', readOnly: true } }];
    await node.client
      .resource(pods)
      .create({ ...pod, spec: { ...pod.spec, containers: pod.spec?.containers ?? [], volumes } });
    await node.until('one', isRunning);
    expect(node.made.at(-1)?.devices).toEqual([{ containerPath: '/dev/disk', hostPath: path, permissions: 'r' }]);
  },
);

test.each([
  [
    'a folder that is wanted as a device',
    {},
    devicePod('one'),
    'volume v has volumeMode Filesystem, but is specified in volumeDevices',
  ],
  [
    'a device that is wanted as a folder',
    { volumeMode: 'Block' },
    podOf('one'),
    'volume v has volumeMode Block, but is specified in volumeMounts',
  ],
])('%s is refused', async (_, mode, pod, message) => {
  const node = await startRealNode();
  await node.client.resource(csiDrivers).create(object({ attachRequired: false }));
  await bound(node, mode);
  await startDriver(node);
  await node.client.resource(pods).create(pod);
  await eventuallyFails(node, message);
});

test.each([
  ['a file', { local: { path: '/etc/passwd' } }, 'hostPath type check failed: /etc/passwd is not a block device'],
  [
    'a path of the machine',
    { hostPath: { path: '/dev/null' } },
    'the kind of volume disk has no volumes of mode Block',
  ],
])('%s is no device', async (_, kind, message) => {
  const node = await startRealNode();
  await bound(node, { volumeMode: 'Block', ...kind });
  await node.client.resource(pods).create(devicePod('one'));
  await eventuallyFails(node, message);
});

test.skipIf(noRoot !== undefined)(
  'a runtime that gives containers no devices refuses the container, and says so',
  async () => {
    const own = createFakeRuntime({ clock: new SystemClock(), random: new SystemRandom() });
    const features = own.capabilities.features.difference(new Set(['devices']));
    const capabilities = { ...own.capabilities, name: 'plain', features };
    const node = await startRealNode({
      runtimes: { plain: { ...leavingRuntime(own, new Leaving(neverAborted)), capabilities } },
      defaultRuntime: 'plain',
    });
    const path = await makeDevice(node);
    await bound(node, { volumeMode: 'Block', local: { path } });
    await node.client.resource(pods).create(devicePod('one'));
    const { status } = await node.until('one', (pod) => waitingOf(pod) !== undefined);
    expect(status?.containerStatuses?.[0]?.state?.waiting).toEqual({
      reason: 'CreateContainerConfigError',
      message: 'the plain runtime does not support devices',
    });
  },
);
