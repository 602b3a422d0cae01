/** Rows that contradict each other, or name what is not there. */
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { structuralDefinition } from '#pkg/apiserver/structural-definition.ts';
import { aborted } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { integer } from '#pkg/component/flags.ts';
import { withFlags } from '#pkg/controllers/common/controller.ts';
import { startCluster } from './cluster.ts';
import { defaultSettings, loopbackAddresses } from './settings.ts';
import { type ClusterTables, checkTables, clusterTables } from './tables.ts';

const { networks, components } = clusterTables;
const orphan = { ...networks.loopback!, proxyBackend: 'ghost' };
const scheduler = components['kube-scheduler']!;
const named = (name: string) => ({ ...scheduler, identity: { ...scheduler.identity!, name } });

test('the tables that there are agree', () => {
  expect(() => checkTables(clusterTables)).not.toThrow();
});

test.each<[Partial<ClusterTables>, string]>([
  [
    { networks: { ...networks, orphan } },
    'Cannot use the network orphan as its proxy backend "ghost" is not there: use userspace',
  ],
  [
    { components: { ...components, other: named('scheduler') } },
    'Cannot use the component other as its identity scheduler is that of kube-scheduler',
  ],
  [
    { components: { ...components, other: named('admin') } },
    'Cannot use the component other as its identity admin is that of the cluster',
  ],
])('a row that cannot be is refused', (change, message) => {
  expect(() => checkTables({ ...clusterTables, ...change })).toThrow(message);
});

const notes = structuralDefinition({
  group: 'tidy.example',
  names: { plural: 'notes', kind: 'Note' },
  scope: 'Cluster',
  versions: [{ name: 'v1', served: true, storage: true, schema: { type: 'object' } }],
});
const double = withFlags({ 'node-monitor-period': integer({ help: 'Another.', fallback: 1 }) }, () => ({
  run: aborted,
}));

test.each<[Partial<ClusterTables>, string]>([
  [{ definitions: async () => [notes, notes] }, 'Cannot serve notes.tidy.example as it is served already'],
  [{ networks: { loopback: orphan } }, 'Cannot use the network loopback as its proxy backend "ghost" is not there'],
  [
    { controllers: async () => ({ ...(await clusterTables.controllers()), double }) },
    'Cannot use the controllers as node-lifecycle-controller and double both have the flag --node-monitor-period',
  ],
  [
    {
      schedulerPlugins: async () => [
        ...(await clusterTables.schedulerPlugins()),
        ...(await clusterTables.schedulerPlugins()),
      ],
    },
    'Cannot make a scheduler profile as it needs exactly one queue order: it has 2',
  ],
  [
    { volumePlugins: async () => [...(await clusterTables.volumePlugins()), ...(await clusterTables.volumePlugins())] },
    'Cannot use the volume plugins as two are of one kind',
  ],
])('a cluster of such tables says so in one line and leaves nothing', async (change, message) => {
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-tables-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const { signal } = new AbortController();
  const settings = { ...defaultSettings, ...loopbackAddresses(61), runtime: 'fake', store: 'memory', apiPort: 0 };
  const base = { clock: new SystemClock(), random: new SystemRandom(), log: silentLogger };
  /** Where it answered, if it came to that. */
  const served: URL[] = [];
  const running = (async () => {
    const onServing = ({ server }: { readonly server: string }) => void served.push(new URL(server));
    const all = { ...clusterTables, ...change };
    const cluster = await startCluster({ ...base, settings, folder, signal, onServing, tables: all });
    await cluster.stopped;
  })();
  await expect(running).rejects.toThrow(message);
  await expect(running).rejects.not.toThrow('\n');
  for (const { hostname, port } of served) expect(await answers(hostname, Number(port))).toBe(false);
});

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
  });
}
