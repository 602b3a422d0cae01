/** To which group volumes of CSI drivers are given, and by whom: over drivers in processes of their own, which show folders of the machine. */
import { chown, lstat, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Pod, PodSecurityContext } from '#pkg/api/types/core-v1.ts';
import { csiDrivers, pods } from '#pkg/api/types/refs.ts';
import { noRoot } from '#pkg/images/testing/folders.ts';
import { bound, capabilities, driver, isRunning, object, podOf, startDriver } from '../testing/csi-driver.ts';
import { startRealNode } from '../testing/real-node.ts';
import { diskVolumeHost } from '../volumes/disk-volume-host.ts';

const group = 2345;

/** A node that may give files away, and a folder for its driver to show, with a file in it. */
async function start() {
  const own = await mkdtemp(join(tmpdir(), 'coxswain-groups-'));
  onTestFinished(() => rm(own, { recursive: true, force: true }));
  const node = await startRealNode({ volumes: diskVolumeHost(join(own, 'volumes'), { isForContainers: true }) });
  const shows = join(own, 'disk');
  await mkdir(shows);
  await writeFile(join(shows, 'file'), '');
  const groups = async () => [(await lstat(shows)).gid, (await lstat(join(shows, 'file'))).gid];
  return { node, shows, groups };
}

const grouped = (name: string, security: PodSecurityContext = {}, rest: Partial<NonNullable<Pod['spec']>> = {}): Pod =>
  podOf(name, { securityContext: { fsGroup: group, ...security }, ...rest });

const rwx = { accessModes: ['ReadWriteMany'] };
const untyped = { csi: { driver, volumeHandle: 'handle-1' } };

test.skipIf(noRoot !== undefined).each([
  ['that is for one node and has a type of file system', {}, {}, [group, group]],
  ['without a type of file system', {}, untyped, [0, 0]],
  ['that is for many nodes', {}, rwx, [0, 0]],
  ['of a driver that says so, whatever it is', { fsGroupPolicy: 'File' }, { ...rwx, ...untyped }, [group, group]],
  ['of a driver that wants none', { fsGroupPolicy: 'None' }, {}, [0, 0]],
])('a volume %s is given to the group of its pod, or is not', async (_, spec, volume, expected) => {
  const { node, shows, groups } = await start();
  await node.client.resource(csiDrivers).create(object({ attachRequired: false, ...spec }));
  await bound(node, volume);
  await startDriver(node, {}, { shows });
  await node.client.resource(pods).create(grouped('one'));
  await node.until('one', isRunning);
  expect(await groups()).toEqual(expected);
});

test.skipIf(noRoot !== undefined)(
  'a driver that gives volumes to groups itself is told the group, and nobody else does',
  async () => {
    const { node, shows, groups } = await start();
    await node.client.resource(csiDrivers).create(object({ attachRequired: false, fsGroupPolicy: 'File' }));
    await bound(node);
    const { plugin } = await startDriver(node, { NodeGetCapabilities: capabilities(6) }, { shows });
    await node.client.resource(pods).create(grouped('one'));
    await node.until('one', isRunning);
    expect(plugin.requests('NodePublishVolume')).toMatchObject([{ use: { mount: { group: String(group) } } }]);
    expect(await groups()).toEqual([0, 0]);
  },
);

test.skipIf(noRoot !== undefined)(
  'a volume that is of the group already is left as it is where the pod says so',
  async () => {
    const { node, shows, groups } = await start();
    await node.client.resource(csiDrivers).create(object({ attachRequired: false }));
    await bound(node);
    await startDriver(node, {}, { shows });
    const run = async (name: string, security: PodSecurityContext) => {
      await node.client.resource(pods).create(grouped(name, security));
      await node.until(name, isRunning);
      return groups();
    };
    expect(await run('lazy', { fsGroupChangePolicy: 'OnRootMismatch' })).toEqual([group, group]);
    await chown(join(shows, 'file'), 0, 0);
    expect(await run('lazy-too', { fsGroupChangePolicy: 'OnRootMismatch' })).toEqual([group, 0]);
    expect(await run('eager', { fsGroupChangePolicy: 'Always' })).toEqual([group, group]);
  },
);

test.skipIf(noRoot !== undefined)('a volume that nobody of the pod may write is given to nobody', async () => {
  const { node, shows, groups } = await start();
  await node.client.resource(csiDrivers).create(object({ fsGroupPolicy: 'File', volumeLifecycleModes: ['Ephemeral'] }));
  await startDriver(node, {}, { shows });
  const volumes = [{ name: 'v', csi: { driver, readOnly: true } }];
  await node.client.resource(pods).create(grouped('one', {}, { volumes }));
  await node.until('one', isRunning);
  expect(await groups()).toEqual([0, 0]);
});
