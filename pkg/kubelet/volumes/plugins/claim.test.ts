import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '#pkg/api/types/core-v1.ts';
import { persistentVolumeClaims, persistentVolumes } from '#pkg/api/types/refs.ts';
import { neverAborted } from '#pkg/base/async.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { startBareApi } from '#pkg/testing/bare-api.ts';
import { diskVolumeHost } from '../disk-volume-host.ts';
import { VolumeManager } from '../volume-manager.ts';
import { WatchedObjects } from '../watched-objects.ts';
import { volumePlugins } from './table.ts';

const folder = { driver: 'node-folder.coxswain.dev', volumeHandle: 'pv' };

const hostname = { key: 'kubernetes.io/hostname', operator: 'In', values: ['n'] };
const nodeAffinity = { required: { nodeSelectorTerms: [{ matchExpressions: [hostname] }] } };

/** A node's volumes on a folder of this machine, with a claim that is bound to a volume like that. */
async function start(spec: PersistentVolume['spec'], claimSpec: PersistentVolumeClaim['spec'] = { volumeName: 'pv' }) {
  const directory = await mkdtemp(join(tmpdir(), 'claims-'));
  const [clock, random] = [new VirtualClock(), new SeededRandom(1)];
  const { client } = (await startBareApi({ clock, random })).connect('node', 'kubelet');
  const claims = client.resource(persistentVolumeClaims);
  const claim = await claims.create({
    metadata: { name: 'data', namespace: 'default' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1' } }, ...claimSpec },
  });
  await claims.update({ ...claim, status: { phase: 'Bound' } }, { subresource: 'status' });
  const claimRef = { namespace: 'default', name: 'data', uid: claim.metadata?.uid ?? '' };
  await client.resource(persistentVolumes).create({
    metadata: { name: 'pv' },
    spec: { capacity: { storage: '1' }, accessModes: ['ReadWriteOnce'], claimRef, ...spec },
  });
  const manager = new VolumeManager({
    host: diskVolumeHost(join(directory, 'volumes')),
    plugins: volumePlugins,
    objects: new WatchedObjects({ client, clock, random, log: silentLogger, onChange: () => {} }),
    client,
    clock,
    readsFiles: () => true,
    record: () => {},
  });
  const mount = (pod: Pod) =>
    manager.mount(pod, { pod, node: {}, podIps: [], hostIps: [], signal: neverAborted } as never);
  return { directory, client, manager, mount, clean: () => rm(directory, { recursive: true, force: true }) };
}

const podOf = (uid: string): Pod => ({
  metadata: { name: 'p', namespace: 'default', uid },
  spec: { containers: [], volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] },
});

test('what a pod leaves in its folder the next pod finds, and it is gone once the volume is', async () => {
  const { directory, client, manager, mount, clean } = await start({ csi: folder });
  const first = await mount(podOf('u1'));
  const path = first.ok ? (first.volumes.get('v')?.path ?? '') : '';
  await writeFile(join(path, 'kept'), 'data');
  await manager.unmount('u1');
  expect(await mount(podOf('u2'))).toEqual(first);
  expect(await readdir(path)).toEqual(['kept']);
  await client.resource(persistentVolumes).delete('pv');
  await manager.unmount('u2');
  expect(await readdir(join(directory, 'persistent-volumes'))).toEqual([]);
  await clean();
});

test.each([
  ['leads out of its place', { csi: { ...folder, volumeHandle: '../../etc' } }, 'is not the name of its volume'],
  ['takes a driver', { csi: { driver: 'd.example.com', volumeHandle: 'x' } }, 'driver name d.example.com not found'],
  ['takes a network', { nfs: { server: 's', path: '/' } }, 'the kind of volume pv is not supported by this node'],
  ['is a folder that is not there', { local: { path: '/nowhere/at/all' }, nodeAffinity }, 'is not a directory'],
])('a volume that %s is refused', async (_, spec, message) => {
  const { mount, clean } = await start(spec);
  expect(await mount(podOf('u1'))).toMatchObject({ ok: false, volume: 'v', message: expect.stringContaining(message) });
  await clean();
});

test('a claim without a volume is waited for', async () => {
  const { mount, clean } = await start({ csi: folder }, {});
  expect(await mount(podOf('u1'))).toEqual({ ok: false, volume: 'v', message: 'PVC is not bound' });
  await clean();
});
