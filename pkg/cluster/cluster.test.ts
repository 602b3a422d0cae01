/** A cluster as `coxswain up` starts it: real sockets, certificates and clock, the fake runtime and the memory store. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { kubernetesVersion } from '#pkg/api/facts.ts';
import type { Node } from '#pkg/api/types/core-v1.ts';
import { endpoints, namespaces, nodes, serviceAccounts, services } from '#pkg/api/types/refs.ts';
import { isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import { type Clock, SystemClock, type Timer } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { networkTransport } from '#pkg/client/network-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { type RunningCluster, startCluster } from './cluster.ts';
import { nodesOf } from './nodes.ts';
import { kubernetesRelease } from './release.js';
import { defaultSettings, loopbackAddresses } from './settings.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coxswain-cluster-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** What comes of parts that nobody waits for comes when it comes. */
const patience = { timeout: 60_000, interval: 20 };

/** Ranges that no cluster of a person has by default, so that the test runs beside one. */
const settings = {
  ...defaultSettings,
  ...loopbackAddresses(63),
  runtime: 'fake',
  store: 'memory',
  nodes: 2,
  apiPort: 0,
} as const;

function start(
  overrides: Partial<typeof defaultSettings> = {},
  onServing: (at: Pick<RunningCluster, 'pki' | 'server'>) => void = () => {},
  clock: Clock = new SystemClock(),
) {
  return startCluster({
    onServing,
    settings: { ...settings, ...overrides },
    folder,
    clock,
    random: new SystemRandom(),
    log: silentLogger,
    signal: new AbortController().signal,
  });
}

test('the person’s certificate opens the API over HTTPS, its absence does not, and stopping closes it', async () => {
  const cluster = await start();
  const never = new AbortController().signal;
  await cluster.nodesReady(90_000, never);
  const admin = cluster.pki.identities.get('admin')!;
  const ca = cluster.pki.authority.certificate;
  const transport = networkTransport({ server: cluster.server, ca, cert: admin.certificate, key: admin.key });
  const client = createClient({ transport, userAgent: 'test' });
  expect((await client.resource(nodes).list()).items.map((node) => node.metadata?.name)).toEqual([
    'dev-node-1',
    'dev-node-2',
  ]);
  const service = await client.resource(services).get('kubernetes', { namespace: 'default' });
  expect(service.spec?.clusterIP).toBe('127.111.192.1');
  // Published by a part of its own, which nodes do not wait for.
  const published = async () => (await client.resource(endpoints).get('kubernetes', { namespace: 'default' })).subsets;
  await expect
    .poll(async () => (await published())?.[0]?.ports?.[0]?.port, patience)
    .toBe(Number(new URL(cluster.server).port));
  expect((await cluster.health.run()).every((result) => result.problem === undefined)).toBe(true);

  const stranger = networkTransport({ server: cluster.server, ca });
  const refused = createClient({ transport: stranger, userAgent: 'test' }).resource(namespaces).list();
  await expect(refused).rejects.toMatchObject({ reason: 'Forbidden' });

  await Promise.all([transport.close(), stranger.close()]);
  await cluster.stop();
  const late = networkTransport({ server: cluster.server, ca });
  await expect(createClient({ transport: late, userAgent: 'test' }).resource(nodes).list()).rejects.toMatchObject({
    reason: 'ServiceUnavailable',
  });
  await late.close();
});

/** Waits ten times as long as it is told to: nodes have only so long before the others begin, which a busy machine may take. */
class PatientClock extends SystemClock {
  override setTimeout(callback: () => void, delayMs: number): Timer {
    return super.setTimeout(callback, 10 * delayMs);
  }
}

/** Nodes as they were registered, as the person sees them who watches from the first moment. */
async function registeredNodes({ server, pki }: Pick<RunningCluster, 'pki' | 'server'>): Promise<readonly Node[]> {
  const { certificate: cert, key } = pki.identities.get('admin')!;
  const transport = networkTransport({ server, ca: pki.authority.certificate, cert, key });
  const registered: Node[] = [];
  for await (const events of createClient({ transport, userAgent: 'test' }).resource(nodes).watch()) {
    for (const event of events) if (event.type === 'ADDED') registered.push(event.object);
    if (registered.length === settings.nodes) break;
  }
  await transport.close();
  return registered;
}

test('the nodes of a new cluster are Ready with what they are registered with, before any controller writes', async () => {
  let watching: Promise<readonly Node[]> | undefined;
  const cluster = await start(
    {},
    (at) => {
      watching = registeredNodes(at);
    },
    new PatientClock(),
  );
  const registered = await watching!;
  const identity = { commonName: 'test', organizations: ['system:masters'] };
  const client = createClient({ transport: inProcessTransport(cluster.handle, identity), userAgent: 'test' });
  const accounts = async () => (await client.resource(serviceAccounts).list({ namespace: 'default' })).items;
  // A controller makes it, after the nodes at any time.
  await expect.poll(async () => (await accounts()).length, patience).toBeGreaterThan(0);
  const [account] = await accounts();
  await cluster.stop();
  const first = Number(account?.metadata?.resourceVersion);
  const told = registered.map(({ metadata, spec, status }) => ({
    podCIDR: spec?.podCIDR,
    isReady: isConditionTrue(status?.conditions, 'Ready'),
    isBefore: Number(metadata?.resourceVersion) < first,
  }));
  expect(told).toEqual([
    { podCIDR: '127.254.0.0/24', isReady: true, isBefore: true },
    { podCIDR: '127.254.1.0/24', isReady: true, isBefore: true },
  ]);
});

test('what was written is there after the next start', async () => {
  const first = await start({ store: 'lmdb' });
  const post = (cluster: typeof first) => {
    const identity = { commonName: 'test', organizations: ['system:masters'] };
    const transport = {
      request: (request: Parameters<typeof cluster.handle>[0]) =>
        cluster.handle({ ...request, peer: { address: '', certificate: identity } }),
    };
    return createClient({ transport, userAgent: 'test' }).resource(namespaces);
  };
  await post(first).create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kept' } });
  await first.stop();
  const second = await start({ store: 'lmdb' });
  expect((await post(second).get('kept')).metadata?.name).toBe('kept');
  expect(second.pki).toEqual(first.pki);
  await second.stop();
});

test('a node that was added is there after the next start, until it is removed', { timeout: 120_000 }, async () => {
  const clientOf = (cluster: Awaited<ReturnType<typeof start>>) =>
    createClient({
      transport: inProcessTransport(cluster.handle, { commonName: 'test', organizations: ['system:masters'] }),
      userAgent: 'test',
    });
  /** Resolves with the first state of the node that is as wanted. */
  const seen = async (client: Client, isWanted: (type: string, node: Node) => boolean): Promise<void> => {
    for await (const events of client.resource(nodes).watch({ fieldSelector: 'metadata.name=extra' }))
      for (const event of events) if (event.type !== 'BOOKMARK' && isWanted(event.type, event.object)) return;
  };
  const first = await start({ store: 'lmdb', nodes: 1 });
  await nodesOf(clientOf(first)).add('extra', { labels: { tier: 'b' } });
  await seen(clientOf(first), (_, { status }) => isConditionTrue(status?.conditions, 'Ready'));
  await first.stop();
  const second = await start({ store: 'lmdb', nodes: 1 });
  // Only who runs the node takes its Node away.
  const gone = seen(clientOf(second), (type, { metadata }) => type === 'DELETED' && metadata?.labels?.tier === 'b');
  await nodesOf(clientOf(second)).remove('extra');
  await gone;
  await second.stop();
});

test('a port that is taken is an error, and the store can be opened again', async () => {
  const other = createServer();
  const port = await new Promise<number>((resolve) => {
    other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port));
  });
  await expect(start({ store: 'lmdb', apiPort: port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await new Promise((resolve) => other.close(resolve));
  const cluster = await start({ store: 'lmdb', apiPort: port });
  await cluster.stop();
});

test('nodes report the release whose API is served', () => {
  expect(kubernetesRelease).toBe(`v${kubernetesVersion}`);
});

test('a hundred nodes and more start, and one check speaks for all of them (fault 60)', async () => {
  const cluster = await start({ nodes: 120 });
  await cluster.nodesReady(90_000, new AbortController().signal);
  expect(await cluster.health.run()).toEqual([
    { name: 'kube-apiserver' },
    { name: 'kubelets' },
    { name: 'kube-controller-manager' },
    { name: 'kube-scheduler' },
    { name: 'kube-proxy' },
    { name: 'cluster-dns' },
  ]);
  await cluster.stop();
});
