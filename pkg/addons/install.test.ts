/** The laws of addons, for one that is made up and for each of the table: on virtual time, with pods that run nothing. */
import { expect, test } from 'vitest';
import { configMaps, namespaces, services } from '#pkg/api/types/refs.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { Client } from '#pkg/client/client.ts';
import { discoverResources } from '#pkg/client/discovery.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';
import type { AddonCluster, AddonParts } from './addon.ts';
import { addonNamed } from './addon.ts';
import { disableAddon, enableAddon, installedAddons } from './install.ts';
import { addonTable } from './table.ts';

const place: AddonCluster = {
  name: 'dev',
  runtimes: ['inprocess'],
  network: 'loopback',
  dataDir: '/data',
  command: ['coxswain'],
  programPath: (name) => `/usr/bin/${name}`,
};

async function inCluster(work: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster({ nodes: 1 });
  try {
    await work(cluster);
  } finally {
    await cluster.stop();
  }
}

/** Waits on virtual time: what is asked for needs time to pass. */
async function passing<T>(cluster: TestCluster, work: Promise<T>): Promise<T> {
  let isDone = false;
  const settled = work.finally(() => {
    isDone = true;
  });
  settled.catch(() => {});
  await cluster.until(() => isDone);
  return settled;
}

const depsOf = ({ client, clock }: TestCluster, waitMs = 60_000) => ({ client, clock, waitMs });

/** What comes and goes in a cluster by itself. */
const passingKinds = ['events', 'leases', 'pods', 'endpointslices', 'endpoints', 'replicasets', 'controllerrevisions'];

/** Names of all objects, but for what comes and goes by itself. */
async function namesIn(client: Client): Promise<readonly string[]> {
  const names: string[] = [];
  for (const { ref, verbs } of (await discoverResources(client)).resources) {
    if (!verbs.includes('list') || passingKinds.includes(ref.resource) || ref.group === 'metrics.k8s.io') continue;
    const { items } = await client.resource(ref).list();
    names.push(...items.map(({ metadata }) => `${ref.resource} ${metadata?.namespace ?? ''}/${metadata?.name}`));
  }
  return names.sort();
}

const map = (name: string, data = {}): KubeObject & { readonly data: object } => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'sample' },
  data,
});
const sample = (...maps: readonly KubeObject[]): AddonParts => ({
  problem: ({ network }) => (network === 'loopback' ? undefined : 'it needs the network loopback'),
  objects: () => [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'sample' } }, ...maps],
  hints: [],
});

test('an addon is enabled, brought up to date, and disabled without a trace', () =>
  inCluster(async (cluster) => {
    const deps = depsOf(cluster);
    const before = await namesIn(cluster.client);
    const enable = (parts: AddonParts) =>
      passing(cluster, enableAddon(deps, { name: 'sample', parts, cluster: place }));
    await enable(sample(map('a', { x: '1' }), map('b')));
    expect((await installedAddons(cluster.client)).map(({ name }) => name)).toEqual(['sample']);
    const names = await namesIn(cluster.client);
    await enable(sample(map('a', { x: '1' }), map('b')));
    expect(await namesIn(cluster.client)).toEqual(names);
    await enable(sample(map('a', { x: '2' }), map('c')));
    expect((await cluster.client.resource(configMaps).get('a', { namespace: 'sample' })).data).toEqual({ x: '2' });
    const own = (await cluster.client.resource(configMaps).list({ namespace: 'sample' })).items;
    expect(own.map(({ metadata }) => metadata?.name).sort()).toEqual(['a', 'c', 'kube-root-ca.crt']);
    expect(await passing(cluster, disableAddon(deps, 'sample'))).toBe(true);
    expect(await namesIn(cluster.client)).toEqual(before);
    expect(await passing(cluster, disableAddon(deps, 'sample'))).toBe(false);
  }));

test('what is not its own, or cannot be in the cluster, is refused before anything is written', () =>
  inCluster(async (cluster) => {
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'sample' } } as const;
    await cluster.client.resource(namespaces).create(namespace);
    const before = await namesIn(cluster.client);
    const enable = (where: AddonCluster) =>
      enableAddon(depsOf(cluster), { name: 'sample', parts: sample(map('a')), cluster: where });
    await expect(enable(place)).rejects.toThrow(
      'Cannot enable the addon sample as there is a Namespace sample that is not its own: delete that first',
    );
    await expect(enable({ ...place, network: 'bridge' })).rejects.toThrow(
      'Cannot enable the addon sample as it needs the network loopback',
    );
    expect(await namesIn(cluster.client)).toEqual(before);
  }));

test('wherever enabling or disabling is cut off, the next one finishes it', () =>
  inCluster(async (cluster) => {
    const parts = sample(map('a'), map('b'));
    const before = await namesIn(cluster.client);
    let cutOffs = 0;
    for (let writes = 0; ; writes++) {
      const cut = { ...depsOf(cluster), client: failingAfter(cluster.client, writes) };
      const enabled = passing(cluster, enableAddon(cut, { name: 'sample', parts, cluster: place }));
      const isWhole = await enabled.then(
        () => true,
        () => false,
      );
      if (isWhole) break;
      cutOffs++;
      if (writes % 2 === 0)
        await passing(cluster, enableAddon(depsOf(cluster), { name: 'sample', parts, cluster: place }));
      const ended = { ...depsOf(cluster), client: failingAfter(cluster.client, writes) };
      await passing(cluster, disableAddon(ended, 'sample')).catch(() => {});
      await passing(cluster, disableAddon(depsOf(cluster), 'sample'));
      expect(await namesIn(cluster.client)).toEqual(before);
    }
    expect(cutOffs).toBe(4);
  }));

/** A client whose writes fail after so many. */
function failingAfter(client: Client, writes: number): Client {
  let left = writes;
  const { transport } = client;
  return createClient({
    transport: {
      request: (request) => {
        if (request.method !== 'GET' && left-- <= 0) throw new Error('The connection was lost');
        return transport.request(request);
      },
    },
    userAgent: 'test',
  });
}

test.each(Object.keys(addonTable))('the addon %s: twice is once, and nothing stays of it', (name) =>
  inCluster(async (cluster) => {
    const parts = await addonNamed(addonTable, name);
    expect(parts.problem(place)).toBeUndefined();
    const deps = depsOf(cluster);
    const before = await namesIn(cluster.client);
    await passing(cluster, enableAddon(deps, { name, parts, cluster: place }));
    const enabled = await namesIn(cluster.client);
    expect(enabled.length).toBeGreaterThan(before.length);
    await passing(cluster, enableAddon(deps, { name, parts, cluster: place }));
    expect(await namesIn(cluster.client)).toEqual(enabled);
    // Of what the addon's own namespace has besides, nothing stays either.
    const own = parts.objects(place).find(({ kind }) => kind === 'Namespace')?.metadata?.name ?? '';
    const extra = { metadata: { name: 'extra', namespace: own }, spec: { ports: [{ port: 80 }] } };
    await cluster.client.resource(services).create(extra);
    await passing(cluster, disableAddon(deps, name));
    expect(await namesIn(cluster.client)).toEqual(before);
  }),
);

test('objects are the same for the same cluster, and have names that no two addons share', async () => {
  const all = await Promise.all(Object.keys(addonTable).map((name) => addonNamed(addonTable, name)));
  const names = all.flatMap((parts) => {
    expect(parts.objects(place)).toEqual(parts.objects(place));
    return parts.objects(place).map(({ kind, metadata }) => `${kind} ${metadata?.namespace ?? ''}/${metadata?.name}`);
  });
  expect(new Set(names).size).toBe(names.length);
});
