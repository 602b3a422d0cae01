import { expect, test } from 'vitest';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import type { ClusterEvent } from '../../framework/events.ts';
import { filtered, hinted } from '../../framework/plugin-tester.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';

const open: Node = makeNode('n');
const cordoned: Node = { ...open, spec: { unschedulable: true } };
const plain: Pod = makePod('p').object;
const tolerant: Pod = makePod('p').toleration({
  key: 'node.kubernetes.io/unschedulable',
  operator: 'Exists',
  effect: 'NoSchedule',
}).object;

test.each([
  { rule: 'an open node', pod: plain, node: open, expected: 'Success' },
  {
    rule: 'a cordoned node',
    pod: plain,
    node: cordoned,
    expected: 'UnschedulableAndUnresolvable: node(s) were unschedulable',
  },
  { rule: 'a cordoned node, tolerated', pod: tolerant, node: cordoned, expected: 'Success' },
])('filter: $rule', ({ pod, node, expected }) => {
  expect(filtered(nodeUnschedulable, pod, { nodes: [node] })).toEqual({ n: expected });
});

test.each<{ readonly rule: string; readonly pod?: Pod; readonly event: ClusterEvent; readonly expected: string }>([
  { rule: 'an open node appears', event: { resource: 'Node', action: 'Add', object: open }, expected: 'Queue' },
  { rule: 'a cordoned one appears', event: { resource: 'Node', action: 'Add', object: cordoned }, expected: 'Skip' },
  {
    rule: 'a node is uncordoned',
    event: { resource: 'Node', action: 'UpdateNodeTaints', previous: cordoned, object: open },
    expected: 'Queue',
  },
  {
    rule: 'a taint of an open node changes',
    event: { resource: 'Node', action: 'UpdateNodeTaints', previous: open, object: open },
    expected: 'Skip',
  },
  {
    rule: 'the pod comes to tolerate it',
    pod: tolerant,
    event: { resource: 'TargetPod', action: 'UpdatePodTolerations' },
    expected: 'Queue',
  },
  {
    rule: 'the pod comes to tolerate something else',
    event: { resource: 'TargetPod', action: 'UpdatePodTolerations' },
    expected: 'Skip',
  },
])('hint: $rule', ({ pod = plain, event, expected }) => {
  expect(hinted(nodeUnschedulable, pod, event)).toBe(expected);
});
