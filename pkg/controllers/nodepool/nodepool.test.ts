/** Pools of nodes in a whole cluster on virtual time: API server, scheduler, controllers, and kubelets that come and go. */
import { afterEach, expect, test, vi } from 'vitest';
import { isPodReady } from '#pkg/api/core/pod.ts';
import { nodeClaims } from '#pkg/api/node-claim.ts';
import { type NodePool, nodePools } from '#pkg/api/node-pool.ts';
import { deployments, events, nodes } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { makeDeployment } from '#pkg/testing/builders.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';

const minuteMs = 60_000;

// The first cluster of a process is made of all of its modules.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 });

let cluster: TestCluster;
afterEach(() => cluster.stop());

/** One node with room for one pod of one CPU. */
async function start(seed = 1): Promise<void> {
  cluster = await startTestCluster({ capacity: { cpu: '1500m', memory: '4Gi', pods: '110' }, seed });
}

function makePool(name: string, spec: Partial<NonNullable<NodePool['spec']>> = {}): NodePool {
  return {
    apiVersion: 'nodes.coxswain.dev/v1alpha1',
    kind: 'NodePool',
    metadata: { name },
    spec: {
      maxNodes: 5,
      template: { capacity: { cpu: '2', memory: '4Gi' } },
      scaleDown: { unneededSeconds: 300, delayAfterAddSeconds: 60 },
      ...spec,
    },
  };
}

const cpu = (amount: string) => ({ requests: { cpu: amount } });

async function scale(name: string, replicas: number): Promise<void> {
  await cluster.client
    .resource(deployments)
    .patch(name, { spec: { replicas } }, { type: 'merge', namespace: 'default' });
}

const running = (): number => cluster.pods().filter(isPodReady).length;

async function nodeNames(): Promise<readonly string[]> {
  const { items } = await cluster.client.resource(nodes).list();
  return items.map(({ metadata }) => metadata?.name ?? '').sort();
}

/** The nodes that were asked for, by their pools. */
async function claimed(): Promise<readonly string[]> {
  const { items } = await cluster.client.resource(nodeClaims).list();
  return items.map(({ metadata }) => metadata?.labels?.['nodes.coxswain.dev/pool'] ?? '').sort();
}

async function told(reason: string): Promise<readonly string[]> {
  const { items } = await cluster.client.resource(events).list();
  return items.filter((event) => event.reason === reason).map(({ message = '' }) => message);
}

test('a pool grows by as few nodes as take the pods that wait, and shrinks again when they are gone', async () => {
  await start();
  await cluster.apply(makePool('small'), makeDeployment('web', { replicas: 6, ...cpu('1') }));
  await cluster.until(() => running() === 6);
  // One has room on the node that was there, two on each of the others.
  expect(await claimed()).toEqual(['small', 'small', 'small']);
  expect(cluster.nodes.length).toBe(4);
  expect(await told('TriggeredScaleUp')).toEqual(Array(5).fill('pod triggered scale-up: [{small 0->3 (max: 5)}]'));
  const grown = await cluster.client.resource(nodePools).get('small');
  expect(grown.status).toMatchObject({ nodes: 3 });

  await scale('web', 1);
  await cluster.until(() => cluster.nodes.length === 1, 30 * minuteMs);
  await cluster.advance(minuteMs);
  expect(await claimed()).toEqual([]);
  expect(await nodeNames()).toEqual(['node-1']);
  expect(await told('ScaleDown')).toContain('node removed by cluster autoscaler');
  expect(running()).toBe(1);
  expect((await cluster.client.resource(nodePools).get('small')).status).toMatchObject({ nodes: 0, readyNodes: 0 });
});

test('of pools the one that wastes least grows, with labels, taints and what daemon sets take reckoned in', async () => {
  await start();
  await cluster.apply(
    makePool('large', { template: { capacity: { cpu: '32', memory: '64Gi' } } }),
    makePool('tainted', {
      template: {
        capacity: { cpu: '2', memory: '4Gi' },
        taints: [{ key: 'dedicated', value: 'x', effect: 'NoSchedule' }],
      },
    }),
    makePool('small', {
      template: {
        capacity: { cpu: '2', memory: '4Gi' },
        labels: { tier: 'b', 'topology.kubernetes.io/zone': 'west' },
      },
    }),
    {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'agent', namespace: 'default' },
      spec: {
        selector: { matchLabels: { app: 'agent' } },
        template: {
          metadata: { labels: { app: 'agent' } },
          spec: {
            nodeSelector: { tier: 'b' },
            containers: [{ name: 'main', image: 'a', resources: { requests: { cpu: '500m' } } }],
          },
        },
      },
    } as KubeObject,
    makeDeployment('web', {
      replicas: 3,
      ...cpu('1'),
      podSpec: { nodeSelector: { 'topology.kubernetes.io/zone': 'west' } },
    }),
  );
  // A second pod of one CPU has no room beside the agent.
  await cluster.until(() => running() === 6);
  expect(await claimed()).toEqual(['small', 'small', 'small']);
});

test('nothing grows for pods that no pool has a node for, and each is told why, once', async () => {
  await start();
  await cluster.apply(
    makePool('small'),
    makePool('full', { maxNodes: 0 }),
    makeDeployment('big', { replicas: 2, ...cpu('3') }),
  );
  await cluster.advance(15 * minuteMs);
  expect(await claimed()).toEqual([]);
  expect(await told('NotTriggerScaleUp')).toEqual(
    Array(2).fill("pod didn't trigger scale-up: full: it has its 0 nodes; small: Insufficient cpu"),
  );
});

test('a pool has its least number of nodes without any pods, and never more than its most', async () => {
  await start();
  await cluster.apply(
    makePool('small', { minNodes: 1, maxNodes: 2 }),
    makeDeployment('web', { replicas: 9, ...cpu('1') }),
  );
  await cluster.until(() => running() === 5);
  await cluster.advance(5 * minuteMs);
  expect(await claimed()).toEqual(['small', 'small']);
  expect(running()).toBe(5);
  await scale('web', 0);
  await cluster.until(() => cluster.nodes.length === 2, 30 * minuteMs);
  await cluster.advance(15 * minuteMs);
  expect(await claimed()).toEqual(['small']);
});

test('a node that never comes is given up and its pool rests, while another is grown', async () => {
  await start();
  const template = { capacity: { cpu: '2', memory: '4Gi' } };
  await cluster.apply(
    makePool('broken', { template: { ...template, runtime: 'container' } }),
    makeDeployment('web', { replicas: 3, ...cpu('1') }),
  );
  const broken = async () => (await cluster.client.resource(nodePools).get('broken')).status ?? {};
  await cluster.advance(minuteMs);
  expect((await broken()).failures).toBe(1);
  expect(findCondition((await broken()).conditions, 'Healthy')).toMatchObject({ status: 'False', reason: 'BackOff' });
  expect(await told('FailedToScaleUpGroup')).toEqual([
    expect.stringMatching(
      /^Scale-up timed out or failed for node broken-\w+: The cluster has no runtime container: it has fake\.$/,
    ),
  ]);
  // It is tried again later and later.
  await cluster.advance(6 * minuteMs);
  expect((await broken()).failures).toBe(2);
  await cluster.advance(8 * minuteMs);
  expect((await broken()).failures).toBe(2);
  await cluster.apply(makePool('good'));
  await cluster.until(() => running() === 3);
  expect((await claimed()).filter((name) => name === 'good')).toEqual(['good']);
});

test('a node whose pods have a budget is emptied within it, and not while it has nothing to give', async () => {
  await start();
  const budget = (minAvailable: number) => ({
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'web', namespace: 'default' },
    spec: { selector: { matchLabels: { app: 'web' } }, minAvailable },
  });
  await cluster.apply(
    makePool('small', {
      scaleDown: { unneededSeconds: 60, delayAfterAddSeconds: 60, utilizationThresholdPercent: 80 },
    }),
    budget(2),
    makeDeployment('big', cpu('1400m')),
  );
  await cluster.until(() => running() === 1);
  await cluster.apply(makeDeployment('web', { replicas: 2, ...cpu('500m') }));
  await cluster.until(() => running() === 3);
  expect(await claimed()).toEqual(['small']);
  // The node that was there has room for both now.
  await scale('big', 0);
  await cluster.advance(10 * minuteMs);
  expect(await claimed()).toEqual(['small']);

  await cluster.apply(budget(0));
  await cluster.until(() => cluster.nodes.length === 1, 30 * minuteMs);
  await cluster.until(() => running() === 2);
  expect(cluster.pods().map(({ spec }) => spec?.nodeName)).toEqual(['node-1', 'node-1']);
});

test('what a pool made goes with it, emptied first', async () => {
  await start();
  await cluster.apply(makePool('small'), makeDeployment('web', { replicas: 3, ...cpu('1') }));
  await cluster.until(() => running() === 3);
  await cluster.client.resource(nodePools).delete('small');
  await cluster.until(() => cluster.nodes.length === 1);
  const pools = async () => (await cluster.client.resource(nodePools).list()).items;
  await cluster.until(async () => (await pools()).length === 0);
  expect(await claimed()).toEqual([]);
});

test('the example does what it says', async () => {
  cluster = await startTestCluster({ manifests: ['manifests/examples/node-pool.yaml'] });
  await cluster.until(() => running() === 6);
  expect(await claimed()).toEqual(['burst', 'burst', 'burst']);
  await scale('render', 0);
  await cluster.until(() => cluster.nodes.length === 1, 30 * minuteMs);
});
