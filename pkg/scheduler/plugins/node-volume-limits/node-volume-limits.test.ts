import { expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { filtered } from '../../framework/plugin-tester.ts';
import { createNodeVolumeLimits } from './node-volume-limits.ts';

const driver = 'disks.example.com';

/** Claims `v-…` have a volume each; others wait for one of the driver. */
const plugin = createNodeVolumeLimits({
  csiNode: (name) =>
    name === 'boundless'
      ? undefined
      : { metadata: { name }, spec: { drivers: [{ name: driver, nodeID: name, allocatable: { count: 2 } }] } },
  claim: (key) => {
    const name = key.replace('default/', '');
    return {
      metadata: { name, namespace: 'default' },
      spec: { storageClassName: 'lazy', ...(name.startsWith('v-') ? { volumeName: name } : {}) },
    };
  },
  volume: (name) => ({ metadata: { name }, spec: { csi: { driver, volumeHandle: name } } }),
  storageClass: () => ({ metadata: { name: 'lazy' }, provisioner: driver }),
});

function using(name: string, ...claims: readonly string[]): Pod {
  const volumes = claims.map((claimName, index) => ({ name: `v${index}`, persistentVolumeClaim: { claimName } }));
  return makePod(name).meta({ uid: name }).spec({ volumes }).object;
}

const refused = 'Unschedulable: node(s) exceed max volume count';

test.each<[string, readonly string[], readonly string[], string]>([
  ['as many as there may be', ['v-1'], ['v-2'], 'Success'],
  ['one more', ['v-1', 'v-2'], ['v-3'], refused],
  ['one that is there already', ['v-1', 'v-2'], ['v-2'], 'Success'],
  ['one that is still to be made', ['v-1', 'v-2'], ['later'], refused],
])('%s', (_, held, wanted, expected) => {
  const nodes = [makeNode('n'), makeNode('boundless')];
  const placed = { n: [using('other', ...held)], boundless: [using('another', ...held)] };
  expect(filtered(plugin, using('p', ...wanted), { nodes, placed })).toEqual({ n: expected, boundless: 'Success' });
});
