/** What a cluster is made of is added by one entry in one table: each sort of part is really added here, and a cluster runs with all of them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { processPlans } from '#cmd/coxswain/process-names.ts';
import { configMaps, pods, services } from '#pkg/api/types/refs.ts';
import { aborted } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { startCluster } from '#pkg/cluster/cluster.ts';
import { depsOf } from '#pkg/cluster/parts.ts';
import { defaultSettings, loopbackAddresses } from '#pkg/cluster/settings.ts';
import { type ClusterTables, clusterTables } from '#pkg/cluster/tables.ts';

const log = silentLogger;
const used = new Set<string>();

const tables: ClusterTables = {
  components: {
    ...clusterTables.components,
    dummy: {
      folder: 'dummy',
      identity: { name: 'dummy', subject: () => ({ commonName: 'system:dummy' }) },
      perNode: false,
      opensSockets: false,
      flags: ({ kubeconfig }) => ({ kubeconfig }),
      start: async ({ as, members }) => {
        const { client } = depsOf(as('dummy'), 'dummy');
        members.start('dummy', {
          run: async (signal) => {
            await client.resource(configMaps).create({ metadata: { name: 'dummy', namespace: 'default' } });
            used.add('component');
            await aborted(signal);
          },
        });
      },
    },
  },
  stores: {
    ...clusterTables.stores,
    dummy: {
      ...clusterTables.stores.memory!,
      accepts: (store) => store === 'dummy',
      open: (place) => {
        used.add('store');
        return clusterTables.stores.memory!.open(place);
      },
    },
  },
  runtimes: { ...clusterTables.runtimes, dummy: clusterTables.runtimes.fake! },
  networks: { ...clusterTables.networks, dummy: { ...clusterTables.networks.loopback!, proxyBackend: 'dummy' } },
  proxyBackends: {
    ...clusterTables.proxyBackends,
    dummy: {
      open: async () => ({
        sync: async () => {
          used.add('proxy backend');
          return [];
        },
        close: async () => {},
      }),
    },
  },
};

test('a component, a store driver, a runtime, a network and a proxy backend are an entry each', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-plugs-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const { signal } = new AbortController();
  const settings = {
    ...defaultSettings,
    ...loopbackAddresses(62),
    runtime: 'fake,dummy',
    store: 'dummy',
    network: 'dummy',
    apiPort: 0,
  };
  const base = { clock: new SystemClock(), random: new SystemRandom(), log };
  const cluster = await startCluster({ ...base, settings, folder, signal, tables });
  try {
    await cluster.nodesReady(20_000, signal);
    const identity = { commonName: 'test', organizations: ['system:masters'] };
    const client = createClient({ transport: inProcessTransport(cluster.handle, identity), userAgent: 'test' });
    const runtimeClass = { group: 'node.k8s.io', version: 'v1', resource: 'runtimeclasses', kind: 'RuntimeClass' };
    await client
      .resource({ ...runtimeClass, namespaced: false })
      .create({ metadata: { name: 'dummy' }, handler: 'dummy' } as never);
    await client.resource(pods).create({
      metadata: { name: 'plugged', namespace: 'default' },
      spec: { runtimeClassName: 'dummy', containers: [{ name: 'main', image: 'example.com/app' }] },
    });
    await expect
      .poll(async () => (await client.resource(pods).get('plugged', { namespace: 'default' })).status?.phase, {
        timeout: 15_000,
      })
      .toBe('Running');
    expect((await client.resource(services).list()).items).not.toEqual([]);
    await expect.poll(() => [...used].toSorted(), { timeout: 15_000 }).toEqual(['component', 'proxy backend', 'store']);
    expect((await cluster.health.run()).map(({ name }) => name)).toContain('dummy');
    expect(cluster.pki.identities.has('dummy')).toBe(true);
    expect(processPlans(settings, tables.components)).toContainEqual({
      component: 'dummy',
      folder: 'dummy',
      name: 'dummy',
    });
  } finally {
    await cluster.stop();
  }
});
