/** Snapshots of machines, and machines that begin from them, on virtual time: the kubelet's part is told here. */
import { afterEach, expect, test } from 'vitest';
import { pods, runtimeClasses } from '#pkg/api/types/refs.ts';
import { virtualMachines } from '#pkg/api/virtual-machine.ts';
import { beginsFromSnapshot, virtualMachineSnapshots } from '#pkg/api/virtual-machine-snapshot.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isInvalid } from '#pkg/apimachinery/status-error.ts';
import { type Harness, startHarness, until } from '../testing/harness.ts';

let harness: Harness;
let isStarted = false;
afterEach(async () => {
  if (isStarted) await harness.stop();
  isStarted = false;
});

const namespace = 'default';
const controllers = [
  'virtualmachine-controller',
  'virtualmachinesnapshot-controller',
  'virtualmachinemigration-controller',
  'garbage-collector-controller',
];
const image = 'coxswain.dev/vm/kernel';

async function start() {
  harness = await startHarness({ controllers });
  isStarted = true;
  await harness.client.resource(runtimeClasses).create({ metadata: { name: 'vm' }, handler: 'vm' });
}

const make = (name: string, spec: JsonObject = {}) =>
  harness.client.resource(virtualMachines).create({ metadata: { name, namespace }, spec: { image, ...spec } });
const machine = (name: string) => harness.get(virtualMachines, `${namespace}/${name}`);
const statusIs = (name: string, printableStatus: string) =>
  until(harness, async () => (await machine(name))?.status?.printableStatus === printableStatus);
const snapshot = () => harness.get(virtualMachineSnapshots, `${namespace}/before`);
const phaseIs = (phase: string) => until(harness, async () => (await snapshot())?.status?.phase === phase);
const take = (vmName: string) =>
  harness.client
    .resource(virtualMachineSnapshots)
    .create({ metadata: { name: 'before', namespace }, spec: { vmName } });

/** As the kubelet tells. */
const tell = (status: JsonObject) =>
  harness.client
    .resource(virtualMachineSnapshots)
    .patch('before', { status }, { namespace, type: 'merge', subresource: 'status' });
const say = (name: string, status: JsonObject) =>
  harness.client.resource(virtualMachines).patch(name, { status }, { namespace, type: 'merge', subresource: 'status' });

test('a snapshot names the run that it is of, and is usable once the kubelet has said that it is kept', async () => {
  await start();
  await make('store');
  await statusIs('store', 'Running');
  await take('store');
  await phaseIs('InProgress');
  const { status } = (await machine('store')) ?? {};
  expect((await snapshot())?.status).toMatchObject({
    podName: status?.podName,
    nodeName: 'n1',
    machine: { image, memory: '64Mi' },
  });
  expect((await snapshot())?.status?.readyToUse).toBeUndefined();
  await tell({ result: { outcome: 'completed', sizeBytes: 1000 } });
  await phaseIs('Succeeded');
  expect((await snapshot())?.status).toMatchObject({ readyToUse: true, result: { sizeBytes: 1000 } });
});

test('what cannot be a snapshot fails with the reason', async () => {
  await start();
  const failure = async (vmName: string) => {
    await take(vmName);
    await phaseIs('Failed');
    const { reason, message } = (await snapshot())?.status ?? {};
    await harness.client.resource(virtualMachineSnapshots).delete('before', { namespace });
    return `${reason}: ${message}`;
  };
  expect(await failure('store')).toBe('MachineNotFound: there is no machine "store"');
  await make('store', { runStrategy: 'Halted' });
  await statusIs('store', 'Stopped');
  expect(await failure('store')).toBe('MachineNotRunning: the machine "store" does not run: it is Stopped');
  await make('other');
  await statusIs('other', 'Running');
  await say('other', { migration: { name: 'move', uid: 'u1', sourcePod: 'a', targetPod: 'b', owner: '' } });
  expect(await failure('other')).toBe('MachineIsMigrating: the machine "other" is being moved by "move"');
});

test('a snapshot fails with the kubelet, and with the run', async () => {
  await start();
  await make('store', { runStrategy: 'Manual' });
  await statusIs('store', 'Stopped');
  await say('store', { stateChangeRequests: [{ action: 'Start' }] });
  await statusIs('store', 'Running');
  await take('store');
  await phaseIs('InProgress');
  await tell({ result: { outcome: 'failed', reason: 'the disk is full' } });
  await phaseIs('Failed');
  expect((await snapshot())?.status).toMatchObject({ reason: 'SaveFailed', message: 'the disk is full' });
  await harness.client.resource(virtualMachineSnapshots).delete('before', { namespace });
  await take('store');
  await phaseIs('InProgress');
  await say('store', { stateChangeRequests: [{ action: 'Stop' }] });
  await phaseIs('Failed');
  expect((await snapshot())?.status?.reason).toBe('MachineEnded');
});

test('a machine begins from its snapshot, on the node where that lies, once it is usable', async () => {
  await start();
  await make('store');
  await statusIs('store', 'Running');
  await make('clone', { snapshotName: 'before' });
  await statusIs('clone', 'ErrorSnapshot');
  const ready = async () => (await machine('clone'))?.status?.conditions?.find(({ type }) => type === 'Ready');
  expect(await ready()).toMatchObject({ reason: 'SnapshotNotFound', message: 'the snapshot "before" does not exist' });
  await take('store');
  await phaseIs('InProgress');
  await until(harness, async () => (await ready())?.reason === 'SnapshotNotReady');
  expect((await machine('clone'))?.status).toMatchObject({ runs: 0, failures: 0, created: false });
  await tell({ result: { outcome: 'completed', sizeBytes: 1000 } });
  await statusIs('clone', 'Running');
  const { podName } = (await machine('clone'))?.status ?? {};
  const pod = await harness.get(pods, `${namespace}/${podName}`);
  expect(pod?.metadata?.annotations?.[beginsFromSnapshot]).toBe((await snapshot())?.metadata?.uid);
  expect(pod?.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution).toMatchObject({
    nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] }],
  });
  await make('smaller', { snapshotName: 'before', memory: '8Mi' });
  await statusIs('smaller', 'ErrorSnapshot');
  const conditions = (await machine('smaller'))?.status?.conditions;
  expect(conditions).toContainEqual(
    expect.objectContaining({
      reason: 'SnapshotDiffers',
      message: 'the snapshot "before" is of a machine with 64Mi of memory, and this one has 8Mi',
    }),
  );
});

test('a machine is paused when its kubelet has said so, and that is of one run', async () => {
  await start();
  await make('store', { paused: true });
  await statusIs('store', 'Running');
  await say('store', { paused: true });
  await statusIs('store', 'Paused');
  const { status } = (await machine('store')) ?? {};
  expect(status).toMatchObject({ ready: false, created: true });
  expect(status?.conditions).toContainEqual(
    expect.objectContaining({ type: 'Paused', status: 'True', reason: 'PausedByUser' }),
  );
  await harness.client.resource(pods).delete(status?.podName ?? '', { namespace });
  await until(harness, async () => (await machine('store'))?.status?.runs === 2);
  await statusIs('store', 'Running');
  expect((await machine('store'))?.status?.conditions?.map(({ type }) => type)).toEqual(['Ready']);
});

test('a machine that is run by hand is stopped and started by two requests', async () => {
  await start();
  await make('store', { runStrategy: 'Manual' });
  await statusIs('store', 'Stopped');
  await say('store', { stateChangeRequests: [{ action: 'Start' }] });
  await statusIs('store', 'Running');
  await say('store', { stateChangeRequests: [{ action: 'Stop' }, { action: 'Start' }] });
  await until(harness, async () => (await machine('store'))?.status?.runs === 2);
  await statusIs('store', 'Running');
  expect((await machine('store'))?.status?.stateChangeRequests).toBeUndefined();
});

test('a snapshot never changes', async () => {
  await start();
  await take('store');
  const change = { spec: { vmName: 'other' } };
  const changed = harness.client
    .resource(virtualMachineSnapshots)
    .patch('before', change, { namespace, type: 'merge' })
    .then(
      () => 'changed',
      (error: unknown) => (isInvalid(error) ? 'refused' : 'failed'),
    );
  expect(await changed).toBe('refused');
});
