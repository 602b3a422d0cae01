import { existsSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { isPodReady } from '#pkg/api/core/pod.ts';
import { deployments, nodes, replicaSets } from '#pkg/api/types/refs.ts';
import { networkTransport } from '#pkg/client/network-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { makeDeployment } from './builders.ts';
import { type ListeningTestCluster, startTestCluster } from './cluster.ts';

/** A client as any other program would have it: by the kubeconfig alone. */
function outsider({ kubeconfig }: Pick<ListeningTestCluster, 'kubeconfig'>) {
  const { clusters, users } = JSON.parse(kubeconfig);
  const pem = (data: string): string => Buffer.from(data, 'base64').toString();
  const transport = networkTransport({
    server: clusters[0].cluster.server,
    ca: pem(clusters[0].cluster['certificate-authority-data']),
    cert: pem(users[0].user['client-certificate-data']),
    key: pem(users[0].user['client-key-data']),
  });
  return { client: createClient({ transport, userAgent: 'outsider' }), close: () => transport.close() };
}

/** Resolves with whether somebody listens there. */
function answers(server: string): Promise<boolean> {
  const { hostname, port } = new URL(server);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

test('two clusters listen beside each other, and leave nothing behind', async () => {
  const both = await Promise.all([startTestCluster({ listen: true, nodes: 2 }), startTestCluster({ listen: true })]);
  const [first, second] = both;
  expect(statSync(first.kubeconfigFile).mode & 0o777).toBe(0o600);
  const [one, two] = both.map(outsider);
  await one!.client.resource(deployments).create(makeDeployment('web', { replicas: 3 }));
  await first.until(() => first.pods().filter(isPodReady).length === 3);
  const names = async (seen: typeof one) =>
    (await seen!.client.resource(nodes).list()).items.map((node) => node.metadata?.name);
  expect([await names(one), await names(two)]).toEqual([['node-1', 'node-2'], ['node-1']]);
  expect(second.pods()).toEqual([]);
  await Promise.all([one!.close(), two!.close()]);
  await Promise.all(both.map((cluster) => cluster.stop()));
  expect(both.map(({ kubeconfigFile }) => existsSync(dirname(kubeconfigFile)))).toEqual([false, false]);
  expect(await Promise.all(both.map(({ server }) => answers(server)))).toEqual([false, false]);
});

test('controllers run that were named, and nodes may be none', async () => {
  const cluster = await startTestCluster({ listen: true, nodes: 0, controllers: ['deployment-controller'] });
  await cluster.apply(makeDeployment('web', { replicas: 3 }));
  const sets = await cluster.lister(replicaSets);
  await cluster.until(() => sets.list().length === 1);
  expect(cluster.pods()).toEqual([]);
  await cluster.stop();
  await cluster.stop();
});

test('waiting for what does not come ends with the time, or with the cluster', async () => {
  const cluster = await startTestCluster({ listen: true, nodes: 0, controllers: [] });
  await expect(cluster.until(() => false, 20)).rejects.toThrow('Cannot reach the awaited state as 20 ms have passed');
  const waiting = expect(cluster.until(() => false)).rejects.toThrow('the cluster has stopped');
  await cluster.stop();
  await waiting;
});

test('a controller that does not exist is refused, and nothing is left', async () => {
  await expect(startTestCluster({ listen: true, controllers: ['nonesuch'] })).rejects.toThrow(
    'Cannot start controller nonesuch as there is none',
  );
});
