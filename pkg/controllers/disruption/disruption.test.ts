/** Disruption budgets over pods that come, go, break and are evicted, on virtual time. */
import { afterEach, expect, test } from 'vitest';
import type { PodDisruptionBudgetSpec } from '#pkg/api/types/policy-v1.ts';
import { deployments, jobs, podDisruptionBudgets, pods } from '#pkg/api/types/refs.ts';
import { isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import { reasonOf } from '#pkg/apimachinery/status-error.ts';
import { addNode, deploymentOf, type Harness, startHarness, templateOf } from '../testing/harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

const controllers = ['disruption-controller', 'deployment-controller', 'replicaset-controller', 'job-controller'];

async function start(runPods = true): Promise<void> {
  harness = await startHarness({ controllers, runPods });
  await addNode(harness, 'n1');
}

async function create(spec: PodDisruptionBudgetSpec): Promise<void> {
  const metadata = { name: 'keep', namespace: 'default' };
  await harness.client.resource(podDisruptionBudgets).create({ metadata, spec });
  await harness.clock.advance(2_000);
}

const web = { matchLabels: { app: 'web' } };
const numbers = async () => {
  const { status } = (await harness.get(podDisruptionBudgets, 'default/keep'))!;
  return [status?.disruptionsAllowed, status?.currentHealthy, status?.desiredHealthy, status?.expectedPods];
};
const condition = async () => {
  const { status } = (await harness.get(podDisruptionBudgets, 'default/keep'))!;
  return status?.conditions?.map((one) => `${one.type}=${one.status} ${one.reason}`);
};
const names = async () => (await harness.list(pods, 'default')).map(({ metadata }) => metadata!.name!);

async function evict(name: string): Promise<string> {
  const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: 'default' } };
  try {
    await harness.client.resource(pods).createSubresource(name, 'eviction', body, { namespace: 'default' });
    return 'evicted';
  } catch (error) {
    return reasonOf(error) ?? String(error);
  }
}

test.each<[string, PodDisruptionBudgetSpec, readonly number[]]>([
  ['at least 3', { minAvailable: 3 }, [2, 5, 3, 5]],
  ['at least half', { minAvailable: '50%' }, [2, 5, 3, 5]],
  ['at most 1 missing', { maxUnavailable: 1 }, [1, 5, 4, 5]],
  ['at most a third missing', { maxUnavailable: '33%' }, [2, 5, 3, 5]],
  ['all', { minAvailable: '100%' }, [0, 5, 5, 5]],
])('%s of five', async (_, spec, expected) => {
  await start();
  await harness.client.resource(deployments).create(deploymentOf('web', { replicas: 5 }));
  await create({ ...spec, selector: web });
  expect(await numbers()).toEqual(expected);
  const word = expected[0]! > 0 ? 'True SufficientPods' : 'False InsufficientPods';
  expect(await condition()).toEqual([`DisruptionAllowed=${word}`]);
});

test('an eviction takes what the budget allows, and more is allowed when the next pod works', async () => {
  await start();
  await harness.client.resource(deployments).create(deploymentOf('web', { minReadySeconds: 0 }));
  await create({ minAvailable: 2, selector: web });
  const [first, second] = await names();
  expect(await evict(first!)).toBe('evicted');
  expect(await evict(second!)).toBe('TooManyRequests');
  await harness.clock.advance(2_000);
  expect(await numbers()).toEqual([1, 3, 2, 3]);
  expect(await evict(second!)).toBe('evicted');
});

test('pods without a controller count by number, and not by share: an event says so', async () => {
  await start();
  await harness.client.resource(pods).create({
    metadata: { name: 'web', namespace: 'default', labels: { app: 'web' } },
    spec: templateOf('web', 'v1').spec,
  });
  await create({ maxUnavailable: 1, selector: web });
  expect(await numbers()).toEqual([0, 1, 0, 0]);
  expect((await harness.eventsOf('keep')).join()).toContain(
    'UnmanagedPods: Pods selected by this PodDisruptionBudget were',
  );
});

test('a controller without a scale cannot be counted: nothing is allowed, and nothing is tried until something changes', async () => {
  await start();
  await harness.client.resource(jobs).create({
    metadata: { name: 'work', namespace: 'default' },
    spec: {
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'v1' }] },
      },
    },
  });
  await harness.clock.advance(2_000);
  await create({ maxUnavailable: 1, selector: web });
  expect(await condition()).toEqual(['DisruptionAllowed=False SyncFailed']);
  expect((await harness.eventsOf('keep'))[0]).toMatch(
    /^CalculateExpectedPodCountFailed: .*found no controllers for pod "work-/,
  );
  harness.writes.length = 0;
  await harness.clock.advance(3_600_000);
  expect(harness.writes).toEqual([]);
});

test('a pod that was to be disrupted and still runs after two minutes is no longer said to be', async () => {
  await start();
  const metadata = { name: 'spared', namespace: 'default' };
  await harness.client.resource(pods).create({ metadata, spec: templateOf('web', 'v1').spec });
  await harness.clock.advance(1_000);
  const doomed = { type: 'DisruptionTarget', status: 'True', lastTransitionTime: '2026-01-01T00:00:01Z' };
  await harness.client
    .resource(pods)
    .patch(
      'spared',
      { status: { conditions: [doomed] } },
      { namespace: 'default', type: 'strategic', subresource: 'status' },
    );
  const isDoomed = async () =>
    isConditionTrue((await harness.get(pods, 'default/spared'))!.status?.conditions, 'DisruptionTarget');
  await harness.clock.advance(110_000);
  expect(await isDoomed()).toBe(true);
  await harness.clock.advance(15_000);
  expect(await isDoomed()).toBe(false);
});

test('nothing is written while nothing changes', async () => {
  await start();
  await harness.client.resource(deployments).create(deploymentOf('web'));
  await create({ minAvailable: '50%', selector: web });
  harness.writes.length = 0;
  await harness.clock.advance(3_600_000);
  expect(harness.writes).toEqual([]);
});
