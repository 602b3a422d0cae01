import { expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { virtualEpochMs } from '#pkg/base/virtual-clock.ts';
import { podsToDelete } from './ranking.ts';

interface Traits {
  readonly node?: string;
  readonly phase?: string;
  readonly ready?: boolean;
  readonly cost?: string;
  readonly restarts?: number;
  readonly ageSeconds?: number;
}

const pod = (name: string, traits: Traits = {}): Pod => {
  const { node = 'n1', phase = 'Running', ready = true, cost, restarts = 0, ageSeconds = 3_600 } = traits;
  const since = new Date(virtualEpochMs - ageSeconds * 1_000).toISOString();
  return {
    metadata: {
      name,
      uid: name,
      creationTimestamp: since,
      ...(cost === undefined ? {} : { annotations: { 'controller.kubernetes.io/pod-deletion-cost': cost } }),
    },
    spec: { containers: [], ...(node === '' ? {} : { nodeName: node }) },
    status: {
      phase,
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: since }],
      containerStatuses: [{ name: 'c', ready, restartCount: restarts, image: '', imageID: '' }],
    },
  };
};

test.each<[string, Traits, Traits]>([
  ['not bound to a node', { node: '', phase: 'Pending' }, { phase: 'Pending' }],
  ['pending', { phase: 'Pending', ready: false }, { ready: false }],
  ['not ready', { ready: false, ageSeconds: 9_000 }, {}],
  ['cheaper to delete', { cost: '-5' }, {}],
  ['ready for a shorter time', { ageSeconds: 10 }, { ageSeconds: 36_000 }],
  ['restarted more often', { restarts: 3 }, { restarts: 1 }],
])('a pod that is %s goes before one that is not', (_, first, second) => {
  const all = [pod('b', second), pod('a', first)];
  expect(podsToDelete(all, 1, { related: all, nowMs: virtualEpochMs }).map(({ metadata }) => metadata?.name)).toEqual([
    'a',
  ]);
});

test('a node with several pods of the workload gives one up before a node with one', () => {
  const mine = [pod('alone', { node: 'n2' }), pod('crowded')];
  const related = [...mine, pod('other')];
  expect(podsToDelete(mine, 1, { related, nowMs: virtualEpochMs })).toEqual([mine[1]]);
});
