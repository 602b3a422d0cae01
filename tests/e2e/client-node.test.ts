/** The official JavaScript client against a running cluster: typed calls, an informer, patches, errors. */
import {
  AppsV1Api,
  CoreV1Api,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  type V1ConfigMap,
  VersionApi,
  Watch,
} from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, hookMs, RunningCluster } from './running-cluster.ts';

let cluster: RunningCluster;
const config = new KubeConfig();

beforeAll(async () => {
  cluster = await RunningCluster.start();
  config.loadFromFile(cluster.kubeconfig);
}, hookMs);

afterAll(async () => {
  await cluster?.remove();
}, hookMs);

test('typed calls: version, create, list with selectors and pages, replace, delete', async () => {
  const core = config.makeApiClient(CoreV1Api);
  expect((await config.makeApiClient(VersionApi).getCode()).gitVersion).toMatch(/^v1\.36\./);
  for (let i = 0; i < 5; i++) {
    const body = { metadata: { name: `page-${i}`, labels: { set: 'page' } }, data: { index: String(i) } };
    await core.createNamespacedConfigMap({ namespace: 'default', body });
  }
  const names: (string | undefined)[] = [];
  let next: string | undefined;
  do {
    const page = await core.listNamespacedConfigMap({
      namespace: 'default',
      labelSelector: 'set=page',
      limit: 2,
      ...(next === undefined ? {} : { _continue: next }),
    });
    names.push(...page.items.map((item) => item.metadata?.name));
    next = page.metadata?._continue || undefined;
  } while (next !== undefined);
  expect(names).toEqual(['page-0', 'page-1', 'page-2', 'page-3', 'page-4']);
  const old = await core.readNamespacedConfigMap({ name: 'page-0', namespace: 'default' });
  await core.replaceNamespacedConfigMap({
    name: 'page-0',
    namespace: 'default',
    body: { ...old, data: { index: 'new' } },
  });
  const stale = core.replaceNamespacedConfigMap({ name: 'page-0', namespace: 'default', body: old });
  await expect(stale).rejects.toMatchObject({ code: 409 });
  await core.deleteCollectionNamespacedConfigMap({ namespace: 'default', labelSelector: 'set=page' });
  const left = await core.listNamespacedConfigMap({ namespace: 'default', labelSelector: 'set=page' });
  expect(left.items).toEqual([]);
});

test('an informer sees a Deployment come and go', async () => {
  const apps = config.makeApiClient(AppsV1Api);
  const seen: string[] = [];
  const list = () => apps.listNamespacedDeployment({ namespace: 'default' });
  const informer = makeInformer(config, '/apis/apps/v1/namespaces/default/deployments', list);
  informer.on('add', (object) => seen.push(`add ${object.metadata?.name}`));
  informer.on('update', (object) => seen.push(`update ${object.status?.readyReplicas ?? 0}`));
  informer.on('delete', (object) => seen.push(`delete ${object.metadata?.name}`));
  await informer.start();
  try {
    const labels = { app: 'seen' };
    const container = { name: 'main', image: 'coxswain.dev/echo:v1' };
    const template = { metadata: { labels }, spec: { containers: [container] } };
    const body = { metadata: { name: 'seen' }, spec: { replicas: 2, selector: { matchLabels: labels }, template } };
    await apps.createNamespacedDeployment({ namespace: 'default', body });
    await eventually(
      async () => seen,
      (lines) => lines.includes('update 2'),
    );
    await apps.deleteNamespacedDeployment({ name: 'seen', namespace: 'default' });
    await eventually(
      async () => seen,
      (lines) => lines.at(-1) === 'delete seen',
    );
    expect(seen[0]).toBe('add seen');
  } finally {
    await informer.stop();
  }
});

test('patches of three kinds, and server-side apply through the object API', async () => {
  const core = config.makeApiClient(CoreV1Api);
  await core.createNamespacedConfigMap({
    namespace: 'default',
    body: { metadata: { name: 'patched' }, data: { a: '1', b: '2' } },
  });
  const patch = (body: unknown, strategy: (typeof PatchStrategy)[keyof typeof PatchStrategy]) =>
    core.patchNamespacedConfigMap(
      { name: 'patched', namespace: 'default', body },
      setHeaderOptions('Content-Type', strategy),
    );
  await patch([{ op: 'remove', path: '/data/a' }], PatchStrategy.JsonPatch);
  await patch({ data: { c: '3' } }, PatchStrategy.MergePatch);
  const last = await patch({ data: { b: null } }, PatchStrategy.StrategicMergePatch);
  expect(last.data).toEqual({ c: '3' });
  const objects = KubernetesObjectApi.makeApiClient(config);
  const object: V1ConfigMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'patched', namespace: 'default' },
    data: { d: '4' },
  };
  await objects.patch(object, undefined, undefined, 'library', true, PatchStrategy.ServerSideApply);
  const { metadata } = await core.readNamespacedConfigMap({ name: 'patched', namespace: 'default' });
  const managers = metadata?.managedFields?.map(({ manager, operation }) => `${manager} ${operation}`);
  expect(managers).toContain('library Apply');
  await expect(core.readNamespacedConfigMap({ name: 'nothing', namespace: 'default' })).rejects.toMatchObject({
    code: 404,
  });
});

test('a watch goes on from the resourceVersion it is given', async () => {
  const core = config.makeApiClient(CoreV1Api);
  const start = (await core.listNamespacedSecret({ namespace: 'default' })).metadata?.resourceVersion;
  for (const name of ['one', 'two']) {
    await core.createNamespacedSecret({
      namespace: 'default',
      body: { metadata: { name }, stringData: { key: name } },
    });
  }
  const seen: string[] = [];
  const query = { resourceVersion: start };
  const controller = await new Watch(config).watch(
    '/api/v1/namespaces/default/secrets',
    query,
    (type, object) => seen.push(`${type} ${object.metadata.name}`),
    () => {},
  );
  await eventually(
    async () => seen,
    (lines) => lines.length >= 2,
  );
  controller.abort();
  expect(seen).toEqual(['ADDED one', 'ADDED two']);
});
