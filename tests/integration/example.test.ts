import { isPodReady, makeDeployment, startTestCluster } from 'coxswain/testing';
import { expect, test } from 'vitest';

test('three replicas become ready', async () => {
  const cluster = await startTestCluster({ nodes: 2 });
  await cluster.apply(makeDeployment('web', { replicas: 3 }));
  await cluster.until(() => cluster.pods().filter(isPodReady).length === 3);
  expect(cluster.pods()).toHaveLength(3);
  await cluster.stop();
});
