/**
 * What a cluster is made of is added by one entry in one table: each sort of part is really added here, and a cluster runs with all of them.
 * A second version and subresources are in `definitions.test.ts`, a process in `process-plug.test.ts`.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readUpArguments } from '#cmd/coxswain/up-arguments.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { configMaps, pods, services, storageClasses } from '#pkg/api/types/refs.ts';
import { type StructuralVersion, structuralDefinition } from '#pkg/apiserver/structural-definition.ts';
import { aborted } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { type RunningCluster, startCluster } from '#pkg/cluster/cluster.ts';
import { depsOf } from '#pkg/cluster/parts.ts';
import type { RuntimeKind } from '#pkg/cluster/runtimes.ts';
import { defaultSettings, loopbackAddresses } from '#pkg/cluster/settings.ts';
import { type ClusterTables, clusterTables } from '#pkg/cluster/tables.ts';
import { integer, text } from '#pkg/component/flags.ts';
import { withFlags } from '#pkg/controllers/common/controller.ts';
import type { VolumePlugin } from '#pkg/kubelet/volumes/volume-plugin.ts';
import type { PluginEntry } from '#pkg/scheduler/framework/plugin-context.ts';
import { success, unresolvable } from '#pkg/scheduler/framework/status.ts';

const log = silentLogger;
const used = new Set<string>();
/** Where volumes are in the containers of the dummy runtime. */
const mounts: string[] = [];

/** The fake runtime, which notes what is mounted. */
const runtime: RuntimeKind = {
  ...clusterTables.runtimes.fake!,
  open: async (place) => {
    const open = await clusterTables.runtimes.fake!.open(place);
    const { containers } = open.runtime;
    const create = containers.create.bind(containers);
    containers.create = (id, config) => {
      mounts.push(...config.mounts.map(({ hostPath, containerPath }) => `${hostPath} at ${containerPath}`));
      return create(id, config);
    };
    return open;
  },
};

const greeter = withFlags(
  {
    'greeting-text': text({ help: 'What is said.', fallback: 'nothing' }),
    'greeting-count': integer({ help: 'How often.', fallback: 1 }),
  },
  ({ client }, values) => ({
    run: async (signal) => {
      const data = { said: Array(values['greeting-count']).fill(values['greeting-text']).join(' ') };
      await client.resource(configMaps).create({ metadata: { name: 'greeting', namespace: 'default' }, data });
      await aborted(signal);
    },
  }),
  { rights: ['create core configmaps'] },
);

/** Lets pods go to the nodes that a StorageClass names; refuses all others. */
const chooser: PluginEntry = {
  create: ({ lister }) => {
    const classes = lister(storageClasses);
    return {
      name: 'Chooser',
      events: [{ resource: 'StorageClass', actions: ['Add'] }],
      filter: () => (node) =>
        classes.get('chosen')?.parameters?.node === node.name ? success : unresolvable('node(s) were not chosen'),
    };
  },
};

const nfs: VolumePlugin = { kind: 'nfs', setUp: async ({ nfs: share }) => ({ path: `/shares${share?.path}` }) };

const schema = { type: 'object', properties: { spec: { type: 'object', properties: { text: { type: 'string' } } } } };
const version: StructuralVersion = { name: 'v1', served: true, storage: true, schema };
const names = { plural: 'notes', kind: 'Note' };
const notes = structuralDefinition({ group: 'tidy.example', names, scope: 'Cluster', versions: [version] });

const tables: ClusterTables = {
  components: {
    ...clusterTables.components,
    dummy: {
      folder: 'dummy',
      identity: { name: 'dummy', subject: () => ({ commonName: 'system:dummy' }) },
      perNode: false,
      opensSockets: false,
      flags: ({ kubeconfig }) => ({ kubeconfig }),
      rights: ['create core configmaps'],
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
  runtimes: { ...clusterTables.runtimes, dummy: runtime },
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
  definitions: async () => [notes],
  controllers: async () => ({ ...(await clusterTables.controllers()), greeter }),
  schedulerPlugins: async () => [...(await clusterTables.schedulerPlugins()), chooser],
  volumePlugins: async () => [...(await clusterTables.volumePlugins()), nfs],
};

/** Settings as `up` has them from a configuration file and the command line. */
async function settingsOf(folder: string) {
  const config = join(folder, 'up.yaml');
  await writeFile(
    config,
    'components:\n  kube-controller-manager:\n    greetingText: from the file\n    greetingCount: 2\n',
  );
  const args = ['--config', config, '--extra-config', 'kube-controller-manager.greeting-text=hello'];
  const { componentFlags = {} } = await readUpArguments(args, tables);
  const dummies = { runtime: 'fake,dummy', store: 'dummy', network: 'dummy' };
  return { ...defaultSettings, ...loopbackAddresses(62), ...dummies, apiPort: 0, componentFlags };
}

async function start(): Promise<{ readonly cluster: RunningCluster; readonly client: Client }> {
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-plugs-'));
  const { signal } = new AbortController();
  const base = { clock: new SystemClock(), random: new SystemRandom(), log };
  const cluster = await startCluster({ ...base, settings: await settingsOf(folder), folder, signal, tables });
  onTestFinished(async () => {
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  });
  await cluster.nodesReady(90_000, signal);
  const identity = { commonName: 'test', organizations: ['system:masters'] };
  return {
    cluster,
    client: createClient({ transport: inProcessTransport(cluster.handle, identity), userAgent: 'test' }),
  };
}

const patient = { timeout: 90_000 };

test('a resource, a controller with flags, a scheduler plugin that reads the API, a store driver, a runtime, a network, a proxy backend, a volume kind and a component are an entry each', async () => {
  const { cluster, client } = await start();
  const runtimeClass = { group: 'node.k8s.io', version: 'v1', resource: 'runtimeclasses', kind: 'RuntimeClass' };
  await client
    .resource({ ...runtimeClass, namespaced: false })
    .create({ metadata: { name: 'dummy' }, handler: 'dummy' } as never);
  await client.resource(pods).create({
    metadata: { name: 'plugged', namespace: 'default' },
    spec: {
      runtimeClassName: 'dummy',
      containers: [{ name: 'main', image: 'example.com/app', volumeMounts: [{ name: 'share', mountPath: '/data' }] }],
      volumes: [{ name: 'share', nfs: { server: 'files.example', path: '/music' } }],
    },
  });
  const pod = (): Promise<Pod> => client.resource(pods).get('plugged', { namespace: 'default' });
  const refusal = async () => (await pod()).status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message;
  await expect.poll(refusal, patient).toContain('1 node(s) were not chosen');
  const parameters = { node: 'dev-node-1' };
  await client.resource(storageClasses).create({ metadata: { name: 'chosen' }, provisioner: 'none', parameters });
  await expect.poll(async () => (await pod()).status?.phase, patient).toBe('Running');
  expect(mounts).toContain('/shares/music at /data');
  const greeting = async () => (await client.resource(configMaps).get('greeting', { namespace: 'default' })).data;
  await expect.poll(greeting, patient).toEqual({ said: 'hello hello' });
  const ref = { group: 'tidy.example', version: 'v1', resource: 'notes', kind: 'Note', namespaced: false };
  await client.resource(ref).create({ metadata: { name: 'a' }, spec: { text: 'kept', other: 'pruned' } } as never);
  expect(await client.resource(ref).get('a')).toMatchObject({ kind: 'Note', spec: { text: 'kept' } });
  expect((await client.resource(services).list()).items).not.toEqual([]);
  await expect.poll(() => [...used].toSorted(), patient).toEqual(['component', 'proxy backend', 'store']);
  expect((await cluster.health.run()).map(({ name }) => name)).toContain('dummy');
  expect(cluster.pki.identities.has('dummy')).toBe(true);
});
