import { afterEach, expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { deviceTaintRules, pods, resourceClaims, resourceSlices } from '#pkg/api/types/refs.ts';
import type { DeviceTaint, DeviceToleration } from '#pkg/api/types/resource-v1.ts';
import type { DeviceTaintRule } from '#pkg/api/types/resource-v1beta2.ts';
import { type Harness, type HarnessOptions, startHarness, until } from '../testing/harness.ts';

const namespace = 'default';
const driver = 'gpu.example.com';
const rulesOn: HarnessOptions = {
  runtimeConfig: { 'resource.k8s.io/v1beta2': true },
  flags: { 'feature-gates': ['DRADeviceTaintRules=true'] },
};
let harness: Harness;
afterEach(() => harness.stop());

async function start(options: HarnessOptions = {}): Promise<void> {
  harness = await startHarness({ controllers: ['device-taint-eviction-controller'], runPods: false, ...options });
  const devices = ['a', 'b', 'c', 'd'].map((name) => ({ name }));
  const pool = { name: 'n1', generation: 1, resourceSliceCount: 1 };
  await harness.client
    .resource(resourceSlices)
    .create({ metadata: { name: 's' }, spec: { driver, pool, nodeName: 'n1', devices } });
}

/** As a driver does that finds a device sick, or well again. */
async function taintDevice(name: string, taints: readonly Omit<DeviceTaint, 'timeAdded'>[]): Promise<void> {
  const slice = (await harness.get(resourceSlices, 's'))!;
  const devices = (slice.spec.devices ?? []).map((one) => (one.name === name ? { ...one, taints } : one));
  await harness.client.resource(resourceSlices).update({ ...slice, spec: { ...slice.spec, devices } });
}

interface UserOptions {
  readonly device: string;
  readonly tolerations?: readonly DeviceToleration[];
  readonly nodeName?: string;
}

/** A pod with a claim, to which scheduler and controllers have given a device. */
async function makeUser(name: string, { device, tolerations, nodeName = 'n1' }: UserOptions): Promise<Pod> {
  const devices = { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu.example.com' } }] };
  const claim = await harness.client
    .resource(resourceClaims)
    .create({ metadata: { name, namespace }, spec: { devices } });
  const pod = await harness.client.resource(pods).create({
    metadata: { name, namespace },
    spec: {
      containers: [{ name: 'main', image: 'v1' }],
      resourceClaims: [{ name: 'card', resourceClaimName: name }],
      ...(nodeName === '' ? {} : { nodeName }),
    },
  });
  const result = { request: 'gpu', driver, pool: 'n1', device, ...(tolerations === undefined ? {} : { tolerations }) };
  const reservedFor = [{ resource: 'pods', name, uid: pod.metadata?.uid ?? '' }];
  const status = { allocation: { devices: { results: [result] } }, reservedFor };
  await harness.client.resource(resourceClaims).update({ ...claim, status }, { subresource: 'status' });
  return pod;
}

async function leaving(): Promise<readonly (string | undefined)[]> {
  const all = await harness.list(pods, namespace);
  return all.filter(({ metadata }) => metadata?.deletionTimestamp !== undefined).map(({ metadata }) => metadata?.name);
}

async function conditionOf(name: string) {
  const [condition] = (await harness.get(deviceTaintRules, name))?.status?.conditions ?? [];
  return condition === undefined
    ? undefined
    : `${condition.type}=${condition.status} ${condition.reason}: ${condition.message}`;
}

function makeRule(name: string, spec: DeviceTaintRule['spec']): Promise<DeviceTaintRule> {
  return harness.client.resource(deviceTaintRules).create({ metadata: { name }, spec });
}

const sick = { key: 'sick', effect: 'NoExecute' };
const untilLater = { key: 'sick', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 };

test('a device is tainted by its driver: its users go at once, after the time they bear it, or never', async () => {
  await start();
  await makeUser('at-once', { device: 'a' });
  await makeUser('later', { device: 'a', tolerations: [untilLater, { ...untilLater, tolerationSeconds: 3_600 }] });
  await makeUser('never', { device: 'a', tolerations: [untilLater, { key: 'sick', operator: 'Exists' }] });
  await makeUser('other', { device: 'b' });
  await makeUser('waiting', { device: 'a', nodeName: '' });
  await taintDevice('a', [sick, { key: 'slow', effect: 'NoSchedule' }]);
  await taintDevice('b', [{ key: 'sick', effect: 'None' }]);
  await harness.clock.advance(5_000);
  expect(await leaving()).toEqual(['at-once']);
  const gone = await harness.get(pods, 'default/at-once');
  expect(gone?.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({
    status: 'True',
    reason: 'DeletionByDeviceTaintManager',
    message: 'Device Taint manager: deleting due to NoExecute taint',
  });
  expect(await harness.eventsOf('at-once')).toEqual(['DeviceTaintManagerEviction: Marking for deletion']);
  await harness.clock.advance(50_000);
  expect(await leaving()).toEqual(['at-once']);
  await harness.clock.advance(10_000);
  expect(await leaving()).toEqual(['at-once', 'later']);
  await harness.clock.advance(10_800_000);
  expect(await leaving()).toEqual(['at-once', 'later']);
  expect(harness.writes.filter((line) => !line.includes('/events'))).toHaveLength(4);
});

test('a taint that goes before the time of a user leaves it alone, which is said', async () => {
  await start();
  await makeUser('p', { device: 'a', tolerations: [untilLater] });
  await taintDevice('a', [sick]);
  await harness.clock.advance(30_000);
  await taintDevice('a', []);
  await harness.clock.advance(600_000);
  expect(await leaving()).toEqual([]);
  expect(await harness.eventsOf('p')).toEqual(['DeviceTaintManagerEviction: Cancelling deletion']);
});

test('slices of a pool that are not its newest say nothing of its devices', async () => {
  await start();
  await makeUser('p', { device: 'a' });
  const slice = (await harness.get(resourceSlices, 's'))!;
  const pool = { name: 'n1', generation: 2, resourceSliceCount: 1 };
  await harness.client
    .resource(resourceSlices)
    .create({ metadata: { name: 'newer' }, spec: { ...slice.spec, pool, devices: [{ name: 'a' }] } });
  await taintDevice('a', [sick]);
  await harness.clock.advance(60_000);
  expect(await leaving()).toEqual([]);
  await harness.client.resource(resourceSlices).delete('newer');
  await harness.clock.advance(1_000);
  expect(await leaving()).toEqual(['p']);
});

test('a rule evicts the users of the devices that it selects, says how far that is, and then nothing more', async () => {
  await start(rulesOn);
  await makeUser('now', { device: 'a' });
  await makeUser('later', { device: 'b', tolerations: [untilLater] });
  await harness.clock.advance(1_000);
  await makeRule('all', { deviceSelector: { driver, pool: 'n1' }, taint: sick });
  await harness.clock.advance(20_000);
  expect(await leaving()).toEqual(['now']);
  expect(await conditionOf('all')).toBe(
    'EvictionInProgress=True PodsPendingEviction: 1 pod needs to be evicted in 1 namespace. 1 pod evicted since starting the controller.',
  );
  await harness.clock.advance(60_000);
  expect(await leaving()).toEqual(['later', 'now']);
  expect(await conditionOf('all')).toBe(
    'EvictionInProgress=False Completed: 2 pods evicted since starting the controller.',
  );
  harness.writes.length = 0;
  await harness.clock.advance(10_800_000);
  expect(harness.writes).toEqual([]);
});

test('a rule says what it would do before it does it, and does nothing where it selects nothing', async () => {
  await start(rulesOn);
  await makeUser('p', { device: 'a' });
  await makeRule('trial', { deviceSelector: { driver }, taint: { key: 'sick', effect: 'None' } });
  await makeRule('kept-off', { deviceSelector: { driver }, taint: { key: 'sick', effect: 'NoSchedule' } });
  await makeRule('no-device', { taint: sick });
  await makeRule('other-device', { deviceSelector: { driver, device: 'z' }, taint: sick });
  await harness.clock.advance(60_000);
  expect(await conditionOf('trial')).toBe(
    'EvictionInProgress=False NoEffect: 4 published devices selected. 1 allocated device selected. 1 pod would be evicted in 1 namespace if the effect was NoExecute. This information will not be updated again. Recreate the DeviceTaintRule to trigger an update.',
  );
  expect(await conditionOf('kept-off')).toBe(
    'EvictionInProgress=False OtherEffect: Eviction only happens for the NoExecute effect.',
  );
  expect(await conditionOf('no-device')).toBe('EvictionInProgress=False NotStarted: ');
  expect(await conditionOf('other-device')).toBe('EvictionInProgress=False NotStarted: ');
  expect(await leaving()).toEqual([]);
  expect(harness.writes).toHaveLength(4);
  const taint = { effect: 'NoExecute' };
  await harness.client.resource(deviceTaintRules).patch('trial', { spec: { taint } }, { type: 'merge' });
  await harness.clock.advance(1_000);
  expect(await leaving()).toEqual(['p']);
});

test('a controller that starts anew goes on with the time that is left, and clocks that jump do not bring it forward twice', async () => {
  await start(rulesOn);
  await makeUser('p', { device: 'a', tolerations: [{ ...untilLater, tolerationSeconds: 7_200 }] });
  await makeRule('all', { deviceSelector: {}, taint: sick });
  await harness.clock.advance(3_600_000);
  await harness.restart();
  await harness.clock.advance(3_000_000);
  expect(await leaving()).toEqual([]);
  harness.jumpClock(-86_400_000);
  harness.writes.length = 0;
  await harness.clock.advance(3_600_000);
  expect(await leaving()).toEqual([]);
  expect(harness.writes.filter((line) => !line.includes('/status'))).toEqual([]);
  expect(harness.writes.length).toBeLessThan(3);
  harness.jumpClock(86_400_000);
  await harness.clock.advance(3_600_000);
  expect(await leaving()).toEqual(['p']);
});

test('without the feature no rule is asked for, whether the API has them or not', async () => {
  await start({ runtimeConfig: rulesOn.runtimeConfig! });
  await makeUser('p', { device: 'a' });
  await makeRule('all', { deviceSelector: {}, taint: sick });
  await harness.clock.advance(60_000);
  expect(await leaving()).toEqual([]);
  expect(await conditionOf('all')).toBe(undefined);
});

test.each([1, 2, 3, 4])(
  'lost requests, answers and watches: who does not bear the taint goes, nobody else (seed %i)',
  async (seed) => {
    await start({ ...rulesOn, seed, faultShare: 0.3 });
    for (const name of ['a', 'b', 'c', 'd']) {
      await makeUser(`goes-${name}`, { device: name });
      await makeUser(`stays-${name}`, { device: name, tolerations: [{ operator: 'Exists' }] });
    }
    await makeRule('first', { deviceSelector: { device: 'a' }, taint: sick });
    await taintDevice('b', [sick]);
    harness.dropWatches({ history: false });
    await harness.clock.advance(200);
    await makeRule('second', { deviceSelector: { pool: 'n1' }, taint: sick });
    if (seed % 2 === 0) await harness.restart();
    harness.dropWatches({ history: true });
    await until(harness, async () => (await leaving()).length >= 4);
    await harness.clock.advance(120_000);
    expect(await leaving()).toEqual(['goes-a', 'goes-b', 'goes-c', 'goes-d']);
    for (const rule of ['first', 'second']) expect(await conditionOf(rule)).toMatch(/^EvictionInProgress=False /);
  },
);
