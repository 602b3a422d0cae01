import { afterEach, expect, test } from 'vitest';
import type { ConfigMap } from '#pkg/api/types/core-v1.ts';
import { configMaps, deployments, leases, namespaces, nodes, pods, replicaSets } from '#pkg/api/types/refs.ts';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import type { OwnerReference } from '#pkg/apimachinery/object.ts';
import { deploymentOf, type Harness, startHarness, until } from '../testing/harness.ts';
import { OwnerGraph } from './graph.ts';

let harness: Harness;
afterEach(() => harness.stop());

const controllers = ['garbage-collector-controller'];
const withWorkloads = [...controllers, 'deployment-controller', 'replicaset-controller'];

const ownedBy = (owner: ConfigMap, blockOwnerDeletion = false): OwnerReference => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  name: owner.metadata!.name!,
  uid: owner.metadata!.uid!,
  ...(blockOwnerDeletion ? { blockOwnerDeletion } : {}),
});
const make = (name: string, ...ownerReferences: OwnerReference[]) =>
  harness.client.resource(configMaps).create({ metadata: { name, namespace: 'default', ownerReferences } });
const names = async () => (await harness.list(configMaps, 'default')).map(({ metadata }) => metadata?.name);
const remove = (name: string, propagationPolicy: 'Background' | 'Foreground' | 'Orphan') =>
  harness.client.resource(configMaps).delete(name, { namespace: 'default', propagationPolicy });

test('in the background, dependents go after their owner, also those of dependents', async () => {
  harness = await startHarness({ controllers });
  const a = await make('a');
  const b = await make('b', ownedBy(a));
  await make('c', ownedBy(b));
  await make('other');
  await harness.clock.advance(5_000);
  await remove('a', 'Background');
  await harness.clock.advance(5_000);
  expect(await names()).toEqual(['other']);
});

test('a start asks nobody which resources there are, and watches what workloads are made of', async () => {
  const asked: string[] = [];
  const beforeRequest = async ({ path }: ApiRequest): Promise<void> => void asked.push(path);
  harness = await startHarness({ controllers, hooks: { beforeRequest } });
  await harness.clock.advance(2_000);
  expect(asked).toContain('/api/v1/pods');
  expect(asked).not.toContain('/apis');
  await harness.clock.advance(2_000);
  expect(asked).toContain('/apis');
});

test('in the foreground, the owner waits for dependents that block it', async () => {
  harness = await startHarness({ controllers });
  const a = await make('a');
  await make('blocks', ownedBy(a, true));
  await harness.client
    .resource(configMaps)
    .patch('blocks', { metadata: { finalizers: ['example.com/wait'] } }, { namespace: 'default', type: 'merge' });
  await harness.clock.advance(5_000);
  await remove('a', 'Foreground');
  await harness.clock.advance(5_000);
  expect(await names()).toEqual(['a', 'blocks']);
  expect((await harness.get(configMaps, 'default/blocks'))?.metadata?.deletionTimestamp).toBeDefined();
  await harness.client
    .resource(configMaps)
    .patch('blocks', { metadata: { finalizers: null } }, { namespace: 'default', type: 'merge' });
  await harness.clock.advance(5_000);
  expect(await names()).toEqual([]);
});

test('orphans stay and lose the reference', async () => {
  harness = await startHarness({ controllers });
  const a = await make('a');
  await make('b', ownedBy(a));
  await harness.clock.advance(5_000);
  await remove('a', 'Orphan');
  await harness.clock.advance(5_000);
  expect(await names()).toEqual(['b']);
  expect((await harness.get(configMaps, 'default/b'))?.metadata?.ownerReferences ?? []).toEqual([]);
});

test('an object with one owner left stays without the other; one whose owner never existed goes', async () => {
  harness = await startHarness({ controllers });
  const [a, b] = [await make('a'), await make('b')];
  await make('both', ownedBy(a), ownedBy(b));
  await make('stray', { apiVersion: 'v1', kind: 'ConfigMap', name: 'a', uid: 'not-the-uid-of-a' });
  await harness.clock.advance(10_000);
  expect(await names()).toEqual(['a', 'b', 'both']);
  await remove('a', 'Background');
  await harness.clock.advance(5_000);
  expect((await harness.get(configMaps, 'default/both'))?.metadata?.ownerReferences).toEqual([ownedBy(b)]);
});

test('two that own each other and are deleted in the foreground do not wait for ever', async () => {
  harness = await startHarness({ controllers });
  const a = await make('a');
  const b = await make('b', ownedBy(a, true));
  await harness.client
    .resource(configMaps)
    .patch('a', { metadata: { ownerReferences: [ownedBy(b, true)] } }, { namespace: 'default', type: 'merge' });
  await harness.clock.advance(5_000);
  await remove('a', 'Foreground');
  await harness.clock.advance(30_000);
  expect(await names()).toEqual([]);
});

test('a deployment takes its replica sets and pods with it, in each way', async () => {
  harness = await startHarness({ controllers: withWorkloads });
  const count = async () => [
    (await harness.list(deployments, 'default')).length,
    (await harness.list(replicaSets, 'default')).length,
    (await harness.list(pods, 'default')).length,
  ];
  for (const propagationPolicy of ['Background', 'Foreground'] as const) {
    await harness.client.resource(deployments).create(deploymentOf('web'));
    await until(harness, async () => (await harness.list(pods, 'default')).length === 3);
    await harness.client.resource(deployments).delete('web', { namespace: 'default', propagationPolicy });
    await harness.clock.advance(10_000);
    expect(await count()).toEqual([0, 0, 0]);
  }
  await harness.client.resource(deployments).create(deploymentOf('web'));
  await until(harness, async () => (await harness.list(pods, 'default')).length === 3);
  await harness.client.resource(deployments).delete('web', { namespace: 'default', propagationPolicy: 'Orphan' });
  await harness.clock.advance(10_000);
  expect(await count()).toEqual([0, 1, 3]);
});

test('the lease of a node goes with it', async () => {
  harness = await startHarness({ controllers });
  const namespace = 'kube-node-lease';
  for (const name of ['n1', 'n2']) {
    const { metadata } = await harness.client.resource(nodes).create({ metadata: { name } });
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name, uid: metadata!.uid! }];
    await harness.client.resource(leases).create({ metadata: { name, namespace, ownerReferences }, spec: {} });
  }
  await harness.clock.advance(10_000);
  await harness.client.resource(nodes).delete('n1');
  await harness.clock.advance(10_000);
  expect((await harness.list(leases, namespace)).map(({ metadata }) => metadata?.name)).toEqual(['n2']);
});

test('an owner in another namespace owns nothing: its dependent goes, with an event; those beside it stay', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(namespaces).create({ metadata: { name: 'other' } });
  const owner = await make('owner');
  await make('near', ownedBy(owner));
  const misplaced = { name: 'far', namespace: 'other', ownerReferences: [ownedBy(owner)] };
  await harness.clock.advance(5_000);
  await harness.client.resource(configMaps).create({ metadata: misplaced });
  await harness.clock.advance(10_000);
  expect(await harness.list(configMaps, 'other')).toEqual([]);
  expect(await harness.eventsOf('far')).toEqual([
    `OwnerRefInvalidNamespace: ownerRef [v1/ConfigMap, namespace: other, name: owner, uid: ${owner.metadata!.uid}] does not exist in namespace "other"`,
  ]);
  // That the owner is absent there must not be taken for its absence here.
  await harness.client
    .resource(configMaps)
    .patch('near', { metadata: { ownerReferences: null } }, { namespace: 'default', type: 'merge' });
  const gone = await make('gone');
  await harness.client
    .resource(configMaps)
    .patch(
      'near',
      { metadata: { ownerReferences: [ownedBy(owner), ownedBy(gone)] } },
      { namespace: 'default', type: 'merge' },
    );
  await harness.clock.advance(5_000);
  await remove('gone', 'Background');
  await harness.clock.advance(10_000);
  expect(await names()).toEqual(['near', 'owner']);
});

test('a misplaced reference that is seen before its owner is found out when the owner appears', async () => {
  const seen: string[] = [];
  const graph = new OwnerGraph({
    attemptToDelete: (uid) => seen.push(`look at ${uid}`),
    attemptToOrphan: () => undefined,
    misplacedOwner: (node, owner) => seen.push(`${node.uid} misplaces ${owner.uid}`),
    removed: () => undefined,
    verifyOwners: () => undefined,
  });
  harness = await startHarness({ controllers: [] });
  const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'a', uid: 'u-a' };
  for (const namespace of ['here', 'there'])
    graph.observe(configMaps, {
      metadata: { name: 'd', namespace, uid: `u-${namespace}`, ownerReferences: [reference] },
    });
  graph.observe(configMaps, { metadata: { name: 'a', namespace: 'there', uid: 'u-a' } });
  expect(seen).toEqual(['u-here misplaces u-a', 'look at u-here']);
  expect(graph.get('u-a')?.namespace).toBe('there');
});

test('once everything is watched, a dependent whose owner never existed goes at once, and one whose owner is seen a moment later costs no request', async () => {
  harness = await startHarness({ controllers });
  await harness.clock.advance(5_000);
  await make('stray', { apiVersion: 'v1', kind: 'ConfigMap', name: 'none', uid: 'of-none' });
  await harness.clock.advance(200);
  expect(await names()).toEqual([]);
  const asked: string[] = [];
  harness.hooks.beforeRequest = async ({ path, query }) => {
    if (!query.includes('watch')) asked.push(path);
  };
  await make('b', ownedBy(await make('a')));
  await harness.clock.advance(10_000);
  expect(asked).toEqual([]);
});

test('a dependent that is given another owner between the look and the deletion stays', async () => {
  harness = await startHarness({ controllers });
  const [a, b] = [await make('a'), await make('b')];
  await make('c', ownedBy(a));
  await harness.clock.advance(5_000);
  const adopt = { metadata: { ownerReferences: [ownedBy(b)] } };
  harness.hooks.beforeRequest = async (request) => {
    if (request.method !== 'DELETE' || !request.path.endsWith('/c')) return;
    harness.hooks.beforeRequest = undefined;
    await harness.client.resource(configMaps).patch('c', adopt, { namespace: 'default', type: 'merge' });
  };
  await remove('a', 'Background');
  await harness.clock.advance(10_000);
  expect(await names()).toEqual(['b', 'c']);
});
