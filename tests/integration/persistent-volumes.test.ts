/** Stateful sets with claims in a whole cluster: scheduler, binder, kubelets and authorization together, on virtual time. */
import { expect, test } from 'vitest';
import type { StatefulSet } from '#pkg/api/types/apps-v1.ts';
import { persistentVolumeClaims, persistentVolumes, pods, statefulSets } from '#pkg/api/types/refs.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';

const namespace = 'default';

const set: StatefulSet = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'db', namespace },
  spec: {
    serviceName: 'db',
    replicas: 3,
    selector: { matchLabels: { app: 'db' } },
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Delete' },
    template: {
      metadata: { labels: { app: 'db' } },
      spec: {
        containers: [{ name: 'c', image: 'i', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
        terminationGracePeriodSeconds: 0,
      },
    },
    volumeClaimTemplates: [
      {
        metadata: { name: 'data' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
      },
    ],
  },
};

const ready = (cluster: TestCluster, count: number): Promise<void> =>
  cluster.until(() => {
    const running = cluster.pods(namespace).filter(({ status }) => status?.phase === 'Running');
    return running.length === count && cluster.pods(namespace).length === count;
  });

test('pods of a stateful set get volumes of their nodes, come back to them, and leave what their policy says', async () => {
  const cluster = await startTestCluster({ nodes: 3 });
  try {
    await cluster.apply(set);
    await ready(cluster, 3);
    const claims = await cluster.client.resource(persistentVolumeClaims).list({ namespace });
    expect(claims.items.map(({ metadata, status }) => `${metadata?.name} ${status?.phase}`).sort()).toEqual([
      'data-db-0 Bound',
      'data-db-1 Bound',
      'data-db-2 Bound',
    ]);
    const client = cluster.client.resource(pods);
    const before = await client.get('db-1', { namespace });
    const volumeOf = async (name: string): Promise<string | undefined> =>
      (await cluster.client.resource(persistentVolumeClaims).get(name, { namespace })).spec?.volumeName;
    const volume = await volumeOf('data-db-1');
    await client.delete('db-1', { namespace });
    await cluster.until(async () => {
      const again = cluster.pods(namespace).find(({ metadata }) => metadata?.name === 'db-1');
      return again?.metadata?.uid !== before.metadata?.uid && again?.status?.phase === 'Running';
    });
    expect((await client.get('db-1', { namespace })).spec?.nodeName).toBe(before.spec?.nodeName);
    expect(await volumeOf('data-db-1')).toBe(volume);
    await cluster.client.resource(statefulSets).patch('db', { spec: { replicas: 1 } }, { namespace, type: 'merge' });
    await cluster.until(async () => (await cluster.client.resource(persistentVolumes).list()).items.length === 1);
    await cluster.client.resource(statefulSets).delete('db', { namespace });
    await ready(cluster, 0);
    await cluster.advance(60_000);
    expect((await cluster.client.resource(persistentVolumes).list()).items.length).toBe(1);
  } finally {
    await cluster.stop();
  }
});
