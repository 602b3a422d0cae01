import { expect, test } from 'vitest';
import type { PersistentVolume, PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import { persistentVolumeClaims, persistentVolumes, pods, storageClasses } from '#pkg/api/types/refs.ts';
import { addNode, type Harness, startHarness, until } from '../testing/harness.ts';

const namespace = 'default';
const controllers = [
  'persistentvolume-binder-controller',
  'persistentvolumeclaim-protection-controller',
  'persistentvolume-protection-controller',
  'ephemeral-volume-controller',
];

const start = (): Promise<Harness> => startHarness({ controllers, runPods: false });

const volume = (name: string, storage: string, spec: PersistentVolume['spec'] = {}): PersistentVolume => ({
  metadata: { name },
  spec: {
    capacity: { storage },
    accessModes: ['ReadWriteOnce'],
    hostPath: { path: `/tmp/${name}` },
    storageClassName: 'manual',
    ...spec,
  },
});

const claim = (name: string, storage: string, spec: PersistentVolumeClaim['spec'] = {}): PersistentVolumeClaim => ({
  metadata: { name, namespace },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, storageClassName: 'manual', ...spec },
});

const claimNow = (harness: Harness, name: string) => harness.get(persistentVolumeClaims, `${namespace}/${name}`);
const volumeNow = (harness: Harness, name: string) => harness.get(persistentVolumes, name);

async function untilPhases(harness: Harness, wanted: Readonly<Record<string, string>>): Promise<void> {
  await until(harness, async () => {
    for (const [key, phase] of Object.entries(wanted)) {
      const [sort, name = ''] = key.split('/');
      const object = sort === 'pv' ? await volumeNow(harness, name) : await claimNow(harness, name);
      if (object?.status?.phase !== phase) return false;
    }
    return true;
  });
}

test('a claim gets the smallest volume that does, and both say so', async () => {
  const harness = await start();
  for (const [name, size] of [
    ['large', '10Gi'],
    ['middle', '5Gi'],
    ['small', '1Gi'],
  ] as const)
    await harness.client.resource(persistentVolumes).create(volume(name, size));
  await untilPhases(harness, { 'pv/large': 'Available', 'pv/middle': 'Available', 'pv/small': 'Available' });
  await harness.client.resource(persistentVolumeClaims).create(claim('data', '2Gi'));
  await untilPhases(harness, { 'pvc/data': 'Bound', 'pv/middle': 'Bound' });
  const bound = await claimNow(harness, 'data');
  expect(bound?.spec?.volumeName).toBe('middle');
  expect(bound?.status).toMatchObject({ capacity: { storage: '5Gi' }, accessModes: ['ReadWriteOnce'] });
  expect((await volumeNow(harness, 'middle'))?.spec?.claimRef).toMatchObject({
    name: 'data',
    uid: bound?.metadata?.uid,
  });
  await harness.stop();
});

test.each([
  ['is too small', volume('v', '1Gi'), {}],
  ['is of another class', volume('v', '5Gi', { storageClassName: 'other' }), {}],
  ['cannot be written by several', volume('v', '5Gi'), { accessModes: ['ReadWriteMany'] }],
  ['is not selected', volume('v', '5Gi'), { selector: { matchLabels: { a: 'b' } } }],
  ['is a disk', volume('v', '5Gi', { volumeMode: 'Block' }), {}],
  ['is promised to another', volume('v', '5Gi', { claimRef: { namespace, name: 'other' } }), {}],
])('a claim waits where the only volume %s', async (_, there, spec) => {
  const harness = await start();
  await harness.client.resource(persistentVolumes).create(there);
  await harness.client.resource(persistentVolumeClaims).create(claim('data', '2Gi', spec));
  await harness.clock.advance(40_000);
  expect((await claimNow(harness, 'data'))?.status?.phase).toBe('Pending');
  expect(await harness.eventsOf('data')).toEqual([
    'ProvisioningFailed: storageclass.storage.k8s.io "manual" not found',
  ]);
  await harness.stop();
});

test('a volume made for a claim is its own, and one that a claim names is taken', async () => {
  const harness = await start();
  const made = volume('made', '9Gi', { claimRef: { namespace, name: 'data' } });
  await harness.client.resource(persistentVolumes).create(made);
  await harness.client.resource(persistentVolumes).create(volume('smaller', '3Gi'));
  await harness.client.resource(persistentVolumes).create(volume('named', '9Gi'));
  await harness.client.resource(persistentVolumeClaims).create(claim('data', '2Gi'));
  await harness.client.resource(persistentVolumeClaims).create(claim('other', '2Gi', { volumeName: 'named' }));
  await untilPhases(harness, { 'pvc/data': 'Bound', 'pvc/other': 'Bound', 'pv/smaller': 'Available' });
  expect((await claimNow(harness, 'data'))?.spec?.volumeName).toBe('made');
  await harness.stop();
});

test.each([
  ['Retain', 'Released'],
  ['Delete', 'Failed'],
])('a volume with policy %s that nobody can delete is %s when its claim goes', async (policy, phase) => {
  const harness = await start();
  await harness.client
    .resource(persistentVolumes)
    .create(volume('v', '5Gi', { persistentVolumeReclaimPolicy: policy }));
  await harness.client.resource(persistentVolumeClaims).create(claim('data', '2Gi'));
  await untilPhases(harness, { 'pvc/data': 'Bound' });
  await harness.client.resource(persistentVolumeClaims).delete('data', { namespace });
  await untilPhases(harness, { 'pv/v': phase });
  await harness.stop();
});

test('a claim whose volume is gone is lost', async () => {
  const harness = await start();
  await harness.client.resource(persistentVolumes).create(volume('v', '5Gi'));
  await harness.client.resource(persistentVolumeClaims).create(claim('data', '2Gi'));
  await untilPhases(harness, { 'pvc/data': 'Bound', 'pv/v': 'Bound' });
  await harness.client.resource(persistentVolumes).delete('v');
  expect((await volumeNow(harness, 'v'))?.metadata?.deletionTimestamp).toBeDefined();
  await harness.client.resource(persistentVolumes).patch('v', { metadata: { finalizers: null } }, { type: 'merge' });
  await untilPhases(harness, { 'pvc/data': 'Lost' });
  await harness.stop();
});

test('a claim of the built-in class waits for its consumer, gets a folder of its node, grows, and takes it along', async () => {
  const harness = await start();
  await addNode(harness, 'n1', { 'kubernetes.io/hostname': 'h1' });
  const client = harness.client.resource(persistentVolumeClaims);
  const { storageClassName: _, ...spec } = claim('data', '1Gi').spec ?? {};
  await client.create({ metadata: { name: 'data', namespace }, spec });
  await harness.clock.advance(20_000);
  expect((await claimNow(harness, 'data'))?.spec?.storageClassName).toBe('node-folder');
  expect((await harness.eventsOf('data'))[0]).toBe(
    'WaitForFirstConsumer: waiting for first consumer to be created before binding',
  );
  const selected = { metadata: { annotations: { 'volume.kubernetes.io/selected-node': 'n1' } } };
  await client.patch('data', selected, { namespace, type: 'merge' });
  await untilPhases(harness, { 'pvc/data': 'Bound' });
  const name = (await claimNow(harness, 'data'))?.spec?.volumeName ?? '';
  const made = await volumeNow(harness, name);
  expect(made?.spec).toMatchObject({
    capacity: { storage: '1Gi' },
    csi: { driver: 'node-folder.coxswain.dev', volumeHandle: name },
    persistentVolumeReclaimPolicy: 'Delete',
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['h1'] }] }],
      },
    },
  });
  await client.patch('data', { spec: { resources: { requests: { storage: '2Gi' } } } }, { namespace, type: 'merge' });
  await until(harness, async () => (await claimNow(harness, 'data'))?.status?.capacity?.storage === '2Gi');
  expect((await volumeNow(harness, name))?.spec?.capacity?.storage).toBe('2Gi');
  await client.delete('data', { namespace });
  await until(harness, async () => (await volumeNow(harness, name)) === undefined);
  await harness.stop();
});

test('claims of classes that cannot grow do not, and another provisioner is asked by annotation', async () => {
  const harness = await start();
  await harness.client.resource(storageClasses).create({ metadata: { name: 'manual' }, provisioner: 'example.com/p' });
  const client = harness.client.resource(persistentVolumeClaims);
  await client.create(claim('data', '1Gi'));
  await until(harness, async () => {
    const annotations = (await claimNow(harness, 'data'))?.metadata?.annotations;
    return annotations?.['volume.kubernetes.io/storage-provisioner'] === 'example.com/p';
  });
  await harness.client.resource(persistentVolumes).create(volume('v', '1Gi'));
  await untilPhases(harness, { 'pvc/data': 'Bound' });
  const more = { spec: { resources: { requests: { storage: '2Gi' } } } };
  await expect(client.patch('data', more, { namespace, type: 'merge' })).rejects.toThrow(
    'persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc can be resized',
  );
  await harness.stop();
});

test('a claim in use stays until its pod has ended', async () => {
  const harness = await start();
  const client = harness.client.resource(persistentVolumeClaims);
  await client.create(claim('data', '1Gi'));
  await harness.client.resource(pods).create({
    metadata: { name: 'p', namespace },
    spec: {
      nodeName: 'n1',
      containers: [{ name: 'c', image: 'i' }],
      volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }],
    },
  });
  await client.delete('data', { namespace });
  await harness.clock.advance(10_000);
  expect((await claimNow(harness, 'data'))?.metadata?.deletionTimestamp).toBeDefined();
  await harness.client.resource(pods).delete('p', { namespace, gracePeriodSeconds: 0 });
  await until(harness, async () => (await claimNow(harness, 'data')) === undefined);
  await harness.stop();
});

test('an ephemeral volume has a claim that its pod owns, made anew when it is deleted', async () => {
  const harness = await start();
  const template = { metadata: { labels: { a: 'b' } }, spec: claim('x', '1Gi').spec ?? {} };
  const pod = await harness.client.resource(pods).create({
    metadata: { name: 'p', namespace },
    spec: {
      containers: [{ name: 'c', image: 'i' }],
      volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate: template } }],
    },
  });
  await until(harness, async () => (await claimNow(harness, 'p-scratch')) !== undefined);
  const made = await claimNow(harness, 'p-scratch');
  expect(made?.metadata?.labels).toEqual({ a: 'b' });
  expect(made?.metadata?.ownerReferences).toMatchObject([{ kind: 'Pod', uid: pod.metadata?.uid, controller: true }]);
  await harness.client.resource(persistentVolumeClaims).delete('p-scratch', { namespace });
  await until(harness, async () => {
    const uid = (await claimNow(harness, 'p-scratch'))?.metadata?.uid;
    return uid !== undefined && uid !== made?.metadata?.uid;
  });
  await harness.stop();
});

test('a claim on a volume of a driver beside the cluster that asks for more waits for the driver, and says so', async () => {
  const harness = await start();
  const { client, clock } = harness;
  await client
    .resource(storageClasses)
    .create({ metadata: { name: 'grows' }, provisioner: 'csi.example.com', allowVolumeExpansion: true });
  const csi = { driver: 'csi.example.com', volumeHandle: 'v' };
  const { hostPath: _, ...spec } = volume('v', '5Gi', { storageClassName: 'grows', csi }).spec ?? {};
  await client.resource(persistentVolumes).create({ metadata: { name: 'v' }, spec });
  await client.resource(persistentVolumeClaims).create(claim('data', '5Gi', { storageClassName: 'grows' }));
  await untilPhases(harness, { 'pvc/data': 'Bound', 'pv/v': 'Bound' });
  expect(await harness.eventsOf('data')).not.toContain(
    'ExternalExpanding: waiting for an external controller to expand this PVC',
  );
  const more = { spec: { resources: { requests: { storage: '8Gi' } } } };
  await client.resource(persistentVolumeClaims).patch('data', more, { namespace, type: 'merge' });
  await clock.advance(60_000);
  expect(await harness.eventsOf('data')).toContain(
    'ExternalExpanding: waiting for an external controller to expand this PVC',
  );
  expect((await volumeNow(harness, 'v'))?.spec?.capacity).toEqual({ storage: '5Gi' });
  await harness.stop();
});
