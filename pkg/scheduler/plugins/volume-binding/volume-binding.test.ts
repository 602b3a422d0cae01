import { expect, test } from 'vitest';
import type { PersistentVolume, PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { SchedulerCache } from '../../cache/scheduler-cache.ts';
import { type Cycle, CycleState } from '../../framework/cycle.ts';
import { podInfoOf } from '../../framework/pod-info.ts';
import { createVolumeBinding, noVolumes } from './volume-binding.ts';

const pod = makePod('p').spec({ volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] }).object;

function claim(volumeName: string, phase: string, storageClassName = 'fast'): PersistentVolumeClaim {
  return {
    metadata: { name: 'data', namespace: 'default' },
    spec: { volumeName, storageClassName },
    status: { phase },
  };
}

const onNodeA: PersistentVolume = {
  metadata: { name: 'pv' },
  spec: {
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['a'] }] }],
      },
    },
  },
};

test.each<{
  readonly rule: string;
  readonly claim?: PersistentVolumeClaim;
  readonly volume?: PersistentVolume;
  readonly said: string;
}>([
  { rule: 'a claim that is not there', said: 'persistentvolumeclaim "data" not found' },
  {
    rule: 'a claim that is not bound',
    claim: claim('', 'Pending'),
    said: 'pod has unbound immediate PersistentVolumeClaims',
  },
  {
    rule: 'a claim that waits for a consumer',
    claim: claim('', 'Pending', 'lazy'),
    said: 'pod has PersistentVolumeClaims that wait for their first consumer, which this scheduler cannot bind',
  },
  {
    rule: 'a claim whose volume was lost',
    claim: claim('pv', 'Lost'),
    said: 'persistentvolumeclaim "data" bound to non-existent persistentvolume "pv"',
  },
  { rule: 'a volume that every node reaches', claim: claim('pv', 'Bound'), volume: {}, said: 'a b' },
  { rule: 'a volume of one node', claim: claim('pv', 'Bound'), volume: onNodeA, said: 'a' },
  { rule: 'a bound volume that is gone', claim: claim('pv', 'Bound'), said: '' },
])('$rule', ({ claim: theClaim, volume, said }) => {
  const plugin = createVolumeBinding({
    claim: () => theClaim,
    volume: () => volume,
    waitsForConsumer: (storageClass) => storageClass === 'lazy',
  });
  const cache = new SchedulerCache({ clock: new VirtualClock() });
  for (const name of ['a', 'b']) cache.setNode(makeNode(name));
  const cycle: Cycle = { pod: podInfoOf(pod), cluster: cache.table, state: new CycleState() };
  const { status } = plugin.preFilter(cycle);
  const passed = [...cache.table.nodes()].filter((node) => plugin.filter(cycle)!(node).code === 'Success');
  expect(status.code === 'Success' ? passed.map(({ name }) => name).join(' ') : status.reasons.join()).toBe(said);
});

test('a pod without claims costs nothing', () => {
  const cycle = { pod: podInfoOf(makePod('p').object), state: new CycleState() } as Cycle;
  expect(createVolumeBinding(noVolumes).filter(cycle)).toBe(undefined);
});
