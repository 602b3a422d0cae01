/** `startTestCluster({ listen: true })` as other programs see it: kubectl, Helm, and a small operator on the official JavaScript client. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CoreV1Api,
  type Informer,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  type V1ConfigMap,
} from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isPodReady } from '#pkg/api/core/pod.ts';
import { type ListeningTestCluster, startTestCluster } from '#pkg/testing/cluster.ts';
import { binary, kubectlVersions } from './kubectl-binary.ts';
import { run } from './running-cluster.ts';

let cluster: ListeningTestCluster;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coxswain-listening-'));
  cluster = await startTestCluster({ listen: true, nodes: 2 });
});

afterAll(async () => {
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
});

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: NAME }
spec:
  replicas: 2
  selector: { matchLabels: { app: NAME } }
  template:
    metadata: { labels: { app: NAME } }
    spec: { containers: [{ name: main, image: coxswain.dev/echo }] }
`;

test.each(kubectlVersions)('kubectl 1.%s applies and waits', async (version) => {
  const kubectl = (args: readonly string[], input?: string) =>
    run(
      binary(version, 'kubectl'),
      ['--kubeconfig', cluster.kubeconfigFile, ...args],
      input === undefined ? {} : { input },
    );
  const name = `web-${version}`;
  expect(await kubectl(['apply', '-f', '-'], deployment.replaceAll('NAME', name))).toMatchObject({ code: 0 });
  const { code, stdout } = await kubectl(['rollout', 'status', `deployment/${name}`, '--timeout=60s']);
  expect([code, stdout]).toEqual([0, expect.stringContaining('successfully rolled out')]);
  expect(
    (await kubectl(['get', 'nodes', '--no-headers'])).stdout.split('\n').filter((line) => / Ready /.test(line)),
  ).toHaveLength(2);
});

test('Helm installs and waits', async () => {
  const chart = join(folder, 'chart');
  const made = await run('mkdir', ['-p', join(chart, 'templates')]);
  expect(made.code).toBe(0);
  writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: web\nversion: 1.0.0\n');
  writeFileSync(join(chart, 'templates', 'web.yaml'), deployment.replaceAll('NAME', '{{ .Release.Name }}'));
  const home = { HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder };
  const helm = (...args: readonly string[]) =>
    run(binary('35', 'helm'), ['--kubeconfig', cluster.kubeconfigFile, ...args], { env: home });
  expect(await helm('install', 'chartered', chart, '--wait', '--timeout', '60s')).toMatchObject({ code: 0 });
  expect(cluster.pods().filter((pod) => pod.metadata?.labels?.app === 'chartered' && isPodReady(pod))).toHaveLength(2);
  expect(await helm('uninstall', 'chartered', '--wait')).toMatchObject({ code: 0 });
});

test('an operator keeps what it was asked for', async () => {
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfigFile);
  const core = config.makeApiClient(CoreV1Api);
  const objects = KubernetesObjectApi.makeApiClient(config);
  const labelSelector = 'example.com/pods';
  // Every ConfigMap with the label asks for that many pods.
  const reconcile = async ({ metadata, data }: V1ConfigMap): Promise<void> => {
    for (let i = 0; i < Number(data?.count ?? 0); i++) {
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          name: `${metadata!.name}-${i}`,
          namespace: 'default',
          ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: metadata!.name!, uid: metadata!.uid! }],
        },
        spec: { containers: [{ name: 'main', image: 'coxswain.dev/pause' }] },
      };
      await objects.patch(pod, undefined, undefined, 'operator', true, 'application/apply-patch+yaml');
    }
  };
  const failures: unknown[] = [];
  const list = () => core.listNamespacedConfigMap({ namespace: 'default', labelSelector });
  const informer: Informer<V1ConfigMap> = makeInformer(
    config,
    '/api/v1/namespaces/default/configmaps',
    list,
    labelSelector,
  );
  const handle = (map: V1ConfigMap): void => void reconcile(map).catch((error: unknown) => failures.push(error));
  informer.on('add', handle);
  informer.on('update', handle);
  await informer.start();
  const metadata = { name: 'team', labels: { 'example.com/pods': 'yes' } };
  const mine = () => cluster.pods().filter((pod) => pod.metadata?.name?.startsWith('team-') && isPodReady(pod));
  await core.createNamespacedConfigMap({ namespace: 'default', body: { metadata, data: { count: '2' } } });
  await cluster.until(() => mine().length === 2);
  await core.patchNamespacedConfigMap({
    namespace: 'default',
    name: 'team',
    body: [{ op: 'replace', path: '/data/count', value: '3' }],
  });
  await cluster.until(() => mine().length === 3);
  // The garbage collector takes what the operator made when its owner goes.
  await core.deleteNamespacedConfigMap({ namespace: 'default', name: 'team' });
  await cluster.until(() => cluster.pods().every((pod) => !pod.metadata?.name?.startsWith('team-')));
  await informer.stop();
  expect(failures).toEqual([]);
});
