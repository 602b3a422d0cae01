import { afterEach, expect, test } from 'vitest';
import { nodes, pods, runtimeClasses } from '#pkg/api/types/refs.ts';
import { virtualMachines } from '#pkg/api/virtual-machine.ts';
import { virtualMachineMigrations, waitsForMachine } from '#pkg/api/virtual-machine-migration.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type Harness, startHarness, until } from '../testing/harness.ts';

let harness: Harness;
let isStarted = false;
afterEach(async () => {
  if (isStarted) await harness.stop();
  isStarted = false;
});

const controllers = ['virtualmachine-controller', 'virtualmachinemigration-controller', 'garbage-collector-controller'];
const namespace = 'default';

/** A machine that runs on n1, of nodes n1 and n2, n3 that lacks the runtime, and n4 that is cordoned. */
async function make() {
  harness = await startHarness({ controllers });
  isStarted = true;
  const { client } = harness;
  const conditions = [{ type: 'Ready', status: 'True' as const }];
  for (const name of ['n1', 'n2', 'n3', 'n4']) {
    const runtimeHandlers = [{ name: name === 'n3' ? 'inprocess' : 'vm' }];
    await client.resource(nodes).create({ metadata: { name }, spec: { unschedulable: name === 'n4' } });
    const patch = { status: { conditions, runtimeHandlers } };
    await client.resource(nodes).patch(name, patch, { type: 'merge', subresource: 'status' });
  }
  await client.resource(runtimeClasses).create({ metadata: { name: 'vm' }, handler: 'vm' });
  const spec = { image: 'coxswain.dev/vm/kernel', labels: { app: 'store' } };
  await client.resource(virtualMachines).create({ metadata: { name: 'store', namespace }, spec });
  await until(harness, async () => (await machine())?.status?.printableStatus === 'Running');
}

const machine = async () => (await harness.list(virtualMachines))[0];
const status = async (name: string) => (await harness.get(virtualMachineMigrations, `default/${name}`))?.status;
const podOf = async (name: string | undefined) => harness.get(pods, `default/${name}`);
const phaseIs = (name: string, phase: string) => until(harness, async () => (await status(name))?.phase === phase);
const migrate = (name: string, spec: JsonObject = {}) =>
  harness.client
    .resource(virtualMachineMigrations)
    .create({ metadata: { name, namespace }, spec: { vmName: 'store', ...spec } });
/** As the kubelets tell. */
const tell = (name: string, patch: JsonObject) =>
  harness.client
    .resource(virtualMachineMigrations)
    .patch(name, { status: patch }, { namespace, type: 'merge', subresource: 'status' });
const claim = (owner: '' | 'handover' | 'source' | 'target') =>
  harness.client
    .resource(virtualMachines)
    .patch('store', { status: { migration: { owner } } }, { namespace, type: 'merge', subresource: 'status' });

async function begin(name: string, node: string) {
  await migrate(name, { targetNode: node });
  await phaseIs(name, 'Preparing');
  await tell(name, { target: { node, address: '127.0.0.1:1' } });
  await phaseIs(name, 'Running');
}

test('a machine moves: its target waits unseen by Services, which find it once it has the machine', async () => {
  await make();
  const first = (await machine())?.status?.podName;
  await begin('move', 'n2');
  const { targetPod, sourcePod } = (await status('move')) ?? {};
  expect(sourcePod).toBe(first);
  expect((await podOf(targetPod))?.spec?.nodeName).toBe('n2');
  expect((await podOf(targetPod))?.metadata?.labels).toEqual({ 'vm.coxswain.dev/name': 'store' });
  expect((await machine())?.status).toMatchObject({ podName: first, runs: 1 });
  await claim('target');
  await until(harness, async () => (await podOf(targetPod))?.metadata?.labels?.app === 'store');
  // Mostly the ends are done by then, and nobody has to look at it.
  expect((await status('move'))?.phase).toBe('Running');
  await phaseIs('move', 'Switching');
  await tell('move', { target: { node: 'n2', outcome: 'completed' } });
  await phaseIs('move', 'Succeeded');
  await until(harness, async () => (await machine())?.status?.nodeName === 'n2');
  expect((await machine())?.status).toMatchObject({ podName: targetPod, runs: 1, printableStatus: 'Running' });
  const [from, to] = [await podOf(sourcePod), await podOf(targetPod)];
  expect([from?.metadata?.labels?.app, to?.metadata?.labels?.app]).toEqual([undefined, 'store']);
  expect([from, to].map((pod) => pod?.metadata?.annotations?.[waitsForMachine])).toEqual(['relay', undefined]);
});

test('a machine that comes home takes the pod that relays for it', async () => {
  await make();
  const home = (await machine())?.status?.podName;
  for (const [name, node] of [
    ['away', 'n2'],
    ['back', 'n1'],
  ] as const) {
    await begin(name, node);
    await claim('target');
    await tell(name, { target: { node, outcome: 'completed' } });
    await phaseIs(name, 'Succeeded');
    await until(harness, async () => (await machine())?.status?.nodeName === node);
  }
  expect((await machine())?.status).toMatchObject({ podName: home, runs: 1 });
  expect(await harness.list(pods)).toHaveLength(2);
});

test('a relay that ends before it is asked to take the machine back is passed over', async () => {
  await make();
  const home = (await machine())?.status?.podName ?? '';
  await begin('away', 'n2');
  await claim('target');
  await tell('away', { target: { node: 'n2', outcome: 'completed' } });
  await phaseIs('away', 'Succeeded');
  await until(harness, async () => (await machine())?.status?.nodeName === 'n2');
  await migrate('back', { targetNode: 'n1' });
  await phaseIs('back', 'Preparing');
  expect((await status('back'))?.targetPod).toBe(home);
  const ended = { status: { phase: 'Succeeded' } };
  await harness.client.resource(pods).patch(home, ended, { namespace, type: 'merge', subresource: 'status' });
  await until(harness, async () => !['', undefined, home].includes((await status('back'))?.targetPod));
  await phaseIs('back', 'Preparing');
  const { targetPod } = (await status('back')) ?? {};
  expect((await podOf(targetPod))?.metadata?.annotations?.[waitsForMachine]).toBe('incoming');
  expect((await machine())?.status?.migration).toMatchObject({ targetPod, owner: '' });
  await tell('back', { target: { node: 'n1', address: '127.0.0.1:1' } });
  await phaseIs('back', 'Running');
  await claim('target');
  await tell('back', { target: { node: 'n1', outcome: 'completed' } });
  await phaseIs('back', 'Succeeded');
  await until(harness, async () => (await machine())?.status?.podName === targetPod);
});

test('what cannot be is refused with the reason, and nothing is made', async () => {
  await make();
  const refused = async (name: string, spec: JsonObject, reason: string) => {
    await migrate(name, spec);
    await phaseIs(name, 'Failed');
    expect((await status(name))?.reason).toBe(reason);
  };
  await refused('here', { targetNode: 'n1' }, 'AlreadyThere');
  await refused('nowhere', { targetNode: 'n9' }, 'NodeNotFound');
  await refused('bare', { targetNode: 'n3' }, 'RuntimeMissing');
  await refused('shut', { targetNode: 'n4' }, 'NodeUnschedulable');
  await refused('other', { vmName: 'none' }, 'MachineNotFound');
  expect(await harness.list(pods)).toHaveLength(1);
  await begin('first', 'n2');
  await refused('second', { targetNode: 'n2' }, 'MachineIsMigrating');
  expect((await status('first'))?.phase).toBe('Running');
});

test('a target without room is refused with what the scheduler says of it', async () => {
  await make();
  await migrate('move', { targetNode: 'n2' });
  await phaseIs('move', 'Preparing');
  const message = '0/4 nodes are available: 1 Insufficient memory.';
  const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }];
  const { targetPod = '' } = (await status('move')) ?? {};
  const settings = { namespace, type: 'merge', subresource: 'status' } as const;
  await harness.client.resource(pods).patch(targetPod, { status: { conditions } }, settings);
  await phaseIs('move', 'Failed');
  expect(await status('move')).toMatchObject({ reason: 'NoRoom', message });
  await until(harness, async () => (await harness.list(pods)).length === 1);
  expect((await machine())?.status).toMatchObject({ nodeName: 'n1', printableStatus: 'Running', runs: 1 });
});

test('an end that fails leaves the machine where it was, and a claim that came first stands', async () => {
  await make();
  await begin('move', 'n2');
  await tell('move', { source: { node: 'n1', outcome: 'aborted', reason: 'the connection was cut' } });
  await phaseIs('move', 'Failed');
  expect(await status('move')).toMatchObject({ reason: 'EndFailed', message: 'the connection was cut' });
  await expect(claim('target')).rejects.toThrow("the machine is the source's already");
  await until(harness, async () => (await harness.list(pods)).length === 1);
  expect((await machine())?.status).toMatchObject({ nodeName: 'n1', printableStatus: 'Running', runs: 1 });
});

test('an abort ends a migration in any phase, and so does its deletion', async () => {
  await make();
  await begin('move', 'n2');
  const resource = harness.client.resource(virtualMachineMigrations);
  await resource.patch('move', { spec: { abort: true } }, { namespace, type: 'merge' });
  await until(harness, async () => (await machine())?.status?.migration?.owner === 'source');
  await tell('move', { source: { node: 'n1', outcome: 'aborted', reason: 'asked to' } });
  await phaseIs('move', 'Aborted');
  await migrate('gone', { targetNode: 'n2' });
  await phaseIs('gone', 'Preparing');
  await resource.delete('gone', { namespace });
  await until(harness, async () => (await status('gone')) === undefined);
  await until(harness, async () => (await harness.list(pods)).length === 1);
});

test('during a handover only the target says whose the machine is, whatever else is asked', async () => {
  await make();
  await begin('move', 'n2');
  await claim('handover');
  await expect(claim('')).rejects.toThrow('a handover ends with the source or the target');
  await harness.client
    .resource(virtualMachineMigrations)
    .patch('move', { spec: { abort: true } }, { namespace, type: 'merge' });
  const { sourcePod = '' } = (await status('move')) ?? {};
  await harness.client.resource(pods).delete(sourcePod, { namespace, gracePeriodSeconds: 0 });
  await until(harness, async () => (await podOf(sourcePod)) === undefined);
  await harness.clock.advance(5_000);
  expect((await machine())?.status).toMatchObject({ runs: 1, migration: { owner: 'handover' } });
  await claim('target');
  await tell('move', { target: { node: 'n2', outcome: 'completed' } });
  await phaseIs('move', 'Succeeded');
  await until(harness, async () => (await machine())?.status?.nodeName === 'n2');
  expect((await machine())?.status?.runs).toBe(1);
});

test.each([
  ['a source that has not let go', { source: { node: 'n1', outcome: 'aborted', reason: 'too fast' } }],
  ['a target that has thrown its copy away', { target: { node: 'n2', outcome: 'aborted', reason: 'lies' } }],
])('a handover is closed by %s', async (_, end) => {
  await make();
  await begin('move', 'n2');
  await claim('handover');
  await tell('move', end);
  await until(harness, async () => (await machine())?.status?.migration?.owner === 'source');
  await phaseIs('move', 'Failed');
  expect((await machine())?.status).toMatchObject({ runs: 1, nodeName: 'n1' });
});

test('a target that is gone during a handover leaves the machine to its source', async () => {
  await make();
  await begin('move', 'n2');
  await claim('handover');
  const { targetPod = '' } = (await status('move')) ?? {};
  await harness.client.resource(pods).delete(targetPod, { namespace, gracePeriodSeconds: 0 });
  await until(harness, async () => (await machine())?.status?.migration?.owner === 'source');
  expect((await machine())?.status).toMatchObject({ runs: 1, nodeName: 'n1' });
});

test('a machine that is deleted meanwhile ends its migration', async () => {
  await make();
  await begin('move', 'n2');
  await harness.client.resource(virtualMachines).delete('store', { namespace });
  await phaseIs('move', 'Failed');
  expect((await status('move'))?.reason).toBe('MachineNotFound');
  await until(harness, async () => (await harness.list(pods)).length === 0);
});

test('a machine that is run anew closes the migration of the one that was', async () => {
  await make();
  await begin('move', 'n2');
  const { sourcePod = '' } = (await status('move')) ?? {};
  await harness.client.resource(pods).delete(sourcePod, { namespace, gracePeriodSeconds: 0 });
  await until(harness, async () => (await machine())?.status?.runs === 2);
  await expect(claim('target')).rejects.toThrow("the machine is the source's already");
  await phaseIs('move', 'Failed');
  await until(harness, async () => (await harness.list(pods)).length === 1);
});

test('a migration cannot become another', async () => {
  await make();
  await migrate('move', { targetNode: 'n2' });
  const change = (spec: JsonObject) =>
    harness.client.resource(virtualMachineMigrations).patch('move', { spec }, { namespace, type: 'merge' });
  await expect(change({ targetNode: 'n1' })).rejects.toThrow('only `abort` and `takeOver` may change');
  await change({ abort: true });
  await expect(change({ abort: false })).rejects.toThrow('an abort cannot be taken back');
  await expect(migrate('slow', { bandwidth: '1Ki' })).rejects.toThrow('must be at least 4096 bytes a second');
});
