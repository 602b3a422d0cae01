/** Evictions of a plan in a cluster of simulated nodes, on virtual time. */
import { expect, test } from 'vitest';
import { readCluster } from '#cmd/coxswain/cluster-objects.ts';
import { deployments, nodes, podDisruptionBudgets, pods } from '#pkg/api/types/refs.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { ObjectSet } from '#pkg/scheduler/offline/object-set.ts';
import { planRebalance, type RebalancePlan } from '#pkg/scheduler/offline/rebalance.ts';
import { Simulation } from '#pkg/scheduler/offline/simulation.ts';
import { pluginTable } from '#pkg/scheduler/plugin-table.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';
import { performRebalance } from './perform-rebalance.ts';

const deployment = (name: string, replicas: number, cpu: string): KubeObject => {
  const labels = { app: name };
  const container = { name: 'main', image: 'fake', resources: { requests: { cpu } } };
  const spec = {
    replicas,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [container], terminationGracePeriodSeconds: 1 } },
  };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: 'default' }, spec } as KubeObject;
};

const budget = (app: string, minAvailable: number): KubeObject =>
  ({
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: app, namespace: 'default' },
    spec: { minAvailable, selector: { matchLabels: { app } } },
  }) as KubeObject;

const used = (cluster: TestCluster): readonly string[] =>
  [...new Set(cluster.pods('default').flatMap(({ spec }) => spec?.nodeName ?? []))].sort();

const running = (cluster: TestCluster, count: number) => () =>
  cluster.pods('default').filter(({ status, spec }) => status?.phase === 'Running' && spec?.nodeName).length === count;

/** A cluster of three nodes of four CPUs with one pod of one CPU on each, as others have left them. */
async function thinned(): Promise<TestCluster> {
  const cluster = await startTestCluster({ nodes: 3 });
  await cluster.apply(deployment('large', 3, '3'));
  await cluster.until(running(cluster, 3));
  await cluster.apply(deployment('web', 3, '1'));
  await cluster.until(running(cluster, 6));
  await cluster.client.resource(deployments).delete('large', { namespace: 'default' });
  await cluster.until(running(cluster, 3));
  return cluster;
}

async function planOf({ client }: TestCluster): Promise<RebalancePlan> {
  const objects = new ObjectSet();
  const simulation = new Simulation({ objects, table: pluginTable, scheduling: 'packing' });
  const budgets = objects.lister(podDisruptionBudgets);
  await readCluster(objects, client);
  return planRebalance(simulation, { budgets: budgets.list(), evictionsMax: 100 });
}

/** Performs a plan while time passes. */
async function perform(cluster: TestCluster, plan: RebalancePlan, waitMs = 60_000) {
  const problems: string[] = [];
  const { client, clock } = cluster;
  let isWhole: boolean | undefined;
  const performing = performRebalance(plan, { client, clock, waitMs, problem: (text) => problems.push(text) }).then(
    (result) => {
      isWhole = result;
    },
  );
  await cluster.until(() => isWhole !== undefined);
  await performing;
  return { isWhole, problems };
}

async function closed({ client }: TestCluster): Promise<readonly string[]> {
  const { items } = await client.resource(nodes).list();
  return items.flatMap(({ metadata, spec }) => (spec?.unschedulable ? [metadata?.name ?? ''] : []));
}

test('nodes are emptied one after the other, within budgets, and are open again afterwards', async () => {
  const cluster = await thinned();
  await cluster.apply(budget('web', 2));
  const allowed = async () =>
    (await cluster.client.resource(podDisruptionBudgets).get('web', { namespace: 'default' })).status
      ?.disruptionsAllowed;
  await cluster.until(async () => (await allowed()) === 1);
  // The budget has one to give at a time: each plan is for one node.
  for (const left of [2, 1]) {
    const plan = await planOf(cluster);
    expect([used(cluster).length, plan.emptied.length, plan.usedAfter]).toEqual([left + 1, 1, left]);
    expect(await perform(cluster, plan)).toEqual({ isWhole: true, problems: [] });
    await cluster.until(running(cluster, 3));
    await cluster.until(async () => (await allowed()) === 1);
    expect([used(cluster).length, await closed(cluster)]).toEqual([left, []]);
  }
  await cluster.stop();
});

test('it stops where a pod fits nowhere else after all, says so, and leaves no node closed', async () => {
  const cluster = await thinned();
  const plan = await planOf(cluster);
  expect(plan.emptied.length).toBe(2);
  // Since the plan was made others have taken the room.
  await cluster.apply(deployment('late', 3, '3'));
  await cluster.until(running(cluster, 6));
  const { isWhole, problems } = await perform(cluster, plan);
  expect([isWhole, problems.length, await closed(cluster)]).toEqual([false, 1, []]);
  expect(problems[0]).toMatch(/^default\/web-.* fits nowhere else after all: 0\/3 nodes are available: /);
  // It comes back to the node that was to be emptied, which is open again; the other one was not begun.
  await cluster.until(running(cluster, 6));
  expect(used(cluster).length).toBe(3);
  await cluster.stop();
});

test('a budget that gives nothing in time ends it before anything is evicted', async () => {
  const cluster = await thinned();
  const plan = await planOf(cluster);
  await cluster.apply(budget('web', 3));
  await cluster.until(async () => {
    const { status } = await cluster.client.resource(podDisruptionBudgets).get('web', { namespace: 'default' });
    return status?.expectedPods === 3;
  });
  const before = cluster.pods('default').map(({ metadata }) => metadata?.uid);
  const { isWhole, problems } = await perform(cluster, plan, 5_000);
  expect([isWhole, problems.length]).toEqual([false, 1]);
  expect(problems[0]).toContain("Cannot evict pod as it would violate the pod's disruption budget.");
  expect(cluster.pods('default').map(({ metadata }) => metadata?.uid)).toEqual(before);
  expect(await closed(cluster)).toEqual([]);
  await cluster.stop();
});

test('pods that are gone already are no trouble', async () => {
  const cluster = await thinned();
  const plan = await planOf(cluster);
  const [first] = plan.evictions;
  const name = first?.pod.slice('default/'.length) ?? '';
  await cluster.client.resource(pods).delete(name, { namespace: 'default' });
  await cluster.until(running(cluster, 3));
  expect((await perform(cluster, plan)).isWhole).toBe(true);
  await cluster.until(running(cluster, 3));
  await cluster.stop();
});
