/**
 * Plugins of a node of real containers: devices that a container has, devices of the Container Device Interface, volumes that a driver mounts, and mounts of pods in the kubelet's
 * folder. The plugins are processes of the machine, over another implementation of gRPC than the project's.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PluginPeer } from '#pkg/kubelet/testing/plugin-peer.ts';
import { RunningCluster as Clusters, eventually, hookMs, type RunningCluster } from '#tests/e2e/running-cluster.ts';
import { writeBusyboxArchive } from './busybox-image.ts';
import { processesOf } from './node-remains.ts';
import { noContainers } from './real-containers.ts';

if (noContainers !== undefined) console.log(`skipped: plugins of containers: ${noContainers}`);

const name = `plugins${process.pid}`;
const image = 'busybox:1';
const vendor = `vendor${process.pid}.example.com`;
const resource = `${vendor}/card`;
const driver = `disks.${vendor}`;
const cdiFile = `/var/run/cdi/${vendor}.json`;

describe.skipIf(noContainers !== undefined)('plugins of a node of containers', () => {
  let cluster: RunningCluster;
  let folder: string;
  let disk: string;
  const apply = (...items: readonly object[]): Promise<string> =>
    cluster.kubectl('35', ['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
  const inside = (pod: string, script: string): Promise<string> =>
    cluster.kubectl('35', ['exec', pod, '--', 'sh', '-c', script]);
  const pod = (podName: string, main: object, spec: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podName },
    spec: {
      containers: [{ name: 'main', image, imagePullPolicy: 'Never', command: ['sleep', '100000'], ...main }],
      ...{ terminationGracePeriodSeconds: 0, automountServiceAccountToken: false },
      ...spec,
    },
  });
  const ready = (podName: string): Promise<string> =>
    cluster.kubectl('35', ['wait', `pod/${podName}`, '--for=condition=Ready', '--timeout=120s']);
  const mounts = (text: string): readonly string[] =>
    readFileSync('/proc/self/mountinfo', 'latin1')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .filter((place) => place.includes(text));

  beforeAll(async () => {
    cluster = await Clusters.start({ flags: ['--name', name, '--processes', '--runtime', 'container'] });
    folder = join(cluster.dataDir, 'kubelet', `${name}-node-1`);
    disk = mkdtempSync(join(tmpdir(), 'plugins-disk-'));
    writeFileSync(join(disk, 'file'), 'of the disk\n');
    mkdirSync('/var/run/cdi', { recursive: true });
    const archive = join(cluster.dataDir, 'busybox.tar');
    writeBusyboxArchive(archive, image);
    const loaded = await cluster.coxswain(['image', 'load', archive]);
    expect(loaded.code, loaded.stderr).toBe(0);
  }, hookMs);

  afterAll(async () => {
    rmSync(cdiFile, { force: true });
    if (cluster === undefined) return;
    await cluster.coxswain(['down', '--delete-data']);
    await cluster.remove();
    // What was shown of it is no more, and it is as it was.
    expect([mounts(cluster.dataDir), readFileSync(join(disk, 'file'), 'utf8')]).toEqual([[], 'of the disk\n']);
    rmSync(disk, { recursive: true });
  }, hookMs);

  test(
    'a container has its devices, also those of the Container Device Interface, and keeps them when the kubelet is killed',
    async () => {
      const cdi = {
        cdiVersion: '0.6.0',
        kind: resource,
        containerEdits: { env: ['CDI=yes'] },
        devices: [
          {
            name: 'first',
            containerEdits: {
              deviceNodes: [{ path: '/dev/by-cdi', hostPath: '/dev/zero' }],
              mounts: [{ hostPath: disk, containerPath: '/by-cdi', options: ['ro'] }],
              hooks: [{ hookName: 'createRuntime', path: '/bin/sh', args: ['sh', '-c', `echo hook > ${disk}/hook`] }],
              additionalGids: [4711],
            },
          },
        ],
      };
      writeFileSync(cdiFile, JSON.stringify(cdi));
      const socketPath = join(folder, 'device-plugins/card.sock');
      const plugin = await PluginPeer.start({
        sockets: [{ socketPath, names: ['v1beta1.DevicePlugin'] }],
        answers: {
          Allocate: {
            containers: [
              {
                envs: { CARD: 'first' },
                devices: [{ containerPath: '/dev/card', hostPath: '/dev/null', permissions: 'rw' }],
                cdi: [{ name: `${resource}=first` }],
              },
            ],
          },
        },
      });
      plugin.push('ListAndWatch', { devices: [{ id: 'first', health: 'Healthy' }] });
      const request = { version: 'v1beta1', endpoint: 'card.sock', resource };
      const register = () =>
        plugin.ask(join(folder, 'device-plugins/kubelet.sock'), 'v1beta1.Registration', 'Register', request);
      await register();
      await apply(pod('card', { resources: { limits: { [resource]: '1' } } }));
      await ready('card');
      const look = 'echo $CARD $CDI; stat -c "%F %t %T" /dev/card /dev/by-cdi; cat /by-cdi/file /by-cdi/hook; id -G';
      const expected = [
        ...[
          'first yes',
          'character special file 1 3',
          'character special file 1 5',
          'of the disk',
          'hook',
          '0 4711',
          '',
        ],
      ];
      expect((await inside('card', look)).split('\n')).toEqual(expected);
      expect(await inside('card', 'echo x > /by-cdi/new 2>/dev/null || echo no')).toBe('no\n');

      const kubelet = () => processesOf(cluster.dataDir).find(({ command }) => /kubelet\/main/.test(command))?.pid;
      const before = kubelet();
      process.kill(before ?? 0, 'SIGKILL');
      await eventually(
        async () => kubelet(),
        (pid) => pid !== undefined && pid !== before,
        hookMs,
      );
      const status = await eventually(
        () => cluster.kubectl('35', ['get', 'pod', 'card', '-o', 'jsonpath={.status}']),
        (text) => text.includes('"Unknown"'),
        hookMs,
      );
      expect(JSON.parse(status).containerStatuses[0]).toMatchObject({
        restartCount: 0,
        allocatedResourcesStatus: [{ name: resource, resources: [{ resourceID: 'first', health: 'Unknown' }] }],
      });
      expect((await inside('card', look)).split('\n')).toEqual(expected);
      await cluster.kubectl('35', ['delete', 'pod', 'card', '--timeout=120s']);
    },
    hookMs,
  );

  test(
    'a volume that a driver mounts is in the pod, and gone with it, and nothing of its contents is lost',
    async () => {
      const socketPath = join(folder, 'plugins', driver, 'csi.sock');
      const registered = join(folder, 'plugins_registry', `${driver}-reg.sock`);
      mkdirSync(join(socketPath, '..'), { recursive: true });
      const plugin = await PluginPeer.start({
        sockets: [
          { socketPath, names: ['csi.v1.Node'] },
          { socketPath: registered, names: ['pluginregistration.Registration'] },
        ],
        answers: {
          GetInfo: { type: 'CSIPlugin', name: driver, endpoint: socketPath, versions: ['1.0.0'] },
          NodeGetInfo: { nodeId: 'here' },
        },
        shows: disk,
      });
      const claimRef = { namespace: 'default', name: 'data' };
      const storage = { accessModes: ['ReadWriteMany'], storageClassName: '' };
      await apply(
        {
          apiVersion: 'storage.k8s.io/v1',
          kind: 'CSIDriver',
          metadata: { name: driver },
          spec: { attachRequired: false, volumeLifecycleModes: ['Persistent', 'Ephemeral'] },
        },
        {
          apiVersion: 'v1',
          kind: 'PersistentVolume',
          metadata: { name: 'disk' },
          spec: { ...storage, claimRef, capacity: { storage: '1Gi' }, csi: { driver, volumeHandle: 'disk' } },
        },
        {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          metadata: { name: 'data' },
          spec: { ...storage, volumeName: 'disk', resources: { requests: { storage: '1Gi' } } },
        },
        pod(
          'reader',
          {
            volumeMounts: [
              { name: 'claimed', mountPath: '/claimed', subPath: 'deep' },
              { name: 'own', mountPath: '/own', readOnly: true },
            ],
          },
          {
            volumes: [
              { name: 'claimed', persistentVolumeClaim: { claimName: 'data' } },
              { name: 'own', csi: { driver } },
            ],
          },
        ),
      );
      await ready('reader');
      expect(await inside('reader', 'cat /own/file; echo written > /claimed/made; cat /own/deep/made')).toBe(
        'of the disk\nwritten\n',
      );
      expect(mounts('kubernetes.io~csi')).toHaveLength(2);
      await cluster.kubectl('35', ['delete', 'pod', 'reader', '--timeout=120s']);
      // It is gone from the API at once, as it has no time to end.
      const left = await eventually(
        async () => mounts('kubernetes.io~csi'),
        (all) => all.length === 0,
      );
      expect(left).toEqual([]);
      expect(await plugin.called('NodeUnpublishVolume', 2)).toHaveLength(2);
      expect(readFileSync(join(disk, 'deep/made'), 'utf8')).toBe('written\n');
      // The next one ends with the cluster, and its volume with it.
      await apply(
        pod(
          'last',
          { volumeMounts: [{ name: 'claimed', mountPath: '/claimed' }] },
          { volumes: [{ name: 'claimed', persistentVolumeClaim: { claimName: 'data' } }] },
        ),
      );
      await ready('last');
    },
    hookMs,
  );

  test(
    'a volume that is a device is read and written as one, is as full as its driver says, and is kept by a container that may only read',
    async () => {
      const file = join(disk, '..', `${name}.img`);
      writeFileSync(file, Buffer.alloc(1 << 20, 'of the device\n'));
      const device = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
      try {
        const blocks = `blocks.${vendor}`;
        const socketPath = join(folder, 'plugins', blocks, 'csi.sock');
        const registered = join(folder, 'plugins_registry/blocks-reg.sock');
        mkdirSync(join(socketPath, '..'), { recursive: true });
        const plugin = await PluginPeer.start({
          sockets: [
            { socketPath, names: ['csi.v1.Node'] },
            { socketPath: registered, names: ['pluginregistration.Registration'] },
          ],
          answers: {
            GetInfo: { type: 'CSIPlugin', name: blocks, endpoint: socketPath, versions: ['1.0.0'] },
            NodeGetInfo: { nodeId: 'here' },
            NodeGetCapabilities: { capabilities: [{ rpc: { type: 2 } }] },
            NodeGetVolumeStats: { usage: [{ total: 1 << 20, unit: 1 }] },
          },
          shows: device,
        });
        const spec = { accessModes: ['ReadWriteMany'], storageClassName: '', volumeMode: 'Block' };
        const source = { csi: { driver: blocks, volumeHandle: 'device' }, capacity: { storage: '1Mi' } };
        const claim = { volumeName: 'device', resources: { requests: { storage: '1Mi' } } };
        const volumeDevices = [{ name: 'v', devicePath: '/dev/volume' }];
        const volumes = (readOnly: boolean) => ({
          volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'device', readOnly } }],
        });
        await apply(
          {
            apiVersion: 'storage.k8s.io/v1',
            kind: 'CSIDriver',
            metadata: { name: blocks },
            spec: { attachRequired: false },
          },
          { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'device' }, spec: { ...spec, ...source } },
          {
            apiVersion: 'v1',
            kind: 'PersistentVolumeClaim',
            metadata: { name: 'device' },
            spec: { ...spec, ...claim },
          },
          pod('writer', { volumeDevices }, volumes(false)),
          pod('watcher', { volumeDevices }, volumes(true)),
        );
        await Promise.all([ready('writer'), ready('watcher')]);
        const write = 'head -n 1 /dev/volume; printf "by the writer\\n" | dd of=/dev/volume conv=fsync 2>/dev/null';
        expect(await inside('writer', write)).toBe('of the device\n');
        const refused = '(printf no > /dev/volume) 2>/dev/null || head -n 1 /dev/volume';
        expect(await inside('watcher', refused)).toBe('by the writer\n');
        // Volumes are looked at beside what runs, and may be known after it.
        const volumesOf = async (): Promise<readonly object[] | undefined> => {
          const path = `/api/v1/nodes/${name}-node-1/proxy/stats/summary`;
          const summary = JSON.parse(await cluster.kubectl('35', ['get', '--raw', path]));
          return summary.pods.find(({ podRef }: { podRef: { name: string } }) => podRef.name === 'writer')?.volume;
        };
        expect(await eventually(volumesOf, (found) => (found ?? []).length > 0)).toMatchObject([
          { name: 'v', capacityBytes: 1 << 20, pvcRef: { name: 'device', namespace: 'default' } },
        ]);
        await cluster.kubectl('35', ['delete', 'pod', 'writer', 'watcher', '--timeout=120s']);
        await plugin.called('NodeUnpublishVolume', 2);
        const left = await eventually(
          async () => mounts('volumeDevices'),
          (all) => all.length === 0,
        );
        expect(left).toEqual([]);
      } finally {
        execFileSync('losetup', ['--detach', device]);
        rmSync(file);
      }
    },
    hookMs,
  );

  test(
    'what a pod mounts in the folder of every kubelet is seen on the machine',
    async () => {
      const volumes = [{ name: 'pods', hostPath: { path: '/var/lib/kubelet/pods', type: 'Directory' } }];
      const main = {
        volumeMounts: [{ name: 'pods', mountPath: '/pods', mountPropagation: 'Bidirectional' }],
        securityContext: { privileged: true },
      };
      await apply(pod('mounter', main, { volumes }));
      await ready('mounter');
      await inside('mounter', 'mkdir /pods/made && mount -t tmpfs none /pods/made');
      expect(mounts(join(folder, 'pods/made'))).toHaveLength(1);
      await inside('mounter', 'busybox umount /pods/made && rm -r /pods/made');
      expect(mounts(join(folder, 'pods/made'))).toEqual([]);
      await cluster.kubectl('35', ['delete', 'pod', 'mounter', '--timeout=120s']);
    },
    hookMs,
  );
});
