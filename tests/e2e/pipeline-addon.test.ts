/** The delivery pipeline as an addon: one command each way, a push that comes to production in between, and what stays of it. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { PushedSources } from './pushed-sources.ts';
import { eventually, hookMs, RunningCluster } from './running-cluster.ts';

let cluster: RunningCluster;
let shop: PushedSources | undefined;

beforeAll(async () => {
  cluster = await RunningCluster.start({ flags: ['--addons', 'pipeline'] });
}, hookMs);
afterAll(async () => {
  shop?.remove();
  await cluster?.remove();
}, hookMs);

const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', args);

const productionImage = (): Promise<string> =>
  kubectl('get', 'deployment/shop', '-n', 'production', '-o', 'jsonpath={.spec.template.spec.containers[0].image}');

test('a push to its repositories comes to production', async () => {
  await kubectl('apply', '-f', join(root, 'manifests/pipeline/pipeline.yaml'));
  const address = 'jsonpath={.spec.clusterIP}:{.spec.ports[0].port}';
  const server = await kubectl('get', 'service/git', '-n', 'coxswain-pipeline', '-o', address);
  shop = await PushedSources.copy(cluster, join(root, 'manifests/pipeline/app'), `${server}/ci/shop.git`);
  expect(await shop.ended(await shop.push('First'))).toMatchObject({ phase: 'Succeeded' });
  expect(await productionImage()).toMatch(/\/pipeline\/images\/ci\/shop\/sha256-[0-9a-f]{64}\/server\.js$/);
  const listed = await cluster.coxswain(['pipeline', 'list', '-n', 'ci']);
  expect([listed.code, listed.stdout]).toEqual([0, expect.stringMatching(/^shop-1 .* Succeeded /m)]);
});

test('a second server of the same repositories is refused, and so is taking the kinds from under the addon', async () => {
  const served = await cluster.coxswain(['pipeline', 'serve', '--port', '0']);
  expect([served.code, served.stdout, served.stderr]).toEqual([
    1,
    '',
    'coxswain: the cluster has the addon pipeline: "kubectl get service git -n coxswain-pipeline" says where it serves repositories\n',
  ]);
  const uninstalled = await cluster.coxswain(['pipeline', 'uninstall']);
  expect([uninstalled.code, uninstalled.stderr]).toEqual([
    1,
    'coxswain: the cluster has the addon pipeline: "coxswain addon disable pipeline" takes it away\n',
  ]);
});

test('disabled, nothing of it is left but what it has brought to production', async () => {
  const image = await productionImage();
  const disabled = await cluster.coxswain(['addon', 'disable', 'pipeline']);
  expect([disabled.code, disabled.stdout]).toEqual([0, 'pipeline is disabled\n']);
  const left = await kubectl('get', 'crd,namespace,clusterrole,clusterrolebinding', '-o', 'name');
  expect(left.split('\n').filter((name) => /coxswain-pipeline|coxswain:addon|ci\.coxswain/.test(name))).toEqual([]);
  // Those of the steps of runs go with the runs.
  await eventually(
    () => kubectl('get', 'pods', '-n', 'ci', '-o', 'name'),
    (pods) => pods === '',
  );
  expect(await productionImage()).toBe(image);
});
