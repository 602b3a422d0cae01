import { expect, test } from 'vitest';
import type { Node, NodeSpec, Pod, TopologySpreadConstraint } from '#pkg/api/types/core-v1.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import type { ClusterEvent } from '../../framework/events.ts';
import { filtered, hinted, scored } from '../../framework/plugin-tester.ts';
import { createPodTopologySpread } from './pod-topology-spread.ts';
import { noWorkloads } from './workload-selector.ts';

const podTopologySpread = createPodTopologySpread({ defaultingType: 'List', defaultConstraints: [] }, noWorkloads);

const node = (name: string, labels: Readonly<Record<string, string>>, spec: NodeSpec = {}): Node => ({
  ...makeNode(name),
  metadata: { name, labels: { host: name, ...labels } },
  spec,
});
const inZone = (name: string, zone: string, spec?: NodeSpec): Node => node(name, { zone }, spec);
const web = (name: string, labels: Readonly<Record<string, string>> = { app: 'web' }) =>
  makePod(name).meta({ uid: name }).labels(labels);
const webs = (zone: string, count: number): readonly Pod[] =>
  Array.from({ length: count }, (_, index) => web(`${zone}-${index}`).object);
const evenly = (fields: Partial<TopologySpreadConstraint> = {}): TopologySpreadConstraint => ({
  maxSkew: 1,
  topologyKey: 'zone',
  whenUnsatisfiable: 'DoNotSchedule',
  labelSelector: { matchLabels: { app: 'web' } },
  ...fields,
});
const spread = (...constraints: readonly TopologySpreadConstraint[]): Pod =>
  web('p').spec({ topologySpreadConstraints: [...constraints] }).object;
const skew = "Unschedulable: node(s) didn't match pod topology spread constraints";
const noLabel =
  "UnschedulableAndUnresolvable: node(s) didn't match pod topology spread constraints (missing required label)";

const two = [inZone('a', 'z1'), inZone('b', 'z2')];

test.each<{
  readonly rule: string;
  readonly pod: Pod;
  readonly nodes?: readonly Node[];
  readonly placed: Readonly<Record<string, readonly Pod[]>>;
  readonly expected: Readonly<Record<string, string>>;
}>([
  {
    rule: 'the fuller domain may not get further ahead',
    pod: spread(evenly()),
    placed: { a: webs('z1', 1) },
    expected: { a: skew, b: 'Success' },
  },
  {
    rule: 'more skew is allowed',
    pod: spread(evenly({ maxSkew: 2 })),
    placed: { a: webs('z1', 1) },
    expected: { a: 'Success', b: 'Success' },
  },
  {
    rule: 'a pod that does not count itself adds nothing',
    pod: spread(evenly({ labelSelector: { matchLabels: { app: 'db' } } })),
    placed: { a: [web('db', { app: 'db' }).object] },
    expected: { a: 'Success', b: 'Success' },
  },
  {
    rule: 'pods of other namespaces and pods that go do not count',
    pod: spread(evenly()),
    placed: {
      a: [
        web('other').meta({ namespace: 'other' }).object,
        web('going').meta({ deletionTimestamp: '2026-01-01T00:00:00Z' }).object,
      ],
    },
    expected: { a: 'Success', b: 'Success' },
  },
  {
    rule: 'a node without the key is no domain',
    pod: spread(evenly()),
    nodes: [...two, node('c', {})],
    placed: { a: webs('z1', 1) },
    expected: { a: skew, b: 'Success', c: noLabel },
  },
  {
    rule: 'too few domains: the least is 0',
    pod: spread(evenly({ minDomains: 3 })),
    placed: { a: webs('z1', 1), b: webs('z2', 1) },
    expected: { a: skew, b: skew },
  },
  {
    rule: 'nodes that the pod cannot use do not count',
    pod: { ...spread(evenly()), spec: { ...spread(evenly()).spec!, nodeSelector: { zone: 'z1' } } },
    placed: { a: webs('z1', 3) },
    expected: { a: 'Success', b: 'Success' },
  },
  {
    rule: 'unless they are said to',
    pod: {
      ...spread(evenly({ nodeAffinityPolicy: 'Ignore' })),
      spec: { ...spread(evenly({ nodeAffinityPolicy: 'Ignore' })).spec!, nodeSelector: { zone: 'z1' } },
    },
    placed: { a: webs('z1', 1) },
    expected: { a: skew, b: 'Success' },
  },
  {
    rule: 'tainted nodes count',
    pod: spread(evenly()),
    nodes: [two[0]!, inZone('b', 'z2', { taints: [{ key: 'x', effect: 'NoSchedule' }] })],
    placed: { a: webs('z1', 1) },
    expected: { a: skew, b: 'Success' },
  },
  {
    rule: 'unless taints are honored',
    pod: spread(evenly({ nodeTaintsPolicy: 'Honor', maxSkew: 1 })),
    nodes: [two[0]!, inZone('b', 'z2', { taints: [{ key: 'x', effect: 'NoSchedule' }] })],
    placed: { a: webs('z1', 1) },
    expected: { a: 'Success', b: 'Success' },
  },
  {
    rule: 'pods of another revision do not count',
    pod: {
      ...spread(evenly({ matchLabelKeys: ['revision'] })),
      metadata: web('p', { app: 'web', revision: '2' }).object.metadata!,
    },
    placed: { a: [web('old', { app: 'web', revision: '1' }).object] },
    expected: { a: 'Success', b: 'Success' },
  },
  {
    rule: 'every constraint holds',
    pod: spread(evenly(), evenly({ topologyKey: 'host' })),
    nodes: [...two, inZone('c', 'z2')],
    placed: { a: webs('z1', 1), b: webs('z2', 1) },
    expected: { a: skew, b: skew, c: 'Success' },
  },
  {
    rule: 'a constraint that is only a wish refuses nothing',
    pod: spread(evenly({ whenUnsatisfiable: 'ScheduleAnyway' })),
    placed: { a: webs('z1', 9) },
    expected: { a: 'Success', b: 'Success' },
  },
])('filter: $rule', ({ pod, nodes = two, placed, expected }) => {
  expect(filtered(podTopologySpread, pod, { nodes, placed })).toEqual(expected);
});

const wish = (fields: Partial<TopologySpreadConstraint> = {}) =>
  evenly({ whenUnsatisfiable: 'ScheduleAnyway', ...fields });

test.each<{ readonly rule: string; readonly pod: Pod; readonly expected: Readonly<Record<string, number>> }>([
  { rule: 'no wish', pod: spread(evenly()), expected: {} },
  { rule: 'the emptier domain is better', pod: spread(wish()), expected: { a: 75, b: 100, c: 100, d: 0 } },
  {
    rule: 'a domain of one node each',
    pod: spread(wish({ topologyKey: 'host' })),
    expected: { a: 0, b: 20, c: 100, d: 100 },
  },
])('score: $rule', ({ pod, expected }) => {
  const nodes = [...two, inZone('c', 'z2'), node('d', {})];
  const placed = { a: webs('z1', 3), b: webs('z2', 2) };
  const scores = scored(podTopologySpread, pod, { nodes, placed });
  expect(scores).toEqual(expected);
});

const event = (action: ClusterEvent['action'], previous?: Pod, object?: Pod): ClusterEvent => ({
  resource: 'AssignedPod',
  action,
  ...(previous === undefined ? {} : { previous }),
  ...(object === undefined ? {} : { object }),
});
const counted = web('other').object;
const uncounted = web('other', { app: 'db' }).object;
const foreign = web('other').meta({ namespace: 'other' }).object;

test.each([
  { rule: 'a pod that counts comes', happened: event('Add', undefined, counted), expected: 'Queue' },
  { rule: 'a pod that counts goes', happened: event('Delete', counted), expected: 'Queue' },
  { rule: 'another goes', happened: event('Delete', uncounted), expected: 'Skip' },
  { rule: 'one of another namespace goes', happened: event('Delete', foreign), expected: 'Skip' },
  { rule: 'a pod begins to count', happened: event('UpdateLabels', uncounted, counted), expected: 'Queue' },
  { rule: 'a pod counts as before', happened: event('UpdateLabels', counted, counted), expected: 'Skip' },
])('hint: $rule', ({ happened, expected }) => {
  expect(hinted(podTopologySpread, spread(evenly()), happened)).toBe(expected);
});
