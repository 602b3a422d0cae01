import { afterEach, expect, test } from 'vitest';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { addNode, type Harness, startHarness, templateOf } from '../testing/harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

const controllers = ['pod-garbage-collector-controller'];
const { spec } = templateOf('a', 'v1');
const create = (name: string, nodeName: string) =>
  harness.client.resource(pods).create({ metadata: { name, namespace: 'default' }, spec: { ...spec, nodeName } });
const names = async () => (await harness.list(pods)).map(({ metadata }) => metadata?.name);

test('pods of a node that is gone are removed after a quarantine, those of others stay', async () => {
  harness = await startHarness({ controllers });
  await addNode(harness, 'n1');
  await addNode(harness, 'dead');
  await create('stays', 'n1');
  await create('goes', 'dead');
  await harness.clock.advance(60_000);
  await harness.client.resource(nodes).delete('dead');
  await harness.clock.advance(30_000);
  expect(await names()).toEqual(['goes', 'stays']);
  await harness.clock.advance(60_000);
  expect(await names()).toEqual(['stays']);
});

test('of ended pods beyond the threshold the oldest go', async () => {
  harness = await startHarness({ controllers, flags: { 'terminated-pod-gc-threshold': 2 }, runPods: false });
  await addNode(harness, 'n1');
  for (const name of ['a', 'b', 'c', 'd']) {
    const pod = await create(name, 'n1');
    await harness.client.resource(pods).update({ ...pod, status: { phase: 'Succeeded' } }, { subresource: 'status' });
    await harness.clock.advance(2_000);
  }
  await harness.clock.advance(30_000);
  expect(await names()).toEqual(['c', 'd']);
});

test('a deleted pod is removed from a node that was declared out of service, and where it never had a node', async () => {
  harness = await startHarness({ controllers, runPods: false });
  await addNode(harness, 'n1');
  await addNode(harness, 'dead');
  const conditions = [{ type: 'Ready', status: 'Unknown' }];
  await harness.client
    .resource(nodes)
    .patch('dead', { status: { conditions } }, { type: 'merge', subresource: 'status' });
  for (const [name, node] of [
    ['a', 'n1'],
    ['b', 'dead'],
    ['c', 'dead'],
  ] as const)
    await create(name, node);
  const finalizers = ['example.com/keep'];
  await harness.client.resource(pods).create({ metadata: { name: 'd', namespace: 'default', finalizers }, spec });
  for (const name of ['a', 'b', 'd']) await harness.client.resource(pods).delete(name, { namespace: 'default' });
  await harness.clock.advance(60_000);
  expect(await names()).toEqual(['a', 'b', 'c', 'd']);
  expect((await harness.get(pods, 'default/d'))?.status?.phase).toBe('Failed');
  const taints = [{ key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' }];
  await harness.client.resource(nodes).patch('dead', { spec: { taints } }, { type: 'merge' });
  await harness.clock.advance(30_000);
  expect(await names()).toEqual(['a', 'c', 'd']);
});
