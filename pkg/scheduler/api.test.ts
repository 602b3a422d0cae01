/** The scheduler against the real API server, in one process on virtual time. */
import { expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { events, namespaces, nodes, pods } from '#pkg/api/types/refs.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { startBareApi } from '#pkg/testing/bare-api.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { createScheduler } from './scheduler.ts';

async function startCluster() {
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  const server = await startBareApi({ clock, random });
  const stop = new AbortController();
  const deps = server.connect('system:kube-scheduler', 'kube-scheduler');
  const { client, informers } = deps;
  const scheduler = createScheduler({ deps });
  const running = Promise.all([informers.run(stop.signal), scheduler.run(stop.signal)]);
  await client
    .resource(namespaces)
    .create({ metadata: { name: 'shop' } })
    .catch(() => undefined);
  return {
    client,
    clock,
    async stop() {
      stop.abort();
      await running;
    },
  };
}

test('a hundred pods are bound and packed, and the one too many says why until a node is added', async () => {
  const { client, clock, stop } = await startCluster();
  for (const name of ['n1', 'n2', 'n3']) await client.resource(nodes).create(makeNode(name, { cpu: '4' }));
  for (let index = 0; index < 101; index++) {
    await client.resource(pods).create(makePod(`p${index}`).request({ cpu: '100m', memory: '16Mi' }).object);
  }
  const big = makePod('big').request({ cpu: '3' }).object;
  await client.resource(pods).create(big);
  await clock.advance(30_000);
  const { items } = await client.resource(pods).list();
  const placed = Object.entries(Object.groupBy(items, (pod: Pod) => pod.spec?.nodeName ?? 'none'));
  expect(placed.map(([node, on]) => [node, on?.length]).sort()).toEqual([
    ['n1', 40],
    ['n2', 40],
    ['n3', 21],
    ['none', 1],
  ]);
  const pending = await client.resource(pods).get('big', { namespace: 'default' });
  const message =
    '0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.';
  expect(
    pending.status?.conditions?.map(({ type, status, reason, message: text }) => [type, status, reason, text]),
  ).toEqual([['PodScheduled', 'False', 'Unschedulable', message]]);
  await client.resource(nodes).create(makeNode('n4'));
  await clock.settle();
  const bound = await client.resource(pods).get('big', { namespace: 'default' });
  expect(bound.spec?.nodeName).toBe('n4');
  expect(bound.status?.conditions?.map(({ type, status }) => [type, status])).toEqual([['PodScheduled', 'True']]);
  const said = (await client.resource(events).list()).items.filter((event) => event.involvedObject.name === 'big');
  expect(said.map((event) => [event.type, event.reason, event.message, event.reportingComponent])).toEqual([
    ['Warning', 'FailedScheduling', message, 'default-scheduler'],
    ['Normal', 'Scheduled', 'Successfully assigned default/big to n4', 'default-scheduler'],
  ]);
  await stop();
});

test('a pod of high priority takes the place of a lower one, and nobody takes the room meanwhile', async () => {
  const { client, clock, stop } = await startCluster();
  await client.resource(nodes).create(makeNode('n1', { cpu: '2' }));
  const place = async (name: string, cpu: string, priority: number): Promise<void> => {
    await client.resource(pods).create(makePod(name).request({ cpu }).spec({ priority }).object);
    await clock.settle();
  };
  const get = (name: string) => client.resource(pods).get(name, { namespace: 'default' });
  await place('low', '2', 0);
  await place('high', '1500m', 1000);
  const victim = await get('low');
  expect(victim.metadata?.deletionTimestamp).toBeDefined();
  expect(victim.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({
    status: 'True',
    reason: 'PreemptionByScheduler',
    message: 'default-scheduler: preempting to accommodate a higher priority pod',
  });
  expect((await get('high')).status?.nominatedNodeName).toBe('n1');
  await client.resource(pods).delete('low', { namespace: 'default', gracePeriodSeconds: 0 });
  await place('sneaky', '1', 0);
  expect((await get('sneaky')).spec?.nodeName).toBe(undefined);
  await clock.advance(1_000);
  expect((await get('high')).spec?.nodeName).toBe('n1');
  const said = (await client.resource(events).list()).items.map((event) => event.message);
  const uid = (await get('high')).metadata?.uid;
  expect(said).toContain(`Preempted by pod ${uid} on node n1`);
  await stop();
});
