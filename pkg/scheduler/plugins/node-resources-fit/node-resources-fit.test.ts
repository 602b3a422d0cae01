import { expect, test } from 'vitest';
import type { ContainerStatus, Node, Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { type Amounts, makeNode, makePod } from '#pkg/testing/builders.ts';
import type { ClusterEvent } from '../../framework/events.ts';
import { filtered, hinted, scored } from '../../framework/plugin-tester.ts';
import { podRequests } from '../../model/resources.ts';
import { createNodeResourcesFit } from './node-resources-fit.ts';
import type { ScoringStrategy } from './strategies.ts';

const fit = createNodeResourcesFit({ scoringStrategy: { type: 'Packing' } });

const asking = (requests: Amounts, name = 'p'): Pod => makePod(name).meta({ uid: name }).request(requests).object;
const container = (name: string, requests: Amounts, fields: object = {}) => ({
  name,
  resources: { requests },
  ...fields,
});
const always = { restartPolicy: 'Always' };

test.each<{
  readonly rule: string;
  readonly pod: Amounts;
  readonly node?: Amounts;
  readonly used?: Amounts;
  readonly expected: string;
}>([
  { rule: 'it fits exactly', pod: { cpu: '2' }, used: { cpu: '2' }, expected: 'Success' },
  { rule: 'something else is used up', pod: { cpu: '1' }, used: { memory: '8Gi' }, expected: 'Success' },
  {
    rule: 'what is used is in the way',
    pod: { cpu: '3' },
    used: { cpu: '2' },
    expected: 'Unschedulable: Insufficient cpu',
  },
  {
    rule: 'the node is too small even when it is empty',
    pod: { cpu: '5' },
    expected: 'UnschedulableAndUnresolvable: Insufficient cpu',
  },
  {
    rule: 'everything that is short is named',
    pod: { cpu: '3', memory: '9Gi', 'ephemeral-storage': '1Gi', 'example.com/gpu': '1', 'hugepages-2Mi': '2Mi' },
    node: { pods: '1' },
    used: { cpu: '2' },
    expected:
      'UnschedulableAndUnresolvable: Too many pods, Insufficient cpu, Insufficient memory, Insufficient ephemeral-storage, Insufficient example.com/gpu, Insufficient hugepages-2Mi',
  },
  {
    rule: 'a pod that asks for nothing takes a place',
    pod: {},
    node: { pods: '1' },
    used: {},
    expected: 'Unschedulable: Too many pods',
  },
  { rule: 'none of what the node lacks is asked for', pod: { 'example.com/gpu': '0' }, expected: 'Success' },
  {
    rule: 'an extended resource is used up',
    pod: { 'example.com/gpu': '1' },
    node: { 'example.com/gpu': '1' },
    used: { 'example.com/gpu': '1' },
    expected: 'Unschedulable: Insufficient example.com/gpu',
  },
])('filter: $rule', ({ pod, node = {}, used, expected }) => {
  const placed = { n: used === undefined ? [] : [asking(used, 'other')] };
  expect(filtered(fit, asking(pod), { nodes: [makeNode('n', node)], placed })).toEqual({ n: expected });
});

test.each<{ readonly rule: string; readonly spec: Partial<PodSpec>; readonly milliCpu: number }>([
  {
    rule: 'containers add up',
    spec: { containers: [container('a', { cpu: '100m' }), container('b', { cpu: '0.2' })] },
    milliCpu: 300,
  },
  {
    rule: 'an init container counts where it wants more',
    spec: { containers: [container('a', { cpu: '100m' })], initContainers: [container('i', { cpu: '500m' })] },
    milliCpu: 500,
  },
  {
    rule: 'a sidecar adds to the containers and to the init containers after it, not before it',
    spec: {
      containers: [container('a', { cpu: '100m' })],
      initContainers: [
        container('before', { cpu: '500m' }),
        container('side', { cpu: '200m' }, always),
        container('after', { cpu: '400m' }),
      ],
    },
    milliCpu: 600,
  },
  {
    rule: 'overhead comes on top',
    spec: { containers: [container('a', { cpu: '100m' })], overhead: { cpu: '50m' } },
    milliCpu: 150,
  },
  {
    rule: 'requests of the pod stand in place of its containers',
    spec: {
      containers: [container('a', { cpu: '100m' })],
      initContainers: [container('i', { cpu: '900m' })],
      resources: { requests: { cpu: '700m' } },
      overhead: { cpu: '50m' },
    },
    milliCpu: 750,
  },
])('requests: $rule', ({ spec, milliCpu }) => {
  expect(podRequests(makePod('p').spec(spec).object).milliCpu).toBe(milliCpu);
});

test.each<{
  readonly rule: string;
  readonly asked: string;
  readonly held?: string;
  readonly allocated?: string;
  readonly reason?: string;
  readonly milliCpu: number;
}>([
  { rule: 'the node has not followed a smaller request', asked: '1', held: '2', allocated: '1', milliCpu: 2_000 },
  { rule: 'the node has agreed to more than it has given', asked: '1', held: '1', allocated: '3', milliCpu: 3_000 },
  { rule: 'the node has not followed a larger request', asked: '4', held: '2', allocated: '2', milliCpu: 4_000 },
  {
    rule: 'the node can never follow',
    asked: '4',
    held: '2',
    allocated: '2',
    reason: 'Infeasible',
    milliCpu: 2_000,
  },
  { rule: 'the node says nothing of what it has given', asked: '1', allocated: '2', milliCpu: 1_000 },
])('requests of a pod that is resized: $rule', ({ asked, held, allocated, reason, milliCpu }) => {
  const main = {
    name: 'main',
    ...(held === undefined ? {} : { resources: { requests: { cpu: held } } }),
    ...(allocated === undefined ? {} : { allocatedResources: { cpu: allocated } }),
  };
  const conditions = reason === undefined ? [] : [{ type: 'PodResizePending', status: 'True', reason }];
  const pod = { ...asking({ cpu: asked }), status: { containerStatuses: [main as ContainerStatus], conditions } };
  expect(podRequests(pod).milliCpu).toBe(milliCpu);
});

const half = {
  nodes: [makeNode('empty'), makeNode('half')],
  placed: { half: [asking({ cpu: '2', memory: '4Gi' }, 'other')] },
};

test('packing: a node that is open comes before one that is not, and the fuller of two open ones first', () => {
  const nodes = [makeNode('empty'), makeNode('half'), makeNode('daemons')];
  const daemon = {
    ...asking({ cpu: '3', memory: '6Gi' }, 'daemon'),
    metadata: {
      name: 'daemon',
      uid: 'daemon',
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'd', uid: 'd', controller: true }],
    },
  };
  const placed = { ...half.placed, daemons: [daemon] };
  const pod = asking({ cpu: '1', memory: '2Gi' });
  // 90 for being open and suited, and a third of 10 times one more than the mean share in use, of which nothing is stranded; of closed ones 5 for stranding nothing, and a tenth of the use.
  expect(scored(fit, pod, { nodes, placed })).toEqual({ empty: 5, half: 96, daemons: 5 });
});

test('packing: a pod goes where it makes use of what is left over', () => {
  const nodes = [makeNode('cpu-left'), makeNode('memory-left')];
  const placed = {
    'cpu-left': [asking({ cpu: '1', memory: '6Gi' }, 'one')],
    'memory-left': [asking({ cpu: '3', memory: '2Gi' }, 'two')],
  };
  const { 'cpu-left': cpuLeft = 0, 'memory-left': memoryLeft = 0 } = scored(
    fit,
    asking({ cpu: '100m', memory: '2Gi' }),
    { nodes, placed },
  );
  expect(memoryLeft).toBeGreaterThan(cpuLeft);
});

test('packing: of open nodes the one with the fewest replicas of the workload comes first (fault 31)', () => {
  const replica = (name: string): Pod => ({
    ...asking({ cpu: '1', memory: '2Gi' }),
    metadata: {
      name,
      uid: name,
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'web', controller: true }],
    },
  });
  const nodes = [makeNode('full'), makeNode('open'), makeNode('empty')];
  const placed = { full: [replica('web-1'), replica('web-2')], open: [asking({ cpu: '100m' }, 'other')] };
  const { full = 0, open = 0, empty = 0 } = scored(fit, replica('web-3'), { nodes, placed });
  expect([open > full, full > empty]).toEqual([true, true]);
});

/** By hand, of upstream's formulas: half of the node is in use, and the pod asks for a quarter of it. */
test.each<{ readonly strategy: ScoringStrategy; readonly expected: object }>([
  { strategy: { type: 'LeastAllocated' }, expected: { empty: 75, half: 25 } },
  { strategy: { type: 'MostAllocated' }, expected: { empty: 25, half: 75 } },
  {
    strategy: {
      type: 'MostAllocated',
      resources: [
        { name: 'cpu', weight: 3 },
        { name: 'example.com/gpu', weight: 5 },
      ],
    },
    expected: { empty: 25, half: 75 },
  },
  {
    strategy: {
      type: 'RequestedToCapacityRatio',
      requestedToCapacityRatio: {
        shape: [
          { utilization: 0, score: 0 },
          { utilization: 50, score: 10 },
          { utilization: 100, score: 2 },
        ],
      },
    },
    expected: { empty: 50, half: 60 },
  },
])('$strategy.type scores as upstream: $expected', ({ strategy, expected }) => {
  const plugin = createNodeResourcesFit({ scoringStrategy: strategy });
  expect(scored(plugin, asking({ cpu: '1', memory: '2Gi' }), half)).toEqual(expected);
});

test('resources that are ignored keep no pod away', () => {
  const scoringStrategy = { type: 'LeastAllocated' } as const;
  const plugin = createNodeResourcesFit({ scoringStrategy, ignoredResourceGroups: ['example.com'] });
  const pod = asking({ 'example.com/gpu': '1', 'other.com/gpu': '1' });
  expect(filtered(plugin, pod, { nodes: [makeNode('n')] })).toEqual({
    n: 'UnschedulableAndUnresolvable: Insufficient other.com/gpu',
  });
});

const grown = (amounts: Amounts): ClusterEvent => ({
  resource: 'Node',
  action: 'UpdateNodeAllocatable',
  previous: makeNode('n'),
  object: makeNode('n', amounts),
});
const shrunk = (from: Amounts, to: Amounts): ClusterEvent => ({
  resource: 'AssignedPod',
  action: 'UpdatePodScaleDown',
  previous: asking(from, 'other'),
  object: asking(to, 'other'),
});
const added = (object: Node): ClusterEvent => ({ resource: 'Node', action: 'Add', object });

test.each<{ readonly rule: string; readonly event: ClusterEvent; readonly expected: string }>([
  { rule: 'a node that is large enough', event: added(makeNode('n', { cpu: '5' })), expected: 'Queue' },
  { rule: 'a node that is not', event: added(makeNode('n')), expected: 'Skip' },
  { rule: 'a node gets more of what is wanted', event: grown({ cpu: '6' }), expected: 'Queue' },
  { rule: 'more, yet not enough', event: grown({ cpu: '4500m' }), expected: 'Skip' },
  { rule: 'more of something else', event: grown({ memory: '9Gi' }), expected: 'Skip' },
  {
    rule: 'a pod leaves',
    event: { resource: 'AssignedPod', action: 'Delete', previous: asking({ memory: '1Gi' }, 'other') },
    expected: 'Queue',
  },
  { rule: 'a pod shrinks in what is wanted', event: shrunk({ cpu: '2' }, { cpu: '1' }), expected: 'Queue' },
  { rule: 'a pod shrinks in something else', event: shrunk({ memory: '2Gi' }, { memory: '1Gi' }), expected: 'Skip' },
])('hint: $rule', ({ event, expected }) => {
  expect(hinted(fit, asking({ cpu: '5' }), event)).toBe(expected);
});
