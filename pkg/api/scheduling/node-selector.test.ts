import { expect, test } from 'vitest';
import type { NodeSelectorTerm } from '#pkg/api/types/core-v1.ts';
import { matchesNodeSelector, matchesNodeSelectorTerm, matchesRequiredNodeAffinity } from './node-selector.ts';

const node = { name: 'n1', labels: { zone: 'a', size: '+8' } };

const requires = (key: string, operator: string, ...values: readonly string[]): NodeSelectorTerm => ({
  matchExpressions: [{ key, operator, values: [...values] }],
});
const named = (operator: string, ...values: readonly string[]): NodeSelectorTerm => ({
  matchFields: [{ key: 'metadata.name', operator, values: [...values] }],
});

test.each<[string, NodeSelectorTerm, boolean]>([
  ['a term without requirements matches nothing', {}, false],
  ['In', requires('zone', 'In', 'a', 'b'), true],
  ['In, label absent', requires('other', 'In', 'a'), false],
  ['NotIn', requires('zone', 'NotIn', 'a'), false],
  ['NotIn, label absent', requires('other', 'NotIn', 'a'), true],
  ['Exists', requires('zone', 'Exists'), true],
  ['Exists does not see what every object has', requires('constructor', 'Exists'), false],
  ['DoesNotExist', requires('zone', 'DoesNotExist'), false],
  ['Gt compares as integers, sign or not', requires('size', 'Gt', '7'), true],
  ['Gt is strict', requires('size', 'Gt', '8'), false],
  ['Lt', requires('size', 'Lt', '10'), true],
  ['Gt of what is no integer', requires('size', 'Gt', '7.5'), false],
  ['the name of the node', named('In', 'n1'), true],
  ['not the name of the node', named('NotIn', 'n1'), false],
  ['a field knows In and NotIn only', named('Exists'), false],
  ['every requirement counts', { ...requires('zone', 'Exists'), ...named('In', 'n2') }, false],
])('%s: %j -> %s', (_rule, term, expected) => {
  expect(matchesNodeSelectorTerm(term, node)).toBe(expected);
});

test('one term is enough, none is not', () => {
  const [miss, hit] = [requires('zone', 'In', 'b'), requires('zone', 'In', 'a')];
  expect(matchesNodeSelector({ nodeSelectorTerms: [miss, hit] }, node)).toBe(true);
  expect(matchesNodeSelector({ nodeSelectorTerms: [] }, node)).toBe(false);
});

test('a pod asks for both: its node selector and its required affinity', () => {
  const pod = (zone: string, name: string) => ({
    spec: {
      containers: [],
      nodeSelector: { zone },
      affinity: {
        nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [named('In', name)] } },
      },
    },
  });
  expect(matchesRequiredNodeAffinity({}, node)).toBe(true);
  expect(matchesRequiredNodeAffinity(pod('a', 'n1'), node)).toBe(true);
  expect(matchesRequiredNodeAffinity(pod('b', 'n1'), node)).toBe(false);
  expect(matchesRequiredNodeAffinity(pod('a', 'n2'), node)).toBe(false);
});
