/** Gangs in a whole cluster on virtual time: the API with its rules and rights, and the scheduler with its feature gates. */
import { expect, test } from 'vitest';
import { podGroups, pods as podsRef } from '#pkg/api/types/refs.ts';
import { makePod } from '#pkg/testing/builders.ts';
import { startTestCluster } from '#pkg/testing/cluster.ts';

const member = (name: string, podGroupName: string, cpu: string) => ({
  ...makePod(name).request({ cpu }).spec({ schedulingGroup: { podGroupName } }).object,
  apiVersion: 'v1',
  kind: 'Pod',
});

const gang = (name: string, minCount: number) => ({
  apiVersion: 'scheduling.k8s.io/v1alpha2',
  kind: 'PodGroup',
  metadata: { name, namespace: 'default' },
  spec: { schedulingPolicy: { gang: { minCount } } },
});

test('a gang runs as a whole once it fits, and says that it did', async () => {
  const cluster = await startTestCluster({
    nodes: 3,
    flags: {
      'kube-apiserver': { 'runtime-config': 'scheduling.k8s.io/v1alpha2=true' },
      'kube-scheduler': { 'feature-gates': 'GenericWorkload=true,GangScheduling=true' },
    },
  });
  const statusOf = async (name: string) =>
    (await cluster.client.resource(podGroups).get(name, { namespace: 'default' })).status?.conditions?.[0]?.status;
  const placed = () =>
    cluster.pods('default').flatMap(({ metadata, spec }) => (spec?.nodeName ? [metadata?.name] : []));
  await cluster.apply(gang('first', 2), gang('second', 3));
  await cluster.apply(member('first-x', 'first', '3'), member('first-y', 'first', '3'));
  await cluster.until(async () => (await statusOf('first')) === 'True');
  await cluster.apply(...['x', 'y', 'z'].map((name) => member(`second-${name}`, 'second', '3')));
  await cluster.until(async () => (await statusOf('second')) === 'False');
  expect(placed()).toEqual(['first-x', 'first-y']);
  for (const name of ['first-x', 'first-y'])
    await cluster.client.resource(podsRef).delete(name, { namespace: 'default' });
  await cluster.until(() => cluster.pods('default').filter(({ status }) => status?.phase === 'Running').length === 3);
  expect(placed()).toEqual(['second-x', 'second-y', 'second-z']);
  await cluster.until(async () => (await statusOf('second')) === 'True');
  await cluster.stop();
});
