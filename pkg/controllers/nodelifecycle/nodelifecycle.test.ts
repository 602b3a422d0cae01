import { afterEach, expect, test } from 'vitest';
import type { Node } from '#pkg/api/types/core-v1.ts';
import { leases, nodes, pods } from '#pkg/api/types/refs.ts';
import { formatMicroTime } from '#pkg/base/clock.ts';
import { addNode, type Harness, startHarness, templateOf } from '../testing/harness.ts';
import { sleptMs } from './health.ts';
import { evictionRates } from './zones.ts';

let harness: Harness | undefined;
afterEach(async () => {
  await harness?.stop();
  harness = undefined;
});

const controllers = ['node-lifecycle-controller', 'taint-eviction-controller'];
const namespace = 'kube-node-lease';

/** Renews the leases of nodes every 10 s for a time. */
async function beat(h: Harness, names: readonly string[], durationMs: number): Promise<void> {
  for (let passedMs = 0; passedMs < durationMs; passedMs += 10_000) {
    for (const name of names) {
      const renewTime = formatMicroTime(h.clock.nowMs());
      const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime };
      const there = await h.get(leases, `${namespace}/${name}`);
      if (there === undefined) await h.client.resource(leases).create({ metadata: { name, namespace }, spec });
      else await h.client.resource(leases).update({ ...there, spec });
    }
    await h.clock.advance(10_000);
  }
}

const taintsOf = async (name: string) =>
  ((await harness!.get(nodes, name))?.spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`).sort();
const readyOf = async (name: string) => {
  const ready = (await harness!.get(nodes, name))?.status?.conditions?.find(({ type }) => type === 'Ready');
  return `${ready?.status} ${ready?.reason}: ${ready?.message}`;
};

test('a node that falls silent becomes Unknown and tainted, its pods not ready and then deleted; it recovers', async () => {
  harness = await startHarness({ controllers, runPods: true });
  await addNode(harness, 'n1');
  await addNode(harness, 'dead');
  const { spec } = templateOf('a', 'v1');
  const create = (name: string, fields: object) =>
    harness!.client.resource(pods).create({ metadata: { name, namespace: 'default' }, spec: { ...spec, ...fields } });
  await create('stays', { nodeName: 'n1' });
  await create('goes', { nodeName: 'dead' });
  await create('bears', { nodeName: 'dead', tolerations: [{ operator: 'Exists' }] });
  await beat(harness, ['n1', 'dead'], 30_000);
  expect(await taintsOf('dead')).toEqual([]);
  await beat(harness, ['n1'], 70_000);
  expect(await readyOf('dead')).toBe('Unknown NodeStatusUnknown: Kubelet stopped posting node status.');
  expect(await taintsOf('dead')).toEqual([
    'node.kubernetes.io/unreachable:NoExecute',
    'node.kubernetes.io/unreachable:NoSchedule',
  ]);
  expect(await taintsOf('n1')).toEqual([]);
  const goes = await harness.get(pods, 'default/goes');
  expect(goes?.status?.conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'False' }));
  expect(goes?.metadata?.deletionTimestamp).toBeUndefined();
  await beat(harness, ['n1'], 300_000);
  const going = await harness.get(pods, 'default/goes');
  expect(going?.metadata?.deletionTimestamp).toBeDefined();
  expect(going?.status?.conditions).toContainEqual(
    expect.objectContaining({ type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager' }),
  );
  expect(await harness.eventsOf('goes')).toEqual([
    'NodeNotReady: Node is not ready',
    'TaintManagerEviction: Marking for deletion Pod default/goes',
  ]);
  expect((await harness.get(pods, 'default/bears'))?.metadata?.deletionTimestamp).toBeUndefined();
  expect((await harness.get(pods, 'default/stays'))?.metadata?.deletionTimestamp).toBeUndefined();
  const node = (await harness.get(nodes, 'dead'))!;
  const conditions = node.status!.conditions!.map((c) => (c.type === 'Ready' ? { ...c, status: 'True' as const } : c));
  await harness.client
    .resource(nodes)
    .update({ ...node, status: { ...node.status, conditions } }, { subresource: 'status' });
  await beat(harness, ['n1', 'dead'], 20_000);
  expect(await taintsOf('dead')).toEqual([]);
});

test('a node that never spoke is given up after a minute', async () => {
  harness = await startHarness({ controllers });
  await addNode(harness, 'n1');
  await harness.client.resource(nodes).create({ metadata: { name: 'mute' } });
  await beat(harness, ['n1'], 80_000);
  expect(await readyOf('mute')).toBe('Unknown NodeStatusNeverUpdated: Kubelet never posted node status.');
});

test('when all nodes fall silent nobody is evicted', async () => {
  harness = await startHarness({ controllers });
  for (const name of ['n1', 'n2', 'n3']) await addNode(harness, name);
  await beat(harness, ['n1', 'n2', 'n3'], 30_000);
  await harness.clock.advance(600_000);
  for (const name of ['n1', 'n2', 'n3'])
    expect(await taintsOf(name)).toEqual(['node.kubernetes.io/unreachable:NoSchedule']);
});

test('a healthy cluster costs no writes', async () => {
  harness = await startHarness({ controllers });
  const names = Array.from({ length: 5 }, (_, index) => `n${index}`);
  for (const name of names) await addNode(harness, name);
  await beat(harness, names, 60_000);
  harness.writes.length = 0;
  await beat(harness, names, 1_800_000);
  expect(harness.writes).toEqual([]);
});

test('zones evict at full rate when healthy, slower or not at all when disrupted, not when all are gone', () => {
  const zone = (ready: number, silent: number): Node[] => [
    ...Array.from({ length: ready }, () => ({ status: { conditions: [{ type: 'Ready', status: 'True' } as const] } })),
    ...Array.from({ length: silent }, () => ({
      status: { conditions: [{ type: 'Ready', status: 'Unknown' } as const] },
    })),
  ];
  const rates = (zones: Record<string, Node[]>) => {
    const labelled = Object.entries(zones).flatMap(([name, nodes]) =>
      nodes.map((node) => ({ ...node, metadata: { labels: { 'topology.kubernetes.io/zone': name } } })),
    );
    const found = evictionRates(labelled);
    return found === 'down' ? found : Object.fromEntries(found);
  };
  expect(rates({ a: zone(9, 1), b: zone(4, 6), c: zone(40, 60), d: zone(0, 5) })).toEqual({
    ':a': 0.1,
    ':b': 0,
    ':c': 0.01,
    ':d': 0.1,
  });
  expect(rates({ a: zone(0, 3), b: zone(0, 1) })).toBe('down');
});

test('nodes that fall silent one after the other until none is left are evicted no more, and have time once one is back', async () => {
  harness = await startHarness({ controllers });
  const names = ['n1', 'n2', 'n3', 'n4'];
  for (const name of names) await addNode(harness, name);
  const { spec } = templateOf('a', 'v1');
  for (const name of names)
    await harness.client
      .resource(pods)
      .create({ metadata: { name: `on-${name}`, namespace: 'default' }, spec: { ...spec, nodeName: name } });
  const noExecute = async () => {
    const tainted: string[] = [];
    for (const name of names)
      if ((await taintsOf(name)).some((taint) => taint.endsWith(':NoExecute'))) tainted.push(name);
    return tainted;
  };
  await beat(harness, names, 30_000);
  await beat(harness, ['n2', 'n3', 'n4'], 60_000);
  expect(await noExecute()).toEqual(['n1']);
  await harness.clock.advance(70_000);
  expect(await noExecute()).toEqual([]);
  expect(await harness.eventsOf('on-n1')).toContain('TaintManagerEviction: Cancelling deletion of Pod default/on-n1');
  await harness.clock.advance(3_600_000);
  expect(await noExecute()).toEqual([]);
  expect((await harness.list(pods)).filter(({ metadata }) => metadata?.deletionTimestamp !== undefined)).toEqual([]);
  const conditions = [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }];
  for (const name of ['n2', 'n3', 'n4'])
    await harness.client
      .resource(nodes)
      .patch(name, { status: { conditions } }, { type: 'merge', subresource: 'status' });
  await beat(harness, ['n2', 'n3', 'n4'], 60_000);
  expect(await noExecute()).toEqual(['n1']);
});

test('a tainted node that turns from unreachable to not ready changes its taint at once, whatever the rate', async () => {
  harness = await startHarness({ controllers });
  for (const name of ['n1', 'n2', 'n3']) await addNode(harness, name);
  await beat(harness, ['n1', 'n2', 'n3'], 30_000);
  await beat(harness, ['n1', 'n2'], 60_000);
  expect(await taintsOf('n3')).toContain('node.kubernetes.io/unreachable:NoExecute');
  for (const name of ['n1', 'n2', 'n3']) {
    const conditions = [{ type: 'Ready', status: name === 'n1' ? 'True' : 'False', reason: 'KubeletNotReady' }];
    await harness.client
      .resource(nodes)
      .patch(name, { status: { conditions } }, { type: 'merge', subresource: 'status' });
  }
  await beat(harness, ['n1', 'n2', 'n3'], 10_000);
  expect(await taintsOf('n3')).toEqual([
    'node.kubernetes.io/not-ready:NoExecute',
    'node.kubernetes.io/not-ready:NoSchedule',
  ]);
});

test('a node that speaks again in time keeps its pods', async () => {
  harness = await startHarness({ controllers });
  for (const name of ['n1', 'n2']) await addNode(harness, name);
  const spec = { ...templateOf('a', 'v1').spec, nodeName: 'n2' };
  await harness.client.resource(pods).create({ metadata: { name: 'a', namespace: 'default' }, spec });
  await beat(harness, ['n1', 'n2'], 30_000);
  await beat(harness, ['n1'], 120_000);
  expect(await taintsOf('n2')).toContain('node.kubernetes.io/unreachable:NoExecute');
  const conditions = [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }];
  await harness.client
    .resource(nodes)
    .patch('n2', { status: { conditions } }, { type: 'merge', subresource: 'status' });
  await beat(harness, ['n1', 'n2'], 600_000);
  expect(await taintsOf('n2')).toEqual([]);
  expect((await harness.get(pods, 'default/a'))?.metadata?.deletionTimestamp).toBeUndefined();
  expect(await harness.eventsOf('a')).toContain('TaintManagerEviction: Cancelling deletion of Pod default/a');
});

test.each([
  [undefined, 900, 0],
  [1_000, 1_005, 0],
  [1_000, 1_010, 0],
  [1_000, 1_011, 6],
  [1_000, 9_000, 7_995],
])('time between a look at %s and one at %s in which a process stood still: %s', (lookedMs, nowMs, expected) => {
  expect(sleptMs({ lookedMs, nowMs, periodMs: 5 })).toBe(expected);
});
