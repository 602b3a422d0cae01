import { expect, test } from 'vitest';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { filtered, hinted } from '../../framework/plugin-tester.ts';
import { nodeName } from './node-name.ts';

const nodes = [makeNode('a'), makeNode('b')];
const forB = makePod('p').spec({ nodeName: 'b' }).object;

test('filter: the named node and no other; any node for a pod that names none', () => {
  expect(filtered(nodeName, forB, { nodes })).toEqual({
    a: "UnschedulableAndUnresolvable: node(s) didn't match the requested node name",
    b: 'Success',
  });
  expect(filtered(nodeName, makePod('p').object, { nodes })).toEqual({ a: 'Success', b: 'Success' });
});

test('hint: the named node appears', () => {
  const added = nodes.map((object) => hinted(nodeName, forB, { resource: 'Node', action: 'Add', object }));
  expect(added).toEqual(['Skip', 'Queue']);
});
