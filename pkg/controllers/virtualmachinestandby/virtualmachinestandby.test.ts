/** Machines that are stood by for, on virtual time: the kubelets' part is told here. */
import { afterEach, expect, test } from 'vitest';
import { nodes } from '#pkg/api/types/refs.ts';
import { virtualMachines } from '#pkg/api/virtual-machine.ts';
import { isMigrationOver, virtualMachineMigrations } from '#pkg/api/virtual-machine-migration.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { until } from '../testing/harness.ts';
import { type MachineHarness, startMachine } from '../testing/machines.ts';

const namespace = 'default';
const controllers = [
  'virtualmachine-controller',
  'virtualmachinemigration-controller',
  'virtualmachinestandby-controller',
];
let own: MachineHarness;
let isStarted = false;
afterEach(async () => {
  if (isStarted) await own.harness.stop();
  isStarted = false;
});

async function make(standby: JsonObject | undefined = {}) {
  own = await startMachine(controllers, standby === undefined ? {} : { standby });
  isStarted = true;
}

const asked = (spec: JsonObject) =>
  own.harness.client.resource(virtualMachines).patch('store', { spec }, { namespace, type: 'merge' });
const all = () => own.harness.list(virtualMachineMigrations);
const overCount = async () => (await all()).filter(isMigrationOver).length;

/** Waits for a stand-by that has begun, and returns its name and where it and the machine are. */
async function standing(): Promise<{ name: string; here: string; there: string }> {
  await until(own.harness, async () => (await own.open())?.spec?.mode === 'standby');
  const name = (await own.open())?.metadata?.name ?? '';
  await own.phaseIs(name, 'Preparing');
  const here = (await own.machine())?.status?.nodeName ?? '';
  const there = here === 'n1' ? 'n2' : 'n1';
  await own.tell(name, { target: { node: there, address: '127.0.0.1:1' } });
  await own.phaseIs(name, 'Running');
  return { name, here, there };
}

/** A stand-by that is to end leaves the machine where it is, and its kubelets say so. */
async function ended(name: string, here: string) {
  await until(own.harness, async () => (await own.machine())?.status?.migration?.owner === 'source');
  await own.tell(name, { source: { node: here, outcome: 'aborted', reason: 'it was asked to end' } });
  await own.phaseIs(name, 'Aborted');
}

/** The stand-by has the machine. */
async function takenOver(name: string, there: string) {
  await own.claim();
  await own.tell(name, { target: { node: there, outcome: 'completed' } });
  await own.phaseIs(name, 'Succeeded');
  await until(own.harness, async () => (await own.machine())?.status?.nodeName === there);
}

test('a stand-by takes over from a node that is lost, in the same run, and then another is wanted', async () => {
  await make({ intervalMilliseconds: 100 });
  const { name, here, there } = await standing();
  expect((await own.open())?.spec).toMatchObject({ vmName: 'store', intervalMs: 100, takeoverMs: 5000 });
  const unknown = { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } };
  await own.harness.client.resource(nodes).patch(here, unknown, { type: 'merge', subresource: 'status' });
  await own.phaseIs(name, 'TakingOver');
  await takenOver(name, there);
  expect((await own.machine())?.status).toMatchObject({ runs: 1, printableStatus: 'Running' });
  // The lost node cannot stand by: what says so is one object, however long that lasts.
  await own.harness.clock.advance(600_000);
  expect((await own.machine())?.status?.runs).toBe(1);
  expect((await all()).length).toBeLessThanOrEqual(2);
  const ready = { status: { conditions: [{ type: 'Ready', status: 'True' }] } };
  await own.harness.client.resource(nodes).patch(here, ready, { type: 'merge', subresource: 'status' });
  expect(await standing()).toMatchObject({ here: there, there: here });
});

test('somebody may ask a stand-by to take over, and only a stand-by', async () => {
  await make();
  const { name, there } = await standing();
  const migrations = own.harness.client.resource(virtualMachineMigrations);
  await migrations.patch(name, { spec: { takeOver: true } }, { namespace, type: 'merge' });
  await own.phaseIs(name, 'TakingOver');
  await takenOver(name, there);
  const wrong = { metadata: { name: 'move', namespace }, spec: { vmName: 'store', takeOver: true } };
  await expect(migrations.create(wrong)).rejects.toThrow('only what stands by can take over');
});

test('a stand-by ends with what asked for it, and follows what it is asked to be', async () => {
  await make();
  const first = await standing();
  await asked({ standby: { intervalMilliseconds: 500 } });
  await ended(first.name, first.here);
  const second = await standing();
  expect((await own.open())?.spec?.intervalMs).toBe(500);
  await asked({ standby: null });
  await ended(second.name, second.here);
  await own.harness.clock.advance(600_000);
  expect(await own.open()).toBeUndefined();
  expect(await own.machine()).toMatchObject({ status: { runs: 1, nodeName: first.here } });
});

test('a stand-by makes room for a move, and comes back after it', async () => {
  await make();
  const { name, here, there } = await standing();
  const migrations = own.harness.client.resource(virtualMachineMigrations);
  await migrations.create({ metadata: { name: 'move', namespace }, spec: { vmName: 'store', targetNode: there } });
  await ended(name, here);
  await own.phaseIs('move', 'Preparing');
  await own.tell('move', { target: { node: there, address: '127.0.0.1:1' } });
  await own.phaseIs('move', 'Running');
  await takenOver('move', there);
  expect(await standing()).toMatchObject({ here: there, there: here });
});

test('what ends the machine ends its stand-by, and is not taken over', async () => {
  await make();
  const { name } = await standing();
  await asked({ runStrategy: 'Halted' });
  await until(own.harness, async () => (await own.open()) === undefined);
  await until(own.harness, async () => (await own.machine())?.status?.printableStatus === 'Stopped');
  expect(await overCount()).toBe(1);
  expect((await all()).find(({ metadata }) => metadata?.name === name)?.status?.phase).not.toBe('Succeeded');
});

test('times that a stand-by cannot keep are refused with the field', async () => {
  await make(undefined);
  await expect(asked({ standby: { intervalMilliseconds: 1 } })).rejects.toThrow('spec.standby.intervalMilliseconds');
  await expect(asked({ standby: { takeoverMilliseconds: 10 } })).rejects.toThrow('spec.standby.takeoverMilliseconds');
});
