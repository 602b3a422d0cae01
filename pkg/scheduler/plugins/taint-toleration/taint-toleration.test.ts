import { expect, test } from 'vitest';
import type { Node, Pod, Taint, Toleration } from '#pkg/api/types/core-v1.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import type { ClusterEvent } from '../../framework/events.ts';
import { filtered, hinted, scored } from '../../framework/plugin-tester.ts';
import { taintToleration } from './taint-toleration.ts';

const tainted = (name: string, ...taints: readonly Taint[]): Node => ({
  ...makeNode(name),
  spec: { taints: [...taints] },
});
const taint = (key: string, effect: string, value?: string): Taint => ({
  key,
  effect,
  ...(value === undefined ? {} : { value }),
});
const tolerating = (...tolerations: readonly Toleration[]): Pod =>
  makePod('p').spec({ tolerations: [...tolerations] }).object;

test.each<{
  readonly rule: string;
  readonly taints: readonly Taint[];
  readonly tolerations?: readonly Toleration[];
  readonly fits: boolean;
}>([
  { rule: 'no taint', taints: [], fits: true },
  { rule: 'NoSchedule', taints: [taint('a', 'NoSchedule')], fits: false },
  { rule: 'NoExecute', taints: [taint('a', 'NoExecute')], fits: false },
  { rule: 'PreferNoSchedule', taints: [taint('a', 'PreferNoSchedule')], fits: true },
  {
    rule: 'key and value are tolerated',
    taints: [taint('a', 'NoSchedule', 'x')],
    tolerations: [{ key: 'a', value: 'x' }],
    fits: true,
  },
  {
    rule: 'another value is not',
    taints: [taint('a', 'NoSchedule', 'x')],
    tolerations: [{ key: 'a', operator: 'Equal', value: 'y' }],
    fits: false,
  },
  {
    rule: 'Exists takes any value',
    taints: [taint('a', 'NoSchedule', 'x')],
    tolerations: [{ key: 'a', operator: 'Exists' }],
    fits: true,
  },
  {
    rule: 'another effect is not tolerated',
    taints: [taint('a', 'NoExecute')],
    tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule' }],
    fits: false,
  },
  {
    rule: 'Exists without a key takes everything',
    taints: [taint('a', 'NoSchedule'), taint('b', 'NoExecute', 'y')],
    tolerations: [{ operator: 'Exists' }],
    fits: true,
  },
  {
    rule: 'each taint must be tolerated',
    taints: [taint('a', 'NoSchedule'), taint('b', 'NoSchedule')],
    tolerations: [{ key: 'a', operator: 'Exists' }],
    fits: false,
  },
])('filter: $rule', ({ taints, tolerations = [], fits }) => {
  expect(filtered(taintToleration, tolerating(...tolerations), { nodes: [tainted('n', ...taints)] })).toEqual({
    n: fits ? 'Success' : 'UnschedulableAndUnresolvable: node(s) had untolerated taint(s)',
  });
});

test('score: the fewer taints that are only tolerated unwillingly, the better', () => {
  const nodes = [
    tainted('clean'),
    tainted('one', taint('a', 'PreferNoSchedule')),
    tainted('two', taint('a', 'PreferNoSchedule'), taint('b', 'PreferNoSchedule')),
  ];
  expect(scored(taintToleration, tolerating(), { nodes })).toEqual({ clean: 100, one: 50, two: 0 });
  const pod = tolerating({ key: 'a', operator: 'Exists' }, { key: 'b', operator: 'Exists', effect: 'NoSchedule' });
  expect(scored(taintToleration, pod, { nodes })).toEqual({ clean: 100, one: 100, two: 0 });
  expect(scored(taintToleration, pod, { nodes: [tainted('hard', taint('c', 'NoSchedule'))] })).toEqual({});
});

const [free, taken] = [tainted('n'), tainted('n', taint('a', 'NoSchedule'))];

test.each<{ readonly rule: string; readonly event: ClusterEvent; readonly expected: string }>([
  { rule: 'a node without taints', event: { resource: 'Node', action: 'Add', object: free }, expected: 'Queue' },
  { rule: 'a node with one', event: { resource: 'Node', action: 'Add', object: taken }, expected: 'Skip' },
  {
    rule: 'the taint goes',
    event: { resource: 'Node', action: 'UpdateNodeTaints', previous: taken, object: free },
    expected: 'Queue',
  },
  {
    rule: 'another taint comes',
    event: { resource: 'Node', action: 'UpdateNodeTaints', previous: free, object: taken },
    expected: 'Skip',
  },
  {
    rule: 'a taint that does not matter goes',
    event: {
      resource: 'Node',
      action: 'UpdateNodeTaints',
      previous: tainted('n', taint('soft', 'PreferNoSchedule')),
      object: free,
    },
    expected: 'Skip',
  },
  {
    rule: 'the pod tolerates more',
    event: { resource: 'TargetPod', action: 'UpdatePodTolerations' },
    expected: 'Queue',
  },
])('hint: $rule', ({ event, expected }) => {
  expect(hinted(taintToleration, tolerating(), event)).toBe(expected);
});
