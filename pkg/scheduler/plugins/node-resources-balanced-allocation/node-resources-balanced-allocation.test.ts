import { expect, test } from 'vitest';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { scored } from '../../framework/plugin-tester.ts';
import { createBalancedAllocation } from './node-resources-balanced-allocation.ts';

const balanced = createBalancedAllocation(['cpu', 'memory']);

test('the node scores best on which CPU and memory would be in use alike', () => {
  const pod = makePod('p').request({ cpu: '1', memory: '2Gi' }).object;
  const used = makePod('used').meta({ uid: 'used' }).request({ cpu: '2' }).object;
  // In use: a quarter of each, and three quarters of the CPU with a quarter of the memory.
  expect(scored(balanced, pod, { nodes: [makeNode('a'), makeNode('b')], placed: { b: [used] } })).toEqual({
    a: 100,
    b: 75,
  });
});

test('a pod that asks for nothing has no preference', () => {
  expect(scored(balanced, makePod('p').object, { nodes: [makeNode('a')] })).toEqual({});
});
