import { afterEach, expect, test } from 'vitest';
import type { ContainerState, ContainerStateWaiting, ContainerStatus, Pod } from '#pkg/api/types/core-v1.ts';
import { pods, runtimeClasses } from '#pkg/api/types/refs.ts';
import { type RunStrategy, virtualMachines } from '#pkg/api/virtual-machine.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type Harness, startHarness, until } from '../testing/harness.ts';
import { planOf } from './plan.ts';

let harness: Harness;
let isStarted = false;
afterEach(async () => {
  if (isStarted) await harness.stop();
  isStarted = false;
});

const controllers = ['virtualmachine-controller', 'garbage-collector-controller'];
const namespace = 'default';

async function make(runStrategy: RunStrategy, exitCode?: number) {
  harness = await startHarness({ controllers, exitCodeOf: () => exitCode });
  isStarted = true;
  await harness.client.resource(runtimeClasses).create({ metadata: { name: 'vm' }, handler: 'vm' });
  const spec = { runStrategy, image: 'coxswain.dev/vm/kernel', args: ['port=8080'], ports: [{ port: 8080 }] };
  await harness.client.resource(virtualMachines).create({ metadata: { name: 'store', namespace }, spec });
}

const machine = async () => (await harness.list(virtualMachines))[0];
const statusIs = (printableStatus: string) =>
  until(harness, async () => (await machine())?.status?.printableStatus === printableStatus);
const podNames = async () => (await harness.list(pods)).map(({ metadata }) => metadata?.name);
const change = (patch: JsonObject) =>
  harness.client.resource(virtualMachines).patch('store', patch, { namespace, type: 'merge' });
const ask = (action: 'Start' | 'Stop') => {
  const patch = { status: { stateChangeRequests: [{ action }] } };
  return harness.client
    .resource(virtualMachines)
    .patch('store', patch, { namespace, type: 'merge', subresource: 'status' });
};

test('a machine that is always to run has a pod, and another when that is deleted', async () => {
  await make('Always');
  await statusIs('Running');
  const [pod] = await harness.list(pods);
  expect(pod?.spec).toMatchObject({
    restartPolicy: 'Never',
    runtimeClassName: 'vm',
    containers: [{ name: 'machine', args: ['port=8080'], resources: { limits: { memory: '64Mi' } } }],
  });
  expect((await machine())?.status).toMatchObject({ created: true, ready: true, runs: 1, failures: 0 });
  await harness.client.resource(pods).delete(pod?.metadata?.name ?? '', { namespace });
  await until(harness, async () => (await machine())?.status?.runs === 2);
  await statusIs('Running');
});

test('a halted machine has no pod, and stops when it becomes one', async () => {
  await make('Halted');
  await statusIs('Stopped');
  expect(await podNames()).toEqual([]);
  await change({ spec: { runStrategy: 'Always' } });
  await statusIs('Running');
  await change({ spec: { runStrategy: 'Halted' } });
  await statusIs('Stopped');
  expect(await podNames()).toEqual([]);
});

test('a machine that is run by hand starts and stops when it is asked to', async () => {
  await make('Manual');
  await statusIs('Stopped');
  await ask('Start');
  await statusIs('Running');
  expect((await machine())?.status?.stateChangeRequests).toBeUndefined();
  await ask('Stop');
  await statusIs('Stopped');
  expect(await podNames()).toEqual([]);
});

test('after a failure it is run again, after pauses that grow', async () => {
  await make('RerunOnFailure', 3);
  await until(harness, async () => (await machine())?.status?.runs === 2);
  await statusIs('CrashLoopBackOff');
  const before = harness.clock.nowMs();
  await until(harness, async () => (await machine())?.status?.runs === 4);
  expect(harness.clock.nowMs() - before).toBeGreaterThan(29_000);
  expect(await podNames()).toHaveLength(1);
});

test('a machine that has switched itself off without a failure stays so', async () => {
  await make('RerunOnFailure', 0);
  await statusIs('Succeeded');
  await harness.clock.advance(600_000);
  expect((await machine())?.status?.runs).toBe(1);
});

test('a machine whose node is not heard of any more is run elsewhere once its pod is to go', () => {
  const machine = { metadata: { name: 'store' }, spec: { image: 'kernel' }, status: { runs: 1 } };
  const pod = { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' }, spec: { nodeName: 'far', containers: [] } };
  const plan = (isLost: boolean, leaving: boolean) =>
    planOf({ machine, pods: [leaving ? pod : { ...pod, metadata: {} }], isLost: () => isLost, nowMs: 0 });
  expect(plan(true, true).create).toBe(true);
  expect(plan(false, true)).toMatchObject({ create: false, printableStatus: 'Stopping' });
  expect(plan(true, false).create).toBe(false);
});

test('what has failed is forgotten once a run has been ready for ten minutes, whenever its pod began', () => {
  const machine = { metadata: { name: 'store' }, status: { runs: 3, failures: 2, podName: 'store-x' } };
  const ready = { type: 'Ready', status: 'True' as const, lastTransitionTime: '2026-01-01T00:00:00Z' };
  const pod = { metadata: { name: 'store-x' }, status: { phase: 'Running' as const, conditions: [ready] } };
  const after = (seconds: number) =>
    planOf({
      machine,
      pods: [pod],
      isLost: () => false,
      nowMs: Date.parse(ready.lastTransitionTime) + seconds * 1_000,
    });
  expect(after(1)).toMatchObject({ failures: 2, againMs: 599_000 });
  expect(after(600)).toMatchObject({ failures: 0 });
});

test.each<[string, Pod['status'], string, string, string]>([
  [
    'no node takes it',
    { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes' }] },
    'ErrorUnschedulable',
    'Unschedulable',
    '0/1 nodes',
  ],
  [
    'its image is for another machine',
    waitingStatus({ reason: 'CreateContainerError', message: 'it is no ELF file' }),
    'CreateContainerError',
    'CreateContainerError',
    'it is no ELF file',
  ],
  [
    'its guest has failed',
    {
      phase: 'Failed',
      containerStatuses: [machineStatus({ terminated: { exitCode: 139, message: 'hart 0: trap 1' } })],
    },
    'CrashLoopBackOff',
    'GuestFailed',
    'hart 0: trap 1',
  ],
])('a machine says why it does not run: %s', (_, status = {}, printableStatus, reason, message) => {
  const machine = { metadata: { name: 'store' }, status: { runs: 1, failures: 1, podName: 'store-x' } };
  const pod = {
    metadata: { name: 'store-x', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { nodeName: 'n1', containers: [] },
    status,
  };
  const nowMs = Date.parse(pod.metadata.creationTimestamp) + 1_000;
  const plan = planOf({ machine, pods: [pod], isLost: () => false, nowMs });
  expect(plan).toMatchObject({ create: false, printableStatus, problem: { reason, message } });
});

function machineStatus(state: ContainerState): ContainerStatus {
  return { name: 'machine', image: 'kernel', imageID: '', ready: false, restartCount: 0, state };
}

function waitingStatus(waiting: ContainerStateWaiting): Pod['status'] {
  return { phase: 'Pending', containerStatuses: [machineStatus({ waiting })] };
}
