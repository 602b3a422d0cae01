/** Disruption budgets: what their status says, and that an eviction waits for it. */
import { expect } from 'vitest';
import type { PodDisruptionBudget } from '#pkg/api/types/policy-v1.ts';
import { podDisruptionBudgets, pods } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { pod } from './objects.ts';
import { statusEndpoints } from './status-endpoints.ts';

const area = '[sig-apps] DisruptionController';
const strategic = { namespace: 'conformance', type: 'strategic' } as const;
const labels = { foo: 'bar' };

const budget = (name: string, minAvailable: number | string, extra: object = {}): PodDisruptionBudget => ({
  metadata: { name, namespace: 'conformance', labels: { name, ...extra } },
  spec: { minAvailable, selector: { matchLabels: labels } },
});

const get = (stage: Stage, name = 'foo'): Promise<PodDisruptionBudget> =>
  stage.of(podDisruptionBudgets).get(name, { namespace: stage.namespace });

/** Lets time pass until the controller has seen the budget as it is. */
async function processed(stage: Stage, name = 'foo'): Promise<PodDisruptionBudget> {
  await stage.cluster.until(async () => {
    const { metadata, status } = await get(stage, name);
    return (status?.observedGeneration ?? 0) >= metadata!.generation!;
  });
  return get(stage, name);
}

async function runPods(stage: Stage, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await stage.of(pods).create(pod(`pod-${i}`, {}, { labels }));
  await stage.cluster.until(() => {
    const all = stage.cluster.pods(stage.namespace);
    return all.length === count && all.every(({ status }) => status?.phase === 'Running');
  });
}

/** The status that the eviction is answered with. By a plain request: the client would wait and ask again. */
async function evict(stage: Stage, name: string): Promise<number> {
  const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: stage.namespace } };
  const path = `/api/v1/namespaces/${stage.namespace}/pods/${name}/eviction`;
  return (await stage.request('POST', path, { body })).status;
}

behaviour(`${area} should create a PodDisruptionBudget`, async (stage) => {
  const client = stage.of(podDisruptionBudgets);
  await client.create(budget('foo', '10%'));
  const current = await processed(stage);
  const updated = await client.update({ ...current, spec: { ...current.spec, minAvailable: '20%' } });
  expect(updated.spec?.minAvailable).toBe('20%');
  await processed(stage);
  const patched = await client.patch('foo', { spec: { minAvailable: '30%' } }, strategic);
  expect(patched.spec?.minAvailable).toBe('30%');
  await processed(stage);
  await client.delete('foo', { namespace: stage.namespace });
  await expect(get(stage)).rejects.toSatisfy(isNotFound);
});

behaviour(
  `${area} Listing PodDisruptionBudgets for all namespaces should list and delete a collection of PodDisruptionBudgets`,
  async (stage) => {
    const client = stage.of(podDisruptionBudgets);
    for (const name of ['foo', 'foo2']) await client.create(budget(name, 2, { e2e: 'list' }));
    await stage.of(podDisruptionBudgets).create({
      ...budget('foo3', 2, { e2e: 'list' }),
      metadata: { ...budget('foo3', 2, { e2e: 'list' }).metadata, namespace: 'default' },
    });
    const labelSelector = 'e2e=list';
    expect((await client.list({ labelSelector })).items.map(({ metadata }) => metadata?.name).sort()).toEqual([
      'foo',
      'foo2',
      'foo3',
    ]);
    expect((await client.list({ labelSelector, namespace: stage.namespace })).items.length).toBe(2);
    await client.deleteCollection({ labelSelector, namespace: stage.namespace });
    expect((await client.list({ labelSelector })).items.map(({ metadata }) => metadata?.name)).toEqual(['foo3']);
  },
);

behaviour(`${area} should observe PodDisruptionBudget status updated`, async (stage) => {
  await stage.of(podDisruptionBudgets).create(budget('foo', 1));
  await runPods(stage, 3);
  await stage.cluster.until(async () => (await get(stage)).status?.disruptionsAllowed === 2);
  const { status } = await get(stage);
  expect(status).toMatchObject({ currentHealthy: 3, desiredHealthy: 1, expectedPods: 3 });
});

behaviour(`${area} should update/patch PodDisruptionBudget status`, async (stage) => {
  await stage.of(podDisruptionBudgets).create(budget('foo', 1));
  await processed(stage);
  await statusEndpoints(stage, podDisruptionBudgets, 'foo');
});

behaviour(`${area} should block an eviction until the PDB is updated to allow it`, async (stage) => {
  const { namespace } = stage;
  await stage.of(podDisruptionBudgets).create(budget('foo', 3));
  await runPods(stage, 3);
  await stage.cluster.until(async () => (await get(stage)).status?.currentHealthy === 3);
  expect(await evict(stage, 'pod-0')).toBe(429);
  await stage.of(podDisruptionBudgets).patch('foo', { spec: { minAvailable: 2 } }, strategic);
  await stage.cluster.until(async () => (await get(stage)).status?.disruptionsAllowed === 1);
  expect(await evict(stage, 'pod-0')).toBe(201);
  await stage.cluster.until(() => stage.cluster.pods(namespace).length === 2);
  await stage.of(podDisruptionBudgets).patch('foo', { spec: { minAvailable: 3 } }, strategic);
  await processed(stage);
  expect(await evict(stage, 'pod-1')).toBe(429);
  await stage.of(podDisruptionBudgets).delete('foo', { namespace });
  expect(await evict(stage, 'pod-1')).toBe(201);
});
