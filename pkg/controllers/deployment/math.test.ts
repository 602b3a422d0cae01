import { expect, test } from 'vitest';
import type { ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import { deploymentOf } from '../testing/harness.ts';
import { newSetReplicas, proportionalSizes, rollingLimits, shrinkOldSets } from './math.ts';

const rolling = (replicas: number, maxSurge: number | string, maxUnavailable: number | string) =>
  deploymentOf('web', { replicas, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } } });

const set = (name: string, replicas: number, availableReplicas = replicas, maxReplicas?: number): ReplicaSet => ({
  metadata: {
    name,
    creationTimestamp: `2026-01-01T00:00:0${name.length}Z`,
    ...(maxReplicas === undefined
      ? {}
      : { annotations: { 'deployment.kubernetes.io/max-replicas': String(maxReplicas) } }),
  },
  spec: { replicas, selector: {} },
  status: { replicas, availableReplicas },
});
const sizes = (resizes: ReturnType<typeof shrinkOldSets>) =>
  Object.fromEntries(resizes.map((resize) => [resize.set.metadata?.name, resize.replicas]));

test.each([
  [10, '25%', '25%', { surge: 3, unavailable: 2 }],
  [1, '25%', '25%', { surge: 1, unavailable: 0 }],
  [3, 0, '10%', { surge: 0, unavailable: 1 }],
  [4, 2, 0, { surge: 2, unavailable: 0 }],
])('limits of %i replicas with surge %s and unavailable %s', (replicas, surge, unavailable, expected) => {
  expect(rollingLimits(rolling(replicas, surge, unavailable))).toEqual(expected);
});

test('the newest set grows as far as the surge allows', () => {
  const deployment = rolling(10, 3, 2);
  expect(newSetReplicas(deployment, [set('o', 10)], 0)).toBe(3);
  expect(newSetReplicas(deployment, [set('o', 8), set('new', 3)], 3)).toBe(5);
  expect(newSetReplicas(deployment, [set('o', 5), set('new', 8)], 8)).toBe(8);
});

test('old pods that do not work go first, then as many as availability allows', () => {
  const deployment = rolling(10, 3, 2);
  expect(sizes(shrinkOldSets(deployment, set('new', 3, 0), [set('o', 10)]))).toEqual({ o: 8 });
  expect(sizes(shrinkOldSets(deployment, set('new', 5, 0), [set('o', 8)]))).toEqual({});
  expect(sizes(shrinkOldSets(deployment, set('new', 3, 0), [set('o', 10, 6)]))).toEqual({ o: 8 });
  expect(sizes(shrinkOldSets(deployment, set('new', 5, 5), [set('o', 2), set('oo', 6)]))).toEqual({ o: 0, oo: 3 });
});

test('a change of scale is spread in proportion and nothing is lost in rounding', () => {
  const spread = proportionalSizes(rolling(15, 3, 2), [set('o', 8, 8, 13), set('new', 5, 0, 13)]);
  expect(sizes(spread)).toEqual({ o: 11, new: 7 });
  const down = proportionalSizes(rolling(5, 0, 1), [set('o', 6, 6, 10), set('new', 4, 4, 10)]);
  expect(sizes(down)).toEqual({ o: 3, new: 2 });
});
