import { expect, test } from 'vitest';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import type { PodDisruptionBudget } from '#pkg/api/types/policy-v1.ts';
import { nodes as nodesRef, podGroups, pods as podsRef } from '#pkg/api/types/refs.ts';
import type { PodGroup } from '#pkg/api/types/scheduling-v1alpha2.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { NodeInfo } from '../model/node-info.ts';
import { podInfoOf } from '../model/pod-info.ts';
import { pluginTable } from '../plugin-table.ts';
import { SchedulerWorld } from '../testing/scheduler-world.ts';
import { lowerBound } from './lower-bound.ts';
import { ObjectSet } from './object-set.ts';
import { planRebalance } from './rebalance.ts';
import { simulate } from './simulate.ts';
import { Simulation } from './simulation.ts';

const scheduling = 'packing';

function simulationOf(nodes: readonly Node[], pods: readonly Pod[], groups: readonly PodGroup[] = []): Simulation {
  const objects = new ObjectSet();
  for (const group of groups) objects.add(podGroups, group);
  for (const node of nodes) objects.add(nodesRef, node);
  for (const pod of pods) objects.add(podsRef, pod);
  return new Simulation({ objects, table: pluginTable, scheduling, hasGangs: true });
}

const pod = (name: string, cpu: string) => makePod(name).meta({ uid: name }).request({ cpu });

const replica = (name: string, cpu: string, workload: string) =>
  pod(name, cpu).meta({
    labels: { app: workload },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: workload, uid: workload, controller: true }],
  });

test('pods that wait are placed by priority, then further ones; what fits nowhere says why, and the nodes are counted', () => {
  const nodes = [makeNode('a'), makeNode('b'), makeNode('c')];
  const waiting = [
    pod('there', '1').spec({ nodeName: 'b' }).object,
    pod('low', '3').object,
    pod('high', '3').spec({ priority: 5 }).object,
    pod('huge', '5').object,
    pod('others', '1').spec({ schedulerName: 'another' }).object,
  ];
  const report = simulate(simulationOf(nodes, waiting), [podInfoOf(pod('further', '2').object)]);
  expect(report.placed).toEqual([
    { pod: 'default/high', node: 'b' },
    { pod: 'default/low', node: 'a' },
    { pod: 'default/further', node: 'c' },
  ]);
  expect(report.unplaced.map((one) => one.pod)).toEqual(['default/huge', 'default/others']);
  expect(report.nodes).toEqual({ total: 3, usedBefore: 1, used: 3, lowerBound: 3, boundBy: 'cpu' });
});

test('it agrees with what the scheduler then does', async () => {
  const random = new SeededRandom(11);
  const nodes = Array.from({ length: 12 }, (_, index) =>
    makeNode(`n${String(index).padStart(2, '0')}`, { cpu: `${2 + randomInt(random, 7)}`, memory: '32Gi' }),
  );
  const waiting = Array.from({ length: 50 }, (_, index) => {
    const name = `p${String(index).padStart(2, '0')}`;
    const one =
      randomInt(random, 3) === 0 ? replica(name, '300m', 'web') : pod(name, `${100 + randomInt(random, 900)}m`);
    return one.spec({ priority: randomInt(random, 3) }).object;
  });
  const expected = simulate(simulationOf(nodes, waiting), []).placed;
  const bound = await schedule(nodes, waiting);
  expect(expected.length).toBe(50);
  expect(Object.fromEntries(expected.map((one) => [one.pod, one.node]))).toEqual(bound);
});

/** What a scheduler makes of it: the nodes of the pods. */
async function schedule(nodes: readonly Node[], waiting: readonly Pod[]): Promise<Readonly<Record<string, string>>> {
  const world = new SchedulerWorld();
  await world.nodes(...nodes);
  await world.pods(...waiting);
  const stop = world.start();
  await world.clock.settle();
  const placed = await world.placed();
  await stop();
  return Object.fromEntries(Object.entries(placed).map(([name, node]) => [`default/${name}`, node]));
}

function infoOf(node: Node): NodeInfo {
  const info = new NodeInfo(node.metadata?.name ?? '');
  info.setNode(node);
  return info;
}

test('the lower bound: by the resource that is shortest, the largest nodes first, groups apart', () => {
  const nodes = [makeNode('a', { cpu: '2' }), makeNode('b', { cpu: '8' }), makeNode('c', { cpu: '4' })].map(infoOf);
  const pods = [pod('x', '6'), pod('y', '4')].map(({ object }) => podInfoOf(object));
  const everywhere = new Set([0, 1, 2]);
  expect(lowerBound(nodes, [{ nodes: everywhere, pods }])).toEqual({ nodes: 2, resource: 'cpu' });
  // Pods for a alone need a; those for b and c need b: no node is shared.
  const apart = [
    { nodes: new Set([0]), pods: [podInfoOf(pod('x', '1').object)] },
    { nodes: new Set([1, 2]), pods: [podInfoOf(pod('y', '8').object)] },
  ];
  expect(lowerBound(nodes, apart).nodes).toBe(2);
  // Those that may be on c alone are not helped by b.
  const within = [
    { nodes: everywhere, pods: [podInfoOf(pod('x', '1').object)] },
    { nodes: new Set([2]), pods: [podInfoOf(pod('y', '3').object)] },
  ];
  expect(lowerBound(nodes, within).nodes).toBe(1);
});

function budgetOf(app: string, disruptionsAllowed: number): PodDisruptionBudget {
  return {
    metadata: { name: app, namespace: 'default' },
    spec: { selector: { matchLabels: { app } } },
    status: { disruptionsAllowed, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
  };
}

const spreadOut = () =>
  simulationOf(
    [makeNode('a'), makeNode('b'), makeNode('c'), makeNode('empty')],
    [
      replica('a-1', '3', 'x').spec({ nodeName: 'a' }).object,
      replica('b-1', '1', 'y').spec({ nodeName: 'b' }).object,
      replica('c-1', '2', 'z').spec({ nodeName: 'c' }).object,
    ],
  );

test('the node that is used least is emptied into others that are open; nobody is moved onto an empty one', () => {
  const plan = planRebalance(spreadOut(), { budgets: [], evictionsMax: 10 });
  expect(plan.evictions).toEqual([{ pod: 'default/b-1', from: 'b', to: 'a' }]);
  expect([plan.emptied, plan.usedBefore, plan.usedAfter, plan.lowerBound]).toEqual([['b'], 3, 2, 2]);
  expect(plan.kept.map(({ node }) => node)).toEqual(['c', 'a']);
});

test.each([
  ['a budget', { budgets: [budgetOf('y', 0)], evictionsMax: 10 }, 'the budget default/y has 0 left'],
  ['the most evictions', { budgets: [], evictionsMax: 0 }, 'that would be more than 0 evictions'],
])('%s keeps pods where they are', (_, options, why) => {
  const plan = planRebalance(spreadOut(), options);
  expect(plan.kept).toContainEqual({ node: 'b', why });
  expect(plan.emptied).not.toContain('b');
});

test('a pod that nobody would make again keeps its node', () => {
  const alone = simulationOf([makeNode('a')], [pod('p', '1').spec({ nodeName: 'a' }).object]);
  const { kept } = planRebalance(alone, { budgets: [], evictionsMax: 10 });
  expect(kept).toEqual([{ node: 'a', why: 'nobody would make default/p again' }]);
});

test('pods of a gang are placed as a whole or not at all, which both a simulation and an explanation say', () => {
  const gang = (name: string, minCount: number): PodGroup => ({
    metadata: { name, namespace: 'default' },
    spec: { schedulingPolicy: { gang: { minCount } } },
  });
  const member = (name: string, podGroupName: string) =>
    pod(name, '3').spec({ schedulingGroup: { podGroupName } }).object;
  const waiting = ['x', 'y', 'z'].map((name) => member(`large-${name}`, 'large'));
  waiting.push(...['x', 'y'].map((name) => member(`small-${name}`, 'small')), member('alone', 'nowhere'));
  const groups = [gang('large', 3), gang('small', 2)];
  const message =
    'pod group "default/large" is scheduled as a whole, and only 2 of the 3 pods that it still needs have room: 0/2 nodes are available: 2 Insufficient cpu.';
  const report = simulate(simulationOf([makeNode('a'), makeNode('b')], waiting, groups), []);
  expect(report.placed).toEqual([
    { pod: 'default/small-x', node: 'a' },
    { pod: 'default/small-y', node: 'b' },
  ]);
  expect(report.unplaced).toEqual([
    { pod: 'default/alone', message: 'waiting for pod group "default/nowhere", which does not exist' },
    ...['x', 'y', 'z'].map((name) => ({ pod: `default/large-${name}`, message })),
  ]);
  const simulation = simulationOf([makeNode('a'), makeNode('b')], waiting, groups);
  simulation.load();
  const [large, small] = ['large-y', 'small-y'].map((name) =>
    simulation.explain(podInfoOf(waiting.find(({ metadata }) => metadata?.name === name)!)),
  );
  expect(large?.gang).toEqual({ group: 'default/large', waiting: 3, needed: 3, found: 2, message });
  expect([small?.gang, small?.node]).toEqual([{ group: 'default/small', waiting: 2, needed: 2, found: 2 }, 'a']);
});
