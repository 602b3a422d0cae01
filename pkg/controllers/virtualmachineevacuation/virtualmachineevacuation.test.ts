/** Machines whose pod is evicted, on virtual time: the kubelets' part is told here. */
import { afterEach, expect, test } from 'vitest';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { virtualMachineMigrations } from '#pkg/api/virtual-machine-migration.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { type Harness, until } from '../testing/harness.ts';
import { type MachineHarness, startMachine } from '../testing/machines.ts';

const namespace = 'default';
const controllers = [
  'virtualmachine-controller',
  'virtualmachinemigration-controller',
  'virtualmachineevacuation-controller',
];
let own: MachineHarness | undefined;
let harness: Harness;
afterEach(async () => {
  await own?.harness.stop();
  own = undefined;
});

async function make(spec: JsonObject = {}) {
  own = await startMachine(controllers, spec);
  harness = own.harness;
}

const machine = async () => own?.machine();
const open = async () => own?.open();

/** What an eviction of the machine's pod is answered. */
async function evict(name: string, more: JsonObject = {}): Promise<string> {
  const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace }, ...more };
  try {
    await harness.client.resource(pods).createSubresource(name, 'eviction', body, { namespace });
    return 'evicted';
  } catch (error) {
    if (!(error instanceof StatusError) || error.code !== 429) throw error;
    return error.message;
  }
}

/** As the kubelets tell of a migration that goes well. */
async function carryOut(name: string, node: string) {
  await own?.phaseIs(name, 'Preparing');
  await own?.tell(name, { target: { node, address: '127.0.0.1:1' } });
  await own?.phaseIs(name, 'Running');
  await own?.claim();
  await own?.tell(name, { target: { node, outcome: 'completed' } });
  await own?.phaseIs(name, 'Succeeded');
}

test('an evicted machine moves, and until it has its pod is not evicted', async () => {
  await make();
  const { podName = '', nodeName = '' } = (await machine())?.status ?? {};
  const refusal = `Cannot evict pod as its virtual machine store has to leave the node ${nodeName} first`;
  expect(await evict(podName, { deleteOptions: { dryRun: ['All'] } })).toContain(refusal);
  expect((await machine())?.status?.evacuationNodeName).toBeUndefined();
  expect(await evict(podName)).toContain(refusal);
  await until(harness, async () => (await open()) !== undefined);
  expect(await evict(podName)).toContain(refusal);
  const { metadata, spec } = (await open()) ?? {};
  expect([metadata?.labels, spec?.vmName]).toEqual([{ 'vm.coxswain.dev/evacuation': nodeName }, 'store']);
  const other = nodeName === 'n1' ? 'n2' : 'n1';
  await carryOut(metadata?.name ?? '', other);
  await until(harness, async () => (await machine())?.status?.nodeName === other);
  await until(harness, async () => (await machine())?.status?.evacuationNodeName === undefined);
  expect((await machine())?.status?.runs).toBe(1);
  // What is left of it there relays for connections, and may go.
  expect(await evict(podName)).toBe('evicted');
  await harness.clock.advance(120_000);
  expect(await harness.list(virtualMachineMigrations)).toHaveLength(1);
});

test('a migration that fails is tried again, and only the last of them is kept', async () => {
  await make();
  const { podName = '', nodeName = '' } = (await machine())?.status ?? {};
  const other = nodeName === 'n1' ? 'n2' : 'n1';
  await harness.client.resource(nodes).patch(other, { spec: { unschedulable: true } }, { type: 'merge' });
  await evict(podName);
  const names = new Set<string>();
  await until(harness, async () => {
    const all = await harness.list(virtualMachineMigrations);
    for (const { metadata } of all) names.add(metadata?.name ?? '');
    expect(all.length).toBeLessThan(3);
    return names.size === 3;
  });
  await harness.client.resource(nodes).patch(other, { spec: { unschedulable: false } }, { type: 'merge' });
  await until(harness, async () => (await open()) !== undefined);
  await carryOut((await open())?.metadata?.name ?? '', other);
  await until(harness, async () => (await machine())?.status?.nodeName === other);
});

test('a machine that is not to move is evicted as any pod', async () => {
  await make({ evictionStrategy: 'None' });
  const { podName = '' } = (await machine())?.status ?? {};
  expect(await evict(podName)).toBe('evicted');
  await until(harness, async () => (await machine())?.status?.runs === 2);
  expect(await harness.list(virtualMachineMigrations)).toHaveLength(0);
});
