import { expect, test } from 'vitest';
import type { Node, NodeSelectorTerm, Pod, PreferredSchedulingTerm } from '#pkg/api/types/core-v1.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import type { ClusterEvent } from '../../framework/events.ts';
import { cycleOf, filtered, hinted, scored } from '../../framework/plugin-tester.ts';
import { createNodeAffinity } from './node-affinity.ts';

const nodeAffinity = createNodeAffinity({});

const labelled = (name: string, labels: Readonly<Record<string, string>>): Node => ({
  ...makeNode(name),
  metadata: { name, labels },
});
const nodes = [labelled('a', { zone: 'z1', size: '3' }), labelled('b', { zone: 'z2', size: '5', ssd: '' })];

function requiring(...nodeSelectorTerms: readonly NodeSelectorTerm[]): Pod {
  const required = { nodeSelectorTerms: [...nodeSelectorTerms] };
  return makePod('p').spec({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } },
  }).object;
}

function preferring(...terms: readonly PreferredSchedulingTerm[]): Pod {
  return makePod('p').spec({
    affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [...terms] } },
  }).object;
}

const label = (key: string, operator: string, ...values: readonly string[]): NodeSelectorTerm => ({
  matchExpressions: [{ key, operator, values: [...values] }],
});
const named = (operator: string, ...values: readonly string[]): NodeSelectorTerm => ({
  matchFields: [{ key: 'metadata.name', operator, values: [...values] }],
});
const inZone = (zone: string): NodeSelectorTerm => label('zone', 'In', zone);

test.each<{ readonly rule: string; readonly pod: Pod; readonly fits: readonly string[] }>([
  { rule: 'no wish: every node', pod: makePod('p').object, fits: ['a', 'b'] },
  {
    rule: 'a selector: every label of it',
    pod: makePod('p').spec({ nodeSelector: { zone: 'z2', size: '5' } }).object,
    fits: ['b'],
  },
  { rule: 'In', pod: requiring(label('zone', 'In', 'z1', 'z9')), fits: ['a'] },
  { rule: 'NotIn holds without the label too', pod: requiring(label('ssd', 'NotIn', '')), fits: ['a'] },
  { rule: 'Exists, with whatever value', pod: requiring(label('ssd', 'Exists')), fits: ['b'] },
  { rule: 'DoesNotExist', pod: requiring(label('ssd', 'DoesNotExist')), fits: ['a'] },
  { rule: 'Gt compares integers', pod: requiring(label('size', 'Gt', '4')), fits: ['b'] },
  { rule: 'Lt compares integers', pod: requiring(label('size', 'Lt', '4')), fits: ['a'] },
  { rule: 'Gt of what is no integer', pod: requiring(label('zone', 'Gt', '0')), fits: [] },
  { rule: 'one term of several', pod: requiring(inZone('z9'), inZone('z2')), fits: ['b'] },
  {
    rule: 'every requirement of a term',
    pod: requiring({ ...inZone('z2'), ...named('In', 'a', 'b') }),
    fits: ['b'],
  },
  { rule: 'a term without requirements matches nothing', pod: requiring({}), fits: [] },
  { rule: 'the name of a node', pod: requiring(named('NotIn', 'a')), fits: ['b'] },
  {
    rule: 'selector and affinity together',
    pod: { ...requiring(inZone('z1')), spec: { ...requiring(inZone('z1')).spec!, nodeSelector: { zone: 'z2' } } },
    fits: [],
  },
])('filter: $rule', ({ pod, fits }) => {
  const refusal = "UnschedulableAndUnresolvable: node(s) didn't match Pod's node affinity/selector";
  const expected = Object.fromEntries(['a', 'b'].map((name) => [name, fits.includes(name) ? 'Success' : refusal]));
  expect(filtered(nodeAffinity, pod, { nodes })).toEqual(expected);
});

test.each<{ readonly rule: string; readonly pod: Pod; readonly expected: readonly string[] | string | undefined }>([
  { rule: 'labels alone leave all nodes', pod: requiring(inZone('z1')), expected: undefined },
  { rule: 'names in every term', pod: requiring(named('In', 'a'), named('In', 'b')), expected: ['a', 'b'] },
  { rule: 'names in one of the terms', pod: requiring(named('In', 'a'), inZone('z1')), expected: undefined },
  {
    rule: 'names that no node can have',
    pod: requiring({ matchFields: [...named('In', 'a').matchFields!, ...named('In', 'b').matchFields!] }),
    expected: 'pod affinity terms conflict',
  },
])('pre-filter: $rule', ({ pod, expected }) => {
  const { status, nodeNames } = nodeAffinity.preFilter(cycleOf(pod, { nodes }));
  expect(status.reasons[0] ?? (nodeNames && [...nodeNames])).toEqual(expected);
});

test.each<{ readonly rule: string; readonly pod: Pod; readonly expected: Readonly<Record<string, number>> }>([
  { rule: 'no preference', pod: makePod('p').object, expected: {} },
  {
    rule: 'weights add up and the best gets 100',
    pod: preferring(
      { weight: 10, preference: inZone('z1') },
      { weight: 30, preference: inZone('z2') },
      { weight: 10, preference: label('ssd', 'Exists') },
    ),
    expected: { a: 25, b: 100 },
  },
  {
    rule: 'a preference that nobody meets',
    pod: preferring({ weight: 1, preference: inZone('z9') }),
    expected: { a: 0, b: 0 },
  },
])('score: $rule', ({ pod, expected }) => {
  expect(scored(nodeAffinity, pod, { nodes })).toEqual(expected);
});

test.each<{ readonly rule: string; readonly event: ClusterEvent; readonly expected: string }>([
  {
    rule: 'a node that matches appears',
    event: { resource: 'Node', action: 'Add', object: nodes[0]! },
    expected: 'Queue',
  },
  { rule: 'another appears', event: { resource: 'Node', action: 'Add', object: nodes[1]! }, expected: 'Skip' },
  {
    rule: 'a node begins to match',
    event: { resource: 'Node', action: 'UpdateLabels', previous: labelled('a', {}), object: nodes[0]! },
    expected: 'Queue',
  },
  {
    rule: 'a node that matched already gets another label',
    event: {
      resource: 'Node',
      action: 'UpdateLabels',
      previous: nodes[0]!,
      object: labelled('a', { zone: 'z1', x: 'y' }),
    },
    expected: 'Skip',
  },
])('hint: $rule', ({ event, expected }) => {
  expect(hinted(nodeAffinity, requiring(inZone('z1')), event)).toBe(expected);
});
