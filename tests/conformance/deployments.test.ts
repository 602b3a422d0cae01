/** Deployments: how they replace their pods, what they keep of the past, and how they share out replicas. */
import { expect } from 'vitest';
import type { Deployment, ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import { deployments, pods, replicaSets } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { deployment, pod, replicaSet } from './objects.ts';
import { observe } from './observe.ts';
import { rewrite } from './rewrite.ts';
import { statusEndpoints, workingScale } from './status-endpoints.ts';

const area = '[sig-apps] Deployment';
const strategic = { namespace: 'conformance', type: 'strategic' } as const;
const revision = 'deployment.kubernetes.io/revision';
const badImage = 'no-such.example.com/webserver:404';

const get = (stage: Stage, name: string): Promise<Deployment> =>
  stage.of(deployments).get(name, { namespace: stage.namespace });

const setsOf = async (stage: Stage): Promise<readonly ReplicaSet[]> =>
  (await stage.of(replicaSets).list({ namespace: stage.namespace })).items;

async function complete(stage: Stage, name: string): Promise<Deployment> {
  await stage.cluster.until(async () => {
    const { metadata, spec, status } = await get(stage, name);
    return (
      status?.observedGeneration === metadata?.generation &&
      status?.updatedReplicas === spec?.replicas &&
      status?.replicas === spec?.replicas &&
      status?.availableReplicas === spec?.replicas
    );
  });
  return get(stage, name);
}

/** Pods of these annotations never have their image. */
const missingImage = { 'fake.coxswain.dev/pull-error': 'not found' };

const withImage = (image: string) => ({
  spec: {
    template: {
      metadata: { annotations: image === badImage ? missingImage : { 'fake.coxswain.dev/pull-error': null } },
      spec: { containers: [{ name: 'main', image }] },
    },
  },
});

behaviour(`${area} RollingUpdateDeployment should delete old pods and create new ones`, async (stage) => {
  const old = replicaSet('sample-pod', { replicas: 1 });
  const annotations = { [revision]: '3546343826724305832' };
  await stage.of(replicaSets).create({ ...old, metadata: { ...old.metadata, annotations } });
  await stage.cluster.until(() => stage.cluster.pods(stage.namespace)[0]?.status?.phase === 'Running');
  const containers = [{ name: 'main', image: 'coxswain.dev/pause:v2' }];
  await stage.of(deployments).create(deployment('sample-pod', { podSpec: { containers } }));
  const done = await complete(stage, 'sample-pod');
  expect(done.metadata?.annotations?.[revision]).toBe('3546343826724305833');
  const sets = await setsOf(stage);
  expect(sets.map(({ metadata, spec }) => [metadata?.name === 'sample-pod', spec?.replicas]).sort()).toEqual([
    [false, 1],
    [true, 0],
  ]);
  expect(sets.find(({ metadata }) => metadata?.name === 'sample-pod')?.metadata?.ownerReferences?.[0]?.name).toBe(
    'sample-pod',
  );
});

behaviour(`${area} RecreateDeployment should delete old pods and create new ones`, async (stage) => {
  const { namespace } = stage;
  const annotations = { 'fake.coxswain.dev/stop-time': '2s' };
  const podSpec = { terminationGracePeriodSeconds: 5 };
  const spec = { strategy: { type: 'Recreate' } };
  await stage.of(deployments).create(deployment('recreate', { replicas: 2, annotations, podSpec, spec }));
  await complete(stage, 'recreate');
  const observer = observe(stage, pods, { namespace });
  await stage.of(deployments).patch('recreate', withImage('coxswain.dev/pause:v2'), strategic);
  const images = new Set<string>();
  await stage.cluster.until(async () => {
    const running = stage.cluster.pods(namespace).filter(({ status }) => status?.phase === 'Running');
    const now = new Set(running.map((one) => one.spec!.containers[0]!.image!));
    expect(now.size).toBeLessThanOrEqual(1);
    for (const image of now) images.add(image);
    return (await get(stage, 'recreate')).status?.updatedReplicas === 2 && now.has('coxswain.dev/pause:v2');
  });
  expect([...images]).toEqual(['coxswain.dev/pause:v1', 'coxswain.dev/pause:v2']);
  await complete(stage, 'recreate');
  await observer.stop();
});

behaviour(`${area} deployment should delete old replica sets`, async (stage) => {
  await stage.of(pods).create(pod('cleanup-pod', {}, { labels: { name: 'cleanup' } }));
  await stage.of(replicaSets).create(replicaSet('cleanup'));
  await stage.cluster.until(async () => (await setsOf(stage))[0]?.status?.readyReplicas === 1);
  const containers = [{ name: 'main', image: 'coxswain.dev/pause:v2' }];
  const spec = { revisionHistoryLimit: 0 };
  await stage.of(deployments).create(deployment('cleanup', { podSpec: { containers }, spec }));
  await complete(stage, 'cleanup');
  await stage.cluster.until(async () => (await setsOf(stage)).length === 1);
  expect((await setsOf(stage))[0]?.spec?.template?.spec?.containers[0]?.image).toBe('coxswain.dev/pause:v2');
});

behaviour(`${area} deployment should support rollover`, async (stage) => {
  await stage.of(replicaSets).create(replicaSet('rollover'));
  await stage.cluster.until(async () => (await setsOf(stage))[0]?.status?.readyReplicas === 1);
  const strategy = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } };
  const podSpec = { containers: [{ name: 'main', image: badImage }] };
  const minReadySeconds = 10;
  await stage
    .of(deployments)
    .create(deployment('rollover', { podSpec, annotations: missingImage, spec: { strategy, minReadySeconds } }));
  await stage.cluster.until(async () => (await get(stage, 'rollover')).status?.updatedReplicas === 1);
  const [first] = (await setsOf(stage)).filter(({ metadata }) => metadata?.name !== 'rollover');
  await stage.of(deployments).patch('rollover', withImage('coxswain.dev/pause:v2'), strategic);
  await stage.cluster.until(async () => (await setsOf(stage)).length === 3);
  const done = await complete(stage, 'rollover');
  expect(done.status?.availableReplicas).toBe(1);
  const sets = await setsOf(stage);
  expect(sets.find(({ metadata }) => metadata?.name === first!.metadata!.name)?.spec?.replicas).toBe(0);
  expect(sets.find(({ metadata }) => metadata?.name === 'rollover')?.spec?.replicas).toBe(0);
});

behaviour(`${area} deployment should support proportional scaling`, async (stage) => {
  const rollingUpdate = { maxSurge: 3, maxUnavailable: 2 };
  const spec = { strategy: { type: 'RollingUpdate', rollingUpdate } };
  await stage.of(deployments).create(deployment('scaled', { replicas: 10, spec }));
  await complete(stage, 'scaled');
  const [first] = await setsOf(stage);
  await stage.of(deployments).patch('scaled', withImage(badImage), strategic);
  const replicasOf = async (): Promise<readonly (number | undefined)[]> => {
    const sets = await setsOf(stage);
    const isFirst = (set: ReplicaSet): boolean => set.metadata?.name === first!.metadata!.name;
    return [sets.find(isFirst)?.spec?.replicas, sets.find((set) => !isFirst(set))?.spec?.replicas];
  };
  await stage.cluster.until(async () => (await replicasOf()).join() === '8,5');
  await stage.cluster.until(async () => (await get(stage, 'scaled')).status?.availableReplicas === 8);
  await stage.of(deployments).patch('scaled', { spec: { replicas: 30 } }, strategic);
  await stage.cluster.until(async () => (await replicasOf()).join() === '20,13');
});

behaviour(`${area} Deployment should have a working scale subresource`, async (stage) => {
  await stage.of(deployments).create(deployment('scaled'));
  await complete(stage, 'scaled');
  await workingScale(stage, '/apis/apps/v1/namespaces/conformance/deployments/scaled');
  expect((await complete(stage, 'scaled')).status?.readyReplicas).toBe(4);
});

behaviour(`${area} should validate Deployment Status endpoints`, async (stage) => {
  const observer = observe(stage, deployments, { namespace: stage.namespace });
  await stage.of(deployments).create(deployment('statuses'));
  await complete(stage, 'statuses');
  await statusEndpoints(stage, deployments, 'statuses');
  await observer.saw(
    'MODIFIED',
    ({ status }) => status?.conditions?.some(({ type }) => type === 'StatusUpdate') === true,
  );
  await observer.saw(
    'MODIFIED',
    ({ status }) => status?.conditions?.some(({ type }) => type === 'StatusPatched') === true,
  );
  await observer.stop();
});

behaviour(`${area} should run the lifecycle of a Deployment`, async (stage) => {
  const { namespace } = stage;
  const client = stage.of(deployments);
  const labelSelector = 'test-deployment-static=true';
  const observer = observe(stage, deployments, { namespace, labelSelector });
  await client.create(deployment('lifecycle', { replicas: 2, labels: { 'test-deployment-static': 'true' } }));
  await observer.saw('ADDED');
  await observer.saw('MODIFIED', ({ status }) => status?.readyReplicas === 2 && status.availableReplicas === 2);
  const patch = {
    metadata: { labels: { 'test-deployment': 'patched' } },
    spec: { replicas: 1, ...withImage('coxswain.dev/pause:v2').spec },
  };
  expect((await client.patch('lifecycle', patch, strategic)).metadata?.labels).toMatchObject(patch.metadata.labels);
  await observer.saw(
    'MODIFIED',
    ({ metadata, status }) => metadata?.labels?.['test-deployment'] === 'patched' && status?.readyReplicas === 1,
  );
  expect(
    (await client.list({ labelSelector })).items.map(({ spec }) => spec?.template.spec?.containers[0]?.image),
  ).toEqual(['coxswain.dev/pause:v2']);
  const updated = await rewrite(client, 'lifecycle', {
    namespace,
    subresource: 'status',
    change: (current) => ({
      ...current,
      status: { ...current.status, readyReplicas: 2, availableReplicas: 2, replicas: 2 },
    }),
  });
  expect(updated.status?.readyReplicas).toBe(2);
  const zero = { status: { readyReplicas: 0, availableReplicas: 0 } };
  const patched = await client.patch('lifecycle', zero, { ...strategic, subresource: 'status' });
  expect([patched.status?.readyReplicas ?? 0, patched.status?.availableReplicas ?? 0]).toEqual([0, 0]);
  await observer.saw('MODIFIED', (seen) => (seen.status?.readyReplicas ?? 0) === 0);
  await client.deleteCollection({ namespace, labelSelector });
  await observer.saw('DELETED');
  await expect(client.get('lifecycle', { namespace })).rejects.toSatisfy(isNotFound);
  await observer.stop();
});
