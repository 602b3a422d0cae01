/**
 * Load that rises and falls as over a day under a pool, on virtual time: its laws hold at every look, for every seed. A day of one hour, one seed; `COXSWAIN_POOL_SEEDS=20` tries days of 24
 * hours at as many.
 */
import { expect, test } from 'vitest';
import { isPodReady } from '#pkg/api/core/pod.ts';
import { nodeClaims } from '#pkg/api/node-claim.ts';
import { deployments } from '#pkg/api/types/refs.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { makeDeployment } from '#pkg/testing/builders.ts';
import { startTestCluster } from '#pkg/testing/cluster.ts';

const seedCount = Number(process.env.COXSWAIN_POOL_SEEDS ?? 0);
const seeds = Array.from({ length: Math.max(1, seedCount) }, (_, index) => index + 1);
/** How long the load stays as it is, when it is looked at, how long a node may have little to do, and how many hours a load stands for. */
const [hourMs, lookMs, unneededSeconds, hours] =
  seedCount > 0 ? [3_600_000, 600_000, 600, 1] : [300_000, 300_000, 60, 2];
const maxNodes = 4;
/** Pods that a node of the pool takes. */
const perNode = 4;

/** Replicas at an hour: few at night, many at noon, and some more or fewer by chance. */
function wanted(hour: number, random: SeededRandom): number {
  const day = Math.sin((Math.PI * hour) / 24) ** 2;
  return Math.round(day * (maxNodes * perNode - 3)) + Math.floor(random.next() * 4);
}

test.each(seeds)('a day of load at seed %i', { timeout: 300_000 }, async (seed) => {
  const random = new SeededRandom(seed);
  const cluster = await startTestCluster({ seed, capacity: { cpu: '500m', memory: '2Gi', pods: '110' } });
  try {
    await cluster.apply(
      {
        apiVersion: 'nodes.coxswain.dev/v1alpha1',
        kind: 'NodePool',
        metadata: { name: 'day' },
        spec: {
          minNodes: 1,
          maxNodes,
          template: { capacity: { cpu: '2', memory: '8Gi' }, labels: { pool: 'day' } },
          scaleDown: { unneededSeconds, delayAfterAddSeconds: unneededSeconds },
        },
      } as object,
      makeDeployment('web', { replicas: 0, requests: { cpu: '500m' }, podSpec: { nodeSelector: { pool: 'day' } } }),
    );
    const made = new Set<string>();
    const sizes: number[] = [];
    for (let hour = 0; hour < 24; hour += hours) {
      const replicas = wanted(hour, random);
      await cluster.client
        .resource(deployments)
        .patch('web', { spec: { replicas } }, { type: 'merge', namespace: 'default' });
      for (let passedMs = 0; passedMs < hourMs; passedMs += lookMs) {
        await cluster.advance(lookMs);
        const { items } = await cluster.client.resource(nodeClaims).list();
        for (const { metadata } of items) made.add(metadata?.name ?? '');
        expect(items.length).toBeLessThanOrEqual(maxNodes);
        expect(items.length).toBeGreaterThanOrEqual(1);
        // Minutes are many times what a node takes to come.
        expect(cluster.pods().filter(isPodReady).length).toBe(replicas);
      }
      sizes.push(cluster.nodes.length - 1);
    }
    // It has followed the load up and down, ...
    expect(Math.max(...sizes)).toBe(maxNodes);
    expect(sizes.at(-1)).toBeLessThanOrEqual(2);
    // ... and no node came and went for a load that did not change.
    const rises = sizes.reduce((sum, size, index) => sum + Math.max(0, size - (sizes[index - 1] ?? 0)), 0);
    expect(made.size).toBeLessThanOrEqual(rises + 2);
  } finally {
    await cluster.stop();
  }
});
