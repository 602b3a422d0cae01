import { afterEach, expect, test } from 'vitest';
import type { PersistentVolume } from '#pkg/api/types/core-v1.ts';
import {
  csiDrivers,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  volumeAttachments,
} from '#pkg/api/types/refs.ts';
import { addNode, type Harness, startHarness } from '../testing/harness.ts';

const namespace = 'default';
const driver = 'csi.example.com';
let harness: Harness;
afterEach(() => harness.stop());

async function start(accessMode = 'ReadWriteOnce'): Promise<void> {
  harness = await startHarness({
    controllers: ['persistentvolume-attach-detach-controller', 'persistentvolume-binder-controller'],
    runPods: false,
  });
  for (const name of ['n1', 'n2']) await addNode(harness, name);
  const { client, clock } = harness;
  const spec: PersistentVolume['spec'] = {
    capacity: { storage: '1Gi' },
    accessModes: [accessMode],
    storageClassName: 'by-hand',
    csi: { driver, volumeHandle: 'disk-1' },
  };
  await client.resource(persistentVolumes).create({ metadata: { name: 'v' }, spec });
  await client.resource(persistentVolumeClaims).create({
    metadata: { name: 'data', namespace },
    spec: { storageClassName: 'by-hand', accessModes: [accessMode], resources: { requests: { storage: '1Gi' } } },
  });
  await clock.advance(1_000);
}

const makePod = (name: string, nodeName: string) =>
  harness.client.resource(pods).create({
    metadata: { name, namespace },
    spec: {
      nodeName,
      containers: [{ name: 'main', image: 'v1' }],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
    },
  });
const removePod = (name: string) => harness.client.resource(pods).delete(name, { namespace, gracePeriodSeconds: 0 });
const attachments = async () =>
  (await harness.list(volumeAttachments)).map(
    ({ spec }) => `${spec.attacher} ${spec.source.persistentVolumeName} ${spec.nodeName}`,
  );
/** As the driver's own program does. */
async function attach(): Promise<void> {
  const resource = harness.client.resource(volumeAttachments);
  for (const one of await harness.list(volumeAttachments))
    await resource.update({ ...one, status: { attached: true } }, { subresource: 'status' });
}
const attachedTo = async (node: string) => (await harness.get(nodes, node))?.status?.volumesAttached;

test('a volume is attached to the node of the pod that uses it, the node says so, and it is detached after the last pod', async () => {
  await start();
  await makePod('one', 'n1');
  await makePod('two', 'n1');
  await harness.clock.advance(1_000);
  expect(await attachments()).toEqual([`${driver} v n1`]);
  // Source: `getAttachmentName`: the SHA-256 of handle, driver and node.
  expect((await harness.list(volumeAttachments))[0]?.metadata?.name).toMatch(/^csi-[0-9a-f]{64}$/);
  expect(await attachedTo('n1')).toBeUndefined();
  await attach();
  await harness.clock.advance(1_000);
  expect(await attachedTo('n1')).toEqual([{ name: `kubernetes.io/csi/${driver}^disk-1`, devicePath: '' }]);
  await removePod('one');
  await harness.clock.advance(1_000);
  expect(await attachments()).toHaveLength(1);
  harness.writes.length = 0;
  await harness.clock.advance(3_600_000);
  expect(harness.writes).toEqual([]);
  await removePod('two');
  await harness.clock.advance(1_000);
  expect([await attachments(), (await attachedTo('n1')) ?? []]).toEqual([[], []]);
});

test('a volume for one node waits until the first has let it go, and its pods are told', async () => {
  await start();
  await makePod('one', 'n1');
  await harness.clock.advance(1_000);
  await makePod('two', 'n2');
  await harness.clock.advance(1_000);
  expect(await attachments()).toEqual([`${driver} v n1`]);
  expect(await harness.eventsOf('two')).toEqual([
    `FailedAttachVolume: Multi-Attach error for volume "v" Volume is already exclusively attached to one node and can't be attached to another`,
  ]);
  await removePod('one');
  await harness.clock.advance(1_000);
  expect(await attachments()).toEqual([`${driver} v n2`]);
});

test('a volume for several nodes is attached to each', async () => {
  await start('ReadWriteMany');
  await makePod('one', 'n1');
  await makePod('two', 'n2');
  await harness.clock.advance(1_000);
  expect((await attachments()).toSorted()).toEqual([`${driver} v n1`, `${driver} v n2`]);
});

test('what the node has still mounted is detached once it has not, or after six minutes', async () => {
  await start();
  await makePod('one', 'n1');
  await harness.clock.advance(1_000);
  const volumesInUse = [`kubernetes.io/csi/${driver}^disk-1`];
  await harness.client
    .resource(nodes)
    .patch('n1', { status: { volumesInUse } }, { type: 'merge', subresource: 'status' });
  await removePod('one');
  await harness.clock.advance(300_000);
  expect(await attachments()).toHaveLength(1);
  await harness.clock.advance(70_000);
  expect(await attachments()).toEqual([]);
});

test('a driver that says that nothing has to be attached gets no attachments, and those of others stay', async () => {
  await start();
  await harness.client.resource(csiDrivers).create({ metadata: { name: driver }, spec: { attachRequired: false } });
  const spec = { attacher: driver, nodeName: 'n1', source: { persistentVolumeName: 'v' } };
  await harness.client.resource(volumeAttachments).create({ metadata: { name: 'by-hand' }, spec });
  await makePod('one', 'n1');
  await harness.clock.advance(60_000);
  expect((await harness.list(volumeAttachments)).map(({ metadata }) => metadata?.name)).toEqual(['by-hand']);
});
