/**
 * What stands around workloads while requests, answers and races get lost, watches end and the controllers and the API server are started anew at random: endpoints, claims, budgets, quotas, nodes that go,
 * namespaces that end and objects without owners. Every run ends with each of them true to what there is. `chaos.test.ts` has the workloads, and how a seed is run again or more are run.
 */
import { afterEach, expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import {
  configMaps,
  daemonSets,
  deployments,
  endpointSlices,
  endpoints,
  jobs,
  namespaces,
  nodes,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  replicationControllers,
  resourceQuotas,
  services,
  statefulSets,
} from '#pkg/api/types/refs.ts';
import { controllerOf } from '#pkg/apimachinery/object.ts';
import { isForbidden } from '#pkg/apimachinery/status-error.ts';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { Excess } from './testing/excess.ts';
import { addNode, deploymentOf, type Harness, startHarness, templateOf, until } from './testing/harness.ts';

let harness: Harness;
let excess: Excess;
afterEach(() => harness.stop());

const controllers = [
  'replicationcontroller-controller',
  'deployment-controller',
  'replicaset-controller',
  'daemonset-controller',
  'statefulset-controller',
  'job-controller',
  'ttl-after-finished-controller',
  'endpoints-controller',
  'endpointslice-controller',
  'disruption-controller',
  'resourcequota-controller',
  'persistentvolumeclaim-protection-controller',
  'pod-garbage-collector-controller',
  'namespace-controller',
  'garbage-collector-controller',
];

const { COXSWAIN_CHAOS_SEED: one, COXSWAIN_CHAOS_SEEDS: count = '5' } = process.env;
const seeds = one === undefined ? Array.from({ length: Number(count) }, (_, index) => index + 1) : [Number(one)];

const namespace = 'default';
const inDefault = { namespace, type: 'merge' } as const;
const selecting = (app: string) => ({ selector: { matchLabels: { app } } });
/** Most pods and ConfigMaps that the quota lets in. */
const limits = { pods: 12, configmaps: 3 } as const;

async function createAll(): Promise<void> {
  const { client } = harness;
  for (const name of ['n1', 'n2', 'dead-1']) {
    await addNode(harness, name);
    await client.resource(nodes).patch(name, { spec: { taints: null } }, { type: 'merge' });
  }
  const hard = { pods: `${limits.pods}`, configmaps: `${limits.configmaps}` };
  await client.resource(resourceQuotas).create({ metadata: { name: 'limits', namespace }, spec: { hard } });
  // A quota holds from its first count on.
  await until(harness, async () => (await harness.get(resourceQuotas, 'default/limits'))?.status?.used !== undefined);
  await client.resource(services).create({
    metadata: { name: 'rc', namespace },
    spec: { selector: { app: 'rc' }, ports: [{ port: 80, targetPort: 8080 }] },
  });
  await client.resource(replicationControllers).create({
    metadata: { name: 'rc', namespace },
    spec: { replicas: 2, selector: { app: 'rc' }, template: templateOf('rc', 'v1') },
  });
  await client
    .resource(podDisruptionBudgets)
    .create({ metadata: { name: 'rc', namespace }, spec: { minAvailable: 2, ...selecting('rc') } });
  await client.resource(daemonSets).create({
    metadata: { name: 'agent', namespace },
    spec: { ...selecting('agent'), template: templateOf('agent', 'v1') },
  });
  await client.resource(statefulSets).create({
    metadata: { name: 'db', namespace },
    spec: {
      replicas: 2,
      ...selecting('db'),
      template: templateOf('db', 'v1'),
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Delete' },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  });
  await client.resource(jobs).create({
    metadata: { name: 'once', namespace },
    spec: {
      ttlSecondsAfterFinished: 10,
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'v1' }] } },
    },
  });
  await client.resource(namespaces).create({ metadata: { name: 'goes' } });
  const web = deploymentOf('web');
  await client.resource(deployments).create({ ...web, metadata: { ...web.metadata, namespace: 'goes' } });
  await client.resource(configMaps).create({ metadata: { name: 'left', namespace: 'goes' } });
}

async function changeAll(): Promise<void> {
  const { client } = harness;
  // A claim whose pod was never made would stay: the pod is what it goes with.
  await until(harness, async () => (await harness.get(pods, 'default/db-1')) !== undefined);
  await client.resource(replicationControllers).patch('rc', { spec: { replicas: 4 } }, inDefault);
  await client.resource(statefulSets).patch('db', { spec: { replicas: 1 } }, inDefault);
  await client.resource(nodes).delete('dead-1');
  await client.resource(namespaces).delete('goes');
  const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'never', uid: 'was-none' }];
  await client.resource(configMaps).create({ metadata: { name: 'orphan', namespace: 'kube-system', ownerReferences } });
}

/** Somebody makes and deletes ConfigMaps, whether or not there is room. */
async function useQuota(chance: Random, step: number): Promise<void> {
  const resource = harness.client.resource(configMaps);
  const there = (await harness.list(configMaps, namespace)).filter(({ metadata }) => metadata?.name?.startsWith('c-'));
  if (there.length > 0 && randomInt(chance, 2) === 0) {
    await resource.delete(there[randomInt(chance, there.length)]?.metadata?.name ?? '', { namespace });
    return;
  }
  try {
    await resource.create({ metadata: { name: `c-${step}`, namespace } });
  } catch (error) {
    if (!isForbidden(error)) throw error;
  }
}

const ownerOf = (pod: Pod): string => `${controllerOf(pod)?.kind} ${controllerOf(pod)?.name}`;
const isWorking = ({ metadata, status }: Pod): boolean =>
  metadata?.deletionTimestamp === undefined && (status?.phase === 'Pending' || status?.phase === 'Running');

/** What must hold at any time, whatever is lost. */
async function checkAlways(asked: { readonly rc: number }): Promise<void> {
  const all = await harness.list(pods, namespace);
  const working = (owner: string): number => all.filter((pod) => ownerOf(pod) === owner && isWorking(pod)).length;
  excess.note('pods of the ReplicationController', working('ReplicationController rc'), asked.rc);
  expect(working('StatefulSet db')).toBeLessThanOrEqual(2);
  expect(working('Job once')).toBeLessThanOrEqual(1);
  excess.note('pods of the DaemonSet', working('DaemonSet agent'), 3);
  const notEnded = all.filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed').length;
  expect(notEnded).toBeLessThanOrEqual(limits.pods);
  expect((await harness.list(configMaps, namespace)).length).toBeLessThanOrEqual(limits.configmaps);
}

const sorted = (values: readonly (string | undefined)[]): string => values.toSorted().join();

/** What there is in the end, each beside what it is to be: `name: is | ought`. */
async function differences(): Promise<readonly string[]> {
  const all = await harness.list(pods, namespace);
  const addresses = sorted(
    all.filter((pod) => ownerOf(pod) === 'ReplicationController rc').map(({ status }) => status?.podIP),
  );
  const slices = await harness.list(endpointSlices, namespace);
  const inSlices = slices
    .filter(({ metadata }) => metadata?.labels?.['kubernetes.io/service-name'] === 'rc')
    .flatMap((slice) => slice.endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready === true)
    .flatMap((endpoint) => endpoint.addresses);
  const inEndpoints = ((await harness.get(endpoints, 'default/rc'))?.subsets ?? [])
    .flatMap((subset) => subset.addresses ?? [])
    .map(({ ip }) => ip);
  const budget = (await harness.get(podDisruptionBudgets, 'default/rc'))?.status;
  const quota = (await harness.get(resourceQuotas, 'default/limits'))?.status;
  const maps = await harness.list(configMaps, namespace);
  const names = async (list: Promise<readonly { readonly metadata?: { readonly name?: string } }[]>) =>
    sorted((await list).map(({ metadata }) => metadata?.name));
  const lines: readonly (readonly [name: string, is: unknown, ought: unknown])[] = [
    ['pods', sorted(all.map(ownerOf)), sorted([...Array(4).fill('ReplicationController rc'), ...own])],
    ['nodes of pods', sorted(all.map(({ spec }) => spec?.nodeName).filter((node) => node !== 'n1')), 'n2'],
    ['addresses of slices', sorted(inSlices), addresses],
    ['addresses of Endpoints', sorted(inEndpoints), addresses],
    ['budget', [budget?.currentHealthy, budget?.disruptionsAllowed, budget?.expectedPods].join(), '4,2,4'],
    ['quota', `${quota?.used?.pods} ${quota?.used?.configmaps}`, `${all.length} ${maps.length}`],
    ['claims', await names(harness.list(persistentVolumeClaims, namespace)), 'data-db-0'],
    ['jobs', await names(harness.list(jobs)), ''],
    ['namespace', (await harness.get(namespaces, 'goes'))?.status?.phase, undefined],
    ['left in it', await names(harness.list(pods, 'goes')), ''],
    ['orphan', (await harness.get(configMaps, 'kube-system/orphan'))?.metadata?.name, undefined],
  ];
  return lines.flatMap(([name, is, ought]) => (is === ought ? [] : [`${name}: ${is} | ${ought}`]));
}
const own = ['StatefulSet db', 'DaemonSet agent', 'DaemonSet agent'];

test.each(seeds)(
  'seed %i: all that stands around workloads comes to say what there is',
  { timeout: 300_000 },
  async (seed) => {
    const chance = new SeededRandom(seed * 1_000 + 7);
    const exitCodeOf = (pod: Pod): number | undefined => (controllerOf(pod)?.kind === 'Job' ? 0 : undefined);
    harness = await startHarness({ controllers, seed, faultShare: 0.15, exitCodeOf });
    excess = new Excess(harness.clock);
    await createAll();
    const asked = { rc: 2 };
    for (let step = 0; step < 120; step++) {
      if (step === 40) {
        asked.rc = 4;
        await changeAll();
      }
      if (randomInt(chance, 15) === 0)
        await harness.restart(randomInt(chance, 2) === 0 ? 'controllers' : 'apiserver', randomInt(chance, 5) * 100);
      if (randomInt(chance, 10) === 0) harness.dropWatches({ history: randomInt(chance, 2) === 0 });
      if (randomInt(chance, 3) === 0) await useQuota(chance, step);
      await harness.clock.advance(100);
      await checkAlways(asked);
    }
    // A namespace has ended once one look at all kinds went well, which is never where one request in seven fails.
    harness.hooks.isCalm = true;
    let left = await differences();
    for (let waits = 0; waits < 200 && left.length > 0; waits++) {
      await harness.clock.advance(2_000);
      await checkAlways(asked);
      left = await differences();
    }
    expect(left).toEqual([]);
  },
);
