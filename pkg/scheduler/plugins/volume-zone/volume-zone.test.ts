import { expect, test } from 'vitest';
import type { Node } from '#pkg/api/types/core-v1.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { filtered } from '../../framework/plugin-tester.ts';
import { createVolumeZone } from './volume-zone.ts';

const zone = 'topology.kubernetes.io/zone';
const oldZone = 'failure-domain.beta.kubernetes.io/zone';

function labelled(name: string, labels: Readonly<Record<string, string>>): Node {
  const node = makeNode(name);
  return { ...node, metadata: { ...node.metadata, labels: { ...node.metadata?.labels, ...labels } } };
}

test.each<[string, Readonly<Record<string, string>>]>([
  ['of one zone', { [zone]: 'a' }],
  ['of several zones', { [zone]: 'a__c' }],
  ['by the label of old', { [oldZone]: 'a' }],
])('a volume %s holds its pod there', (_, labels) => {
  const plugin = createVolumeZone({
    claim: () => ({ metadata: { name: 'c' }, spec: { volumeName: 'pv' } }),
    volume: () => ({ metadata: { name: 'pv', labels } }),
  });
  const pod = makePod('p').spec({ volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] }).object;
  const nodes = [labelled('in-a', { [zone]: 'a' }), labelled('in-b', { [zone]: 'b' }), makeNode('nowhere')];
  expect(filtered(plugin, pod, { nodes })).toEqual({
    'in-a': 'Success',
    'in-b': 'UnschedulableAndUnresolvable: node(s) had no available volume zone',
    nowhere: 'Success',
  });
});
