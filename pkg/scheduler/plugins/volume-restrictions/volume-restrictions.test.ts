import { expect, test } from 'vitest';
import type { PersistentVolumeClaim, Pod, Volume } from '#pkg/api/types/core-v1.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { filtered, hinted } from '../../framework/plugin-tester.ts';
import { createVolumeRestrictions } from './volume-restrictions.ts';

const once: PersistentVolumeClaim = {
  metadata: { name: 'once', namespace: 'default' },
  spec: { accessModes: ['ReadWriteOncePod'] },
};
const plugin = createVolumeRestrictions((key) => (key === 'default/once' ? once : undefined));

function withVolume(name: string, volume: Omit<Volume, 'name'>): Pod {
  return makePod(name)
    .meta({ uid: name })
    .spec({ volumes: [{ name: 'v', ...volume }] }).object;
}

const disk = 'Unschedulable: node(s) had no available disk';

test.each<{
  readonly rule: string;
  readonly one: Omit<Volume, 'name'>;
  readonly other: Omit<Volume, 'name'>;
  readonly expected: string;
}>([
  {
    rule: 'a GCE disk that one writes to',
    one: { gcePersistentDisk: { pdName: 'd' } },
    other: { gcePersistentDisk: { pdName: 'd', readOnly: true } },
    expected: disk,
  },
  {
    rule: 'a GCE disk that all read',
    one: { gcePersistentDisk: { pdName: 'd', readOnly: true } },
    other: { gcePersistentDisk: { pdName: 'd', readOnly: true } },
    expected: 'Success',
  },
  {
    rule: 'an EBS volume, even to read',
    one: { awsElasticBlockStore: { volumeID: 'd', readOnly: true } },
    other: { awsElasticBlockStore: { volumeID: 'd', readOnly: true } },
    expected: disk,
  },
  {
    rule: 'an iSCSI target',
    one: { iscsi: { iqn: 'q', targetPortal: 'p', lun: 0 } },
    other: { iscsi: { iqn: 'q', targetPortal: 'other', lun: 1 } },
    expected: disk,
  },
  {
    rule: 'an RBD image of another pool',
    one: { rbd: { monitors: ['a', 'b'], image: 'i', pool: 'x' } },
    other: { rbd: { monitors: ['b'], image: 'i', pool: 'y' } },
    expected: 'Success',
  },
  {
    rule: 'an RBD image that has a monitor in common',
    one: { rbd: { monitors: ['a', 'b'], image: 'i', pool: 'rbd' } },
    other: { rbd: { monitors: ['b'], image: 'i' } },
    expected: disk,
  },
])('two pods and $rule', ({ one, other, expected }) => {
  const placed = { n: [withVolume('other', other)] };
  expect(filtered(plugin, withVolume('p', one), { nodes: [makeNode('n')], placed })).toEqual({ n: expected });
});

test('a claim for one pod keeps a second pod from every node until the first is gone', () => {
  const [first, second] = [
    { persistentVolumeClaim: { claimName: 'once' } },
    withVolume('b', { persistentVolumeClaim: { claimName: 'once' } }),
  ];
  const user = withVolume('a', first);
  const cluster = { nodes: [makeNode('n'), makeNode('m')], placed: { n: [user] } };
  const refused =
    'Unschedulable: node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode';
  expect(filtered(plugin, second, cluster)).toEqual({ n: refused, m: refused });
  expect(hinted(plugin, second, { resource: 'AssignedPod', action: 'Delete', previous: user })).toBe('Queue');
  expect(hinted(plugin, second, { resource: 'AssignedPod', action: 'Delete', previous: makePod('c').object })).toBe(
    'Skip',
  );
});
