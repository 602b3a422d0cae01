/** What a keeper does with machines, told by objects on virtual time; the machines are a table here. */
import { afterEach, expect, test } from 'vitest';
import { virtualMachines } from '#pkg/api/virtual-machine.ts';
import { virtualMachineSnapshots } from '#pkg/api/virtual-machine-snapshot.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { startBareApi } from '#pkg/testing/bare-api.ts';
import { RuntimeError } from '../runtime/runtime.ts';
import { createMachineKeeper } from './machine-keeper.ts';

const namespace = 'default';
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** A node `n1` whose pods with machines are in `held`, by whether each stands still. */
async function startNode(options: { readonly kept?: readonly string[] } = {}) {
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  const server = await startBareApi({ clock, random });
  const stop = new AbortController();
  const client = createClient({ transport: server.transport('test'), userAgent: 'test' });
  const informers = createInformers({ client, clock, random, log: silentLogger });
  const held = new Map<string, boolean>();
  const kept = new Set(options.kept);
  const machines = {
    hold: async ({ name }: { readonly name: string }, isPaused: boolean) => {
      if (!held.has(name)) throw new RuntimeError('notFound', 'no machine runs here');
      held.set(name, isPaused);
    },
    save: async ({ name }: { readonly name: string }, uid: string) => {
      if (!held.has(name)) throw new RuntimeError('notFound', 'no machine runs here');
      kept.add(uid);
      return 1000;
    },
    snapshots: async () => [...kept].map((uid) => ({ namespace, uid })),
    forget: async ({ uid }: { readonly uid: string }) => void kept.delete(uid),
  };
  const keeper = createMachineKeeper({
    deps: { client, clock, informers, log: silentLogger },
    nodeName: 'n1',
    machines,
  });
  const runs = [server.run(stop.signal), informers.run(stop.signal), keeper.run(stop.signal)];
  stops.push(async () => {
    stop.abort();
    await clock.settle();
    await Promise.all(runs);
  });
  await clock.settle();
  return { clock, client, held, kept };
}

type Node = Awaited<ReturnType<typeof startNode>>;

/** A machine in the pod `pod` of the node, as the controller says it. */
async function makeMachine({ client, clock }: Node, spec: JsonObject, status: JsonObject = {}): Promise<void> {
  const metadata = { name: 'store', namespace };
  await client.resource(virtualMachines).create({ metadata, spec: { image: 'kernel', ...spec } });
  await client
    .resource(virtualMachines)
    .patch(
      'store',
      { status: { podName: 'pod', nodeName: 'n1', ...status } },
      { namespace, type: 'merge', subresource: 'status' },
    );
  await clock.settle();
}

async function change({ client, clock }: Node, patch: JsonObject): Promise<void> {
  const subresource = patch.status === undefined ? {} : { subresource: 'status' };
  await client.resource(virtualMachines).patch('store', patch, { namespace, type: 'merge', ...subresource });
  await clock.settle();
}

const statusOf = async ({ client }: Node) =>
  (await client.resource(virtualMachines).get('store', { namespace })).status;

test('a machine stands still and goes on as its object says, and its status says so once it does', async () => {
  const node = await startNode();
  node.held.set('pod', false);
  await makeMachine(node, {});
  await change(node, { spec: { paused: true } });
  expect(node.held.get('pod')).toBe(true);
  expect((await statusOf(node))?.paused).toBe(true);
  await change(node, { spec: { paused: false } });
  expect(node.held.get('pod')).toBe(false);
  expect((await statusOf(node))?.paused).toBe(false);
});

test('a machine that does not run yet is paused when its status says that it does', async () => {
  const node = await startNode();
  await makeMachine(node, { paused: true });
  expect((await statusOf(node))?.paused).toBeUndefined();
  node.held.set('pod', false);
  await change(node, { status: { ready: true } });
  expect(node.held.get('pod')).toBe(true);
  expect((await statusOf(node))?.paused).toBe(true);
});

test('machines of other nodes are left alone', async () => {
  const node = await startNode();
  node.held.set('pod', false);
  await makeMachine(node, { paused: true }, { nodeName: 'n2' });
  expect(node.held.get('pod')).toBe(false);
});

/** A snapshot of `pod` that is to be made by a node, as the controller says it. */
async function makeSnapshot({ client, clock }: Node, name: string, nodeName = 'n1'): Promise<string> {
  const made = await client
    .resource(virtualMachineSnapshots)
    .create({ metadata: { name, namespace }, spec: { vmName: 'store' } });
  const status = { phase: 'InProgress', podName: 'pod', nodeName };
  await client
    .resource(virtualMachineSnapshots)
    .patch(name, { status }, { namespace, type: 'merge', subresource: 'status' });
  await clock.settle();
  return made.metadata?.uid ?? '';
}

const resultOf = async ({ client }: Node, name: string) =>
  (await client.resource(virtualMachineSnapshots).get(name, { namespace })).status?.result;

test('a machine is saved for a snapshot of this node, and forgotten with it', async () => {
  const node = await startNode();
  node.held.set('pod', false);
  const uid = await makeSnapshot(node, 'before');
  expect(await resultOf(node, 'before')).toEqual({ outcome: 'completed', sizeBytes: 1000 });
  expect([...node.kept]).toEqual([uid]);
  await makeSnapshot(node, 'elsewhere', 'n2');
  expect(await resultOf(node, 'elsewhere')).toBeUndefined();
  await node.client.resource(virtualMachineSnapshots).delete('before', { namespace });
  await node.clock.settle();
  expect([...node.kept]).toEqual([]);
});

test('of a machine that cannot be saved the reason is said', async () => {
  const node = await startNode();
  await makeSnapshot(node, 'before');
  expect(await resultOf(node, 'before')).toEqual({ outcome: 'failed', reason: 'no machine runs here' });
});

test('what was deleted while the node was away is taken away when it is back', async () => {
  const node = await startNode({ kept: ['gone'] });
  expect([...node.kept]).toEqual([]);
});
