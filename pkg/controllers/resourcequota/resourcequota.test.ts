import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import type { ConfigMap, ResourceQuota } from '#pkg/api/types/core-v1.ts';
import { configMaps, customResourceDefinitions, resourceQuotas, services } from '#pkg/api/types/refs.ts';
import { isAlreadyExists, isForbidden } from '#pkg/apimachinery/status-error.ts';
import { type Harness, startHarness, until } from '../testing/harness.ts';

const namespace = 'default';

async function start(hard: Readonly<Record<string, string>>): Promise<Harness> {
  const harness = await startHarness({ controllers: ['resourcequota-controller'], runPods: false });
  await harness.client.resource(resourceQuotas).create({ metadata: { name: 'q', namespace }, spec: { hard } });
  await until(harness, async () => (await status(harness))?.used !== undefined);
  return harness;
}

async function status(harness: Harness): Promise<ResourceQuota['status']> {
  return (await harness.get(resourceQuotas, 'default/q'))?.status;
}

const map = (name: string): ConfigMap => ({ metadata: { name, namespace } });

/** Creates all at once; says how many there was room for. */
async function createAll(harness: Harness, names: readonly string[]): Promise<number> {
  const answers = await Promise.allSettled(names.map((name) => harness.client.resource(configMaps).create(map(name))));
  const refused = answers.filter(({ status }) => status === 'rejected');
  for (const answer of refused)
    expect(answer).toSatisfy(({ reason }: PromiseRejectedResult) => isForbidden(reason) || isAlreadyExists(reason));
  return answers.length - refused.length;
}

const names = (prefix: string): readonly string[] => Array.from({ length: 64 }, (_, i) => `${prefix}${i}`);

test('64 creators at the same time get what there is room for, and no more', async () => {
  const harness = await start({ configmaps: '20' });
  expect(await createAll(harness, names('a'))).toBe(20);
  expect((await status(harness))?.used).toEqual({ configmaps: '20' });
  await harness.stop();
});

test('while objects come and go and names are taken, a quota is never exceeded, and in the end it says what there is', async () => {
  const harness = await start({ configmaps: '20' });
  const client = harness.client.resource(configMaps);
  let most = 0;
  for (let round = 0; round < 12; round++) {
    // Half of the names are taken in the round before.
    const creating = createAll(harness, [...names(`r${round}-`), ...names(`r${round - 1}-`)]);
    const there = (await harness.list(configMaps, namespace)).slice(0, 7);
    await Promise.all(there.map(({ metadata }) => client.delete(metadata!.name!, { namespace })));
    await harness.clock.advance(round % 3 === 0 ? 150 : 30);
    await creating;
    most = Math.max(most, (await harness.list(configMaps, namespace)).length);
    expect(most).toBeLessThanOrEqual(20);
  }
  await harness.clock.advance(20_000);
  const count = (await harness.list(configMaps, namespace)).length;
  expect((await status(harness))?.used).toEqual({ configmaps: String(count) });
  expect(most).toBe(20);
  await harness.stop();
});

test('a quota that is changed under load lets in no more than the largest limit of the time, takes nothing away, and is quiet after', async () => {
  const harness = await start({ configmaps: '10' });
  const client = harness.client.resource(configMaps);
  const countNow = async (): Promise<number> => (await harness.list(configMaps, namespace)).length;
  const limit = (configmaps: number) =>
    harness.client
      .resource(resourceQuotas)
      .patch('q', { spec: { hard: { configmaps: String(configmaps) } } }, { namespace, type: 'merge' });
  let limitBefore = 10;
  for (const [round, limitNow] of [25, 5, 40, 15, 30, 12].entries()) {
    const before = await countNow();
    const creating = createAll(harness, names(`r${round}-`));
    await Promise.all([limit(limitNow), harness.clock.advance(50)]);
    await creating;
    const after = await countNow();
    expect(after).toBeGreaterThanOrEqual(before);
    expect(after).toBeLessThanOrEqual(Math.max(before, limitBefore, limitNow));
    // Writes that a count may have missed are added to it until the next count, which errs on the safe side.
    const wanted = { hard: { configmaps: String(limitNow) }, used: { configmaps: String(after) } };
    await until(harness, async () => isDeepStrictEqual(await status(harness), wanted));
    await createAll(harness, names(`s${round}-`));
    expect(await countNow()).toBe(Math.max(after, limitNow));
    const there = (await harness.list(configMaps, namespace)).slice(0, 8);
    await Promise.all(there.map(({ metadata }) => client.delete(metadata!.name!, { namespace })));
    await harness.clock.advance(20_000);
    expect((await status(harness))?.used).toEqual({ configmaps: String(await countNow()) });
    limitBefore = limitNow;
  }
  harness.writes.length = 0;
  await harness.clock.advance(3_600_000);
  expect(harness.writes).toEqual([]);
  await harness.stop();
});

test('a write that fails after it was counted is not counted for long', async () => {
  const harness = await start({ configmaps: '20' });
  await createAll(harness, ['a']);
  await createAll(harness, ['a', 'a', 'a']);
  await harness.clock.advance(10_000);
  expect((await status(harness))?.used).toEqual({ configmaps: '1' });
  await harness.stop();
});

test('a count that may have missed a write adds it, and is made again', async () => {
  const harness = await start({ configmaps: '20' });
  const client = harness.client.resource(resourceQuotas);
  await createAll(harness, names('a').slice(0, 3));
  // What somebody counted who has seen the quota but not the objects.
  const seen = (await harness.get(resourceQuotas, 'default/q'))!;
  const stale = { ...seen, status: { ...seen.status, used: { configmaps: '0' } } };
  expect((await client.update(stale, { subresource: 'status' })).status?.used).toEqual({ configmaps: '3' });
  await harness.clock.advance(10_000);
  expect((await status(harness))?.used).toEqual({ configmaps: '3' });
  await harness.stop();
});

test('a count that has missed nothing stands as it is, and one that was made while a write is under way has it', async () => {
  const harness = await startHarness({ controllers: [], runPods: false });
  const client = harness.client.resource(resourceQuotas);
  const quota = { metadata: { name: 'q', namespace }, spec: { hard: { configmaps: '20' } } };
  const countAs = async (configmaps: string): Promise<unknown> => {
    const seen = (await harness.get(resourceQuotas, 'default/q'))!;
    const status = { hard: seen.spec?.hard, used: { configmaps } };
    return (await client.update({ ...seen, status }, { subresource: 'status' })).status?.used;
  };
  await client.create(quota);
  await countAs('0');
  // Whoever counts by watches may have seen the last object and the version of the quota that was written for it.
  await createAll(harness, names('a').slice(0, 3));
  expect(await countAs('3')).toEqual({ configmaps: '3' });
  expect(await status(harness)).toEqual({ hard: { configmaps: '20' }, used: { configmaps: '3' } });
  const creating = createAll(harness, ['b']);
  await until(harness, async () => (await status(harness))?.used?.configmaps === '4');
  expect(await countAs('3')).toEqual({ configmaps: '4' });
  await creating;
  await harness.stop();
});

test('a dry run is refused as the write would be, and counts for nothing', async () => {
  const harness = await start({ configmaps: '1' });
  const client = harness.client.resource(configMaps);
  await client.create(map('dry'), { dryRun: true });
  expect((await status(harness))?.used).toEqual({ configmaps: '0' });
  await client.create(map('wet'));
  await expect(client.create(map('dry'), { dryRun: true })).rejects.toSatisfy(isForbidden);
  await harness.stop();
});

test('a change that makes an object take more is counted, one that takes less gives it back', async () => {
  const harness = await start({ 'services.nodeports': '2' });
  const client = harness.client.resource(services);
  const spec = (type: string, count: number) => ({
    type,
    ports: Array.from({ length: count }, (_, i) => ({ name: `p${i}`, port: 80 + i })),
  });
  const metadata = { name: 's', namespace };
  await client.create({ metadata, spec: spec('ClusterIP', 2) });
  await client.patch('s', { spec: { type: 'NodePort' } }, { namespace, type: 'merge' });
  expect((await status(harness))?.used).toEqual({ 'services.nodeports': '2' });
  const another = client.create({ metadata: { name: 't', namespace }, spec: spec('NodePort', 1) });
  await expect(another).rejects.toThrow('requested: services.nodeports=1, used: services.nodeports=2');
  await client.patch('s', { spec: { type: 'ClusterIP' } }, { namespace, type: 'merge' });
  await until(harness, async () => (await status(harness))?.used?.['services.nodeports'] === '0');
  await harness.stop();
});

test('a limit that was raised, and one of a kind that comes later, are counted', async () => {
  const harness = await start({ configmaps: '1' });
  await createAll(harness, ['a']);
  const client = harness.client.resource(resourceQuotas);
  const hard = { configmaps: '2', 'count/tabs.stable.example.com': '1' };
  await client.patch('q', { spec: { hard } }, { namespace, type: 'merge' });
  await until(harness, async () => (await status(harness))?.hard?.configmaps === '2');
  expect(await status(harness)).toEqual({ hard, used: { configmaps: '1' } });
  const schema = { openAPIV3Schema: { type: 'object' } };
  await harness.client.resource(customResourceDefinitions).create({
    metadata: { name: 'tabs.stable.example.com' },
    spec: {
      group: 'stable.example.com',
      scope: 'Namespaced',
      names: { plural: 'tabs', kind: 'Tab' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  });
  await until(harness, async () => (await status(harness))?.used?.['count/tabs.stable.example.com'] === '0');
  await harness.stop();
});

test('quotas that nothing happens to are written once', async () => {
  const harness = await start({ configmaps: '1', pods: '1' });
  await harness.clock.advance(1_000_000);
  expect(harness.writes).toEqual(['PUT /api/v1/namespaces/default/resourcequotas/q/status']);
  await harness.stop();
});
