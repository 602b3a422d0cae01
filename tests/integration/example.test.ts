/** The test that a user would copy: a cluster inside a test, on virtual time. */
import { expect, test } from 'vitest';
import { makeDeployment } from '#pkg/testing/builders.ts';
import { isPodReady, startTestCluster } from '#pkg/testing/cluster.ts';

test('a Deployment of three replicas gets three ready pods, spread as the scheduler likes', async () => {
  const cluster = await startTestCluster({ nodes: 2 });
  await cluster.apply(makeDeployment('web', { replicas: 3, requests: { cpu: '100m' } }));
  await cluster.until(() => cluster.pods().filter(isPodReady).length === 3);
  expect(cluster.pods().map((pod) => pod.metadata?.labels?.['app'])).toEqual(['web', 'web', 'web']);
  await cluster.stop();
});
