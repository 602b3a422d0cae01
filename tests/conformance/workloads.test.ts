/** ReplicaSets and ReplicationControllers. */
import { expect } from 'vitest';
import { pods, replicaSets, replicationControllers } from '#pkg/api/types/refs.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { pod, replicaSet, replicationController } from './objects.ts';
import { observe } from './observe.ts';
import { statusEndpoints, workingScale } from './status-endpoints.ts';

const rs = '[sig-apps] ReplicaSet';
const rc = '[sig-apps] ReplicationController';
const strategic = { namespace: 'conformance', type: 'strategic' } as const;

const ownersOf = (object: KubeObject) =>
  (object.metadata?.ownerReferences ?? []).map(({ kind, name }) => `${kind} ${name}`);

const running = (stage: Stage, count: number) =>
  stage.cluster.until(
    () => stage.cluster.pods(stage.namespace).filter(({ status }) => status?.phase === 'Running').length === count,
  );

async function adopts(stage: Stage, kind: 'ReplicaSet' | 'ReplicationController'): Promise<void> {
  const { namespace } = stage;
  await stage.of(pods).create(pod('pod-adoption', {}, { labels: { name: 'pod-adoption' } }));
  if (kind === 'ReplicaSet') await stage.of(replicaSets).create(replicaSet('pod-adoption'));
  else await stage.of(replicationControllers).create(replicationController('pod-adoption'));
  await stage.cluster.until(async () => {
    const found = await stage.of(pods).get('pod-adoption', { namespace });
    return ownersOf(found).includes(`${kind} pod-adoption`);
  });
  expect((await stage.of(pods).list({ namespace })).items.length).toBe(1);
}

async function releases(stage: Stage, kind: 'ReplicaSet' | 'ReplicationController'): Promise<void> {
  const { namespace } = stage;
  const [first] = (await stage.of(pods).list({ namespace, labelSelector: 'name=pod-adoption' })).items;
  const name = first!.metadata!.name!;
  await stage.of(pods).patch(name, { metadata: { labels: { name: 'not-matching-name' } } }, strategic);
  await stage.cluster.until(async () => ownersOf(await stage.of(pods).get(name, { namespace })).length === 0);
  await stage.cluster.until(async () => {
    const { items } = await stage.of(pods).list({ namespace, labelSelector: 'name=pod-adoption' });
    return items.length === 1 && ownersOf(items[0]!).includes(`${kind} pod-adoption`);
  });
}

behaviour(`${rs} should adopt matching pods on creation and release no longer matching pods`, async (stage) => {
  await adopts(stage, 'ReplicaSet');
  await releases(stage, 'ReplicaSet');
});

behaviour(`${rc} should adopt matching pods on creation`, (stage) => adopts(stage, 'ReplicationController'));

behaviour(`${rc} should release no longer matching pods`, async (stage) => {
  await stage.of(replicationControllers).create(replicationController('pod-adoption'));
  await running(stage, 1);
  await releases(stage, 'ReplicationController');
});

behaviour(`${rs} Replace and Patch tests`, async (stage) => {
  const { namespace } = stage;
  const observer = observe(stage, replicaSets, { namespace });
  await stage.of(replicaSets).create(replicaSet('test-rs'));
  await running(stage, 1);
  // Its controller has written the last of it by then, so that nobody comes in between.
  await stage.cluster.until(async () => {
    const { status } = await stage.of(replicaSets).get('test-rs', { namespace });
    return status?.availableReplicas === 1;
  });
  const current = await stage.of(replicaSets).get('test-rs', { namespace });
  await stage.of(replicaSets).update({ ...current, spec: { ...current.spec!, replicas: 2 } });
  await running(stage, 2);
  const containers = [{ name: 'main', image: 'coxswain.dev/pause:v2' }];
  const patch = {
    metadata: { labels: { 'test-rs': 'patched' } },
    spec: { replicas: 3, template: { spec: { terminationGracePeriodSeconds: 0, containers } } },
  };
  await stage.of(replicaSets).patch('test-rs', patch, strategic);
  const patched = await observer.saw(
    'MODIFIED',
    ({ metadata, status }) => metadata?.labels?.['test-rs'] === 'patched' && status?.readyReplicas === 3,
  );
  expect(patched.spec).toMatchObject({ replicas: 3, template: { spec: { containers } } });
  await running(stage, 3);
  await observer.stop();
});

behaviour(`${rs} Replicaset should have a working scale subresource`, async (stage) => {
  await stage.of(replicaSets).create(replicaSet('test-rs'));
  await running(stage, 1);
  await workingScale(stage, '/apis/apps/v1/namespaces/conformance/replicasets/test-rs');
  await running(stage, 4);
});

behaviour(`${rs} should list and delete a collection of ReplicaSets`, async (stage) => {
  const { namespace } = stage;
  await stage.of(replicaSets).create(replicaSet('test-rs', { replicas: 3, labels: { e2e: 'collection' } }));
  await running(stage, 3);
  const labelSelector = 'e2e=collection';
  expect((await stage.of(replicaSets).list({ labelSelector })).items.length).toBe(1);
  await stage.of(replicaSets).deleteCollection({ namespace, labelSelector });
  await stage.cluster.until(async () => (await stage.of(replicaSets).list({ labelSelector })).items.length === 0);
});

behaviour(`${rs} should validate Replicaset Status endpoints`, async (stage) => {
  const observer = observe(stage, replicaSets, { namespace: stage.namespace });
  await stage.of(replicaSets).create(replicaSet('test-rs'));
  await running(stage, 1);
  await statusEndpoints(stage, replicaSets, 'test-rs');
  await observer.saw(
    'MODIFIED',
    ({ status }) => status?.conditions?.some(({ type }) => type === 'StatusPatched') === true,
  );
  await observer.stop();
});

behaviour(`${rc} should get and update a ReplicationController scale`, async (stage) => {
  const path = '/api/v1/namespaces/conformance/replicationcontrollers/e2e-rc/scale';
  await stage.of(replicationControllers).create(replicationController('e2e-rc'));
  await running(stage, 1);
  await stage.cluster.until(async () => {
    const { status } = await stage.of(replicationControllers).get('e2e-rc', { namespace: stage.namespace });
    return status?.availableReplicas === 1;
  });
  const scale = await stage.request('GET', path);
  expect(scale.body).toMatchObject({ kind: 'Scale', spec: { replicas: 1 }, status: { replicas: 1 } });
  const updated = await stage.request('PUT', path, { body: { ...(scale.body as JsonObject), spec: { replicas: 2 } } });
  expect(updated.body).toMatchObject({ spec: { replicas: 2 } });
  await running(stage, 2);
  await stage.cluster.until(async () => {
    const { status } = await stage.of(replicationControllers).get('e2e-rc', { namespace: stage.namespace });
    return status?.replicas === 2;
  });
});

behaviour(`${rc} should test the lifecycle of a ReplicationController`, async (stage) => {
  const { namespace } = stage;
  const client = stage.of(replicationControllers);
  const observer = observe(stage, replicationControllers, { namespace, labelSelector: 'test-rc-static=true' });
  await client.create(replicationController('rc-test', { labels: { 'test-rc-static': 'true' } }));
  await observer.saw('ADDED');
  await observer.saw('MODIFIED', ({ status }) => status?.readyReplicas === 1);
  const labelled = { metadata: { labels: { 'test-rc': 'patched' } } };
  expect((await client.patch('rc-test', labelled, strategic)).metadata?.labels).toMatchObject({ 'test-rc': 'patched' });
  await observer.saw('MODIFIED', ({ metadata }) => metadata?.labels?.['test-rc'] === 'patched');
  const patched = await client.patch(
    'rc-test',
    { status: { readyReplicas: 0, availableReplicas: 0 } },
    { ...strategic, subresource: 'status' },
  );
  expect(patched.status?.readyReplicas ?? 0).toBe(0);
  await observer.saw('MODIFIED', ({ status }) => (status?.availableReplicas ?? 0) === 0);
  expect((await client.get('rc-test', { namespace, subresource: 'status' })).metadata?.name).toBe('rc-test');
  const scaled = await stage.request('PATCH', `/api/v1/namespaces/${namespace}/replicationcontrollers/rc-test/scale`, {
    headers: { 'content-type': 'application/strategic-merge-patch+json' },
    body: { spec: { replicas: 2 } },
  });
  expect(scaled.body).toMatchObject({ spec: { replicas: 2 } });
  await observer.saw('MODIFIED', ({ status }) => status?.replicas === 2 && status.readyReplicas === 2);
  expect((await client.list({ labelSelector: 'test-rc-static=true' })).items.map(({ spec }) => spec?.replicas)).toEqual(
    [2],
  );
  const current = await client.get('rc-test', { namespace });
  await client.update({ ...current, metadata: { ...current.metadata, annotations: { updated: 'true' } } });
  await observer.saw('MODIFIED', ({ metadata }) => metadata?.annotations?.['updated'] === 'true');
  await client.deleteCollection({ namespace, labelSelector: 'test-rc-static=true' });
  await observer.saw('DELETED');
  await expect(client.get('rc-test', { namespace })).rejects.toSatisfy(isNotFound);
  await observer.stop();
});
