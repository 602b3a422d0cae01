/** Faults on demand in whole clusters: each kind does what docs/faults-on-demand.md says of it, on virtual and on real time. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { isPodReady } from '#pkg/api/core/pod.ts';
import { configMaps, deployments, leases, nodes, pods } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { isConflict, reasonOf } from '#pkg/apimachinery/status-error.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { readRuleText } from '#pkg/faults/read-rules.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { gatedStore } from '#pkg/storage/gated-store.ts';
import { makeDeployment, makePod } from './builders.ts';
import { startTestCluster, type TestCluster } from './cluster.ts';

let cluster: TestCluster | undefined;
afterEach(() => cluster?.stop());

const inDefault = { namespace: 'default' } as const;
const settings = (name: string): object => ({ metadata: { name, namespace: 'default' }, data: { a: '1' } });
const onConfigMaps = { resources: ['configmaps'] } as const;

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'ok';
  } catch (error) {
    return reasonOf(error) ?? String(error);
  }
}

test('errors, lost requests, lost answers and lost races', async () => {
  cluster = await startTestCluster({ nodes: 0, controllers: [], faults: [] });
  const maps = cluster.client.resource(configMaps);
  cluster.faults.add({ name: 'e', fault: 'error', verbs: ['create'], ...onConfigMaps, code: 403, times: 1 });
  expect(await codeOf(maps.create(settings('a')))).toBe('Forbidden');
  cluster.faults.add({ name: 'r', fault: 'lost-request', verbs: ['create'], ...onConfigMaps, times: 1 });
  expect(await codeOf(maps.create(settings('a')))).toBe('ServiceUnavailable');
  expect(await codeOf(maps.get('a', inDefault))).toBe('NotFound');
  cluster.faults.add({ name: 'l', fault: 'lost-answer', verbs: ['create'], ...onConfigMaps, times: 1 });
  expect(await codeOf(maps.create(settings('a')))).toBe('ServiceUnavailable');
  const made = await maps.get('a', inDefault);
  cluster.faults.add({ name: 'c', fault: 'conflict', ...onConfigMaps, objects: ['a'], times: 1 });
  await expect(maps.update(made)).rejects.toSatisfy(isConflict);
  expect(await codeOf(maps.update(made))).toBe('ok');
  expect(cluster.faults.list().map(({ hits }) => hits)).toEqual([1, 1, 1, 1]);
});

test('a delayed request is worked on later', async () => {
  const rule = { name: 'd', fault: 'delay', verbs: ['create'], ...onConfigMaps, delay: '5s' } as const;
  cluster = await startTestCluster({ nodes: 0, controllers: [], faults: [rule] });
  const maps = cluster.client.resource(configMaps);
  const created = maps.create(settings('a'));
  await cluster.advance(4_999);
  expect(await codeOf(maps.get('a', inDefault))).toBe('NotFound');
  await cluster.advance(1);
  await created;
  expect(await codeOf(maps.get('a', inDefault))).toBe('ok');
});

test('workloads come to their state while answers, races and watches are lost', async () => {
  const path = fileURLToPath(new URL('../../manifests/examples/faults/flaky-api.yaml', import.meta.url));
  const faults = readRuleText(await readFile(path, 'utf8'), ['server']);
  const run = async (seed: number): Promise<{ readonly hits: readonly number[]; readonly transcript: string }> => {
    const one = await startTestCluster({ nodes: 2, seed, faults });
    try {
      await one.apply(makeDeployment('web', { replicas: 20 }));
      await one.until(() => one.pods().filter(isPodReady).length === 20);
      await one.advance(300_000);
      expect(one.pods()).toHaveLength(20);
      return { hits: one.faults.list().map(({ hits }) => hits), transcript: one.transcript.join('\n') };
    } finally {
      await one.stop();
    }
  };
  const first = await run(3);
  expect(first.hits.every((hits) => hits > 0)).toBe(true);
  expect(await run(3)).toEqual(first);
});

test('watches go on after their history is gone, and tell late what is delayed', async () => {
  cluster = await startTestCluster({ nodes: 0, controllers: [], faults: [] });
  const lister = await cluster.lister(configMaps);
  const has = (name: string): boolean => lister.list('default').some(({ metadata }) => metadata?.name === name);
  cluster.faults.add({ name: 'gone', fault: 'expired', ...onConfigMaps, for: '1s' });
  await cluster.client.resource(configMaps).create(settings('a'));
  await cluster.until(() => has('a'));
  cluster.faults.add({ name: 'slow', fault: 'watch-delay', ...onConfigMaps, delay: '7s' });
  cluster.faults.add({ name: 'cut', fault: 'watch-end', ...onConfigMaps, lifetime: '1s', times: 1 });
  await cluster.advance(60_000);
  await cluster.client.resource(configMaps).create(settings('b'));
  await cluster.advance(6_000);
  expect(has('b')).toBe(false);
  await cluster.advance(2_000);
  expect(has('b')).toBe(true);
});

test('a node that is silent becomes NotReady, and Ready when it is heard again', async () => {
  cluster = await startTestCluster({ nodes: 2, faults: [] });
  const isReady = async (): Promise<boolean> => {
    const node = await cluster!.client.resource(nodes).get('node-1');
    return findCondition(node.status?.conditions, 'Ready')?.status === 'True';
  };
  cluster.faults.add({ name: 'cut', fault: 'node-silence', nodes: ['node-1'], for: '2m' });
  await cluster.until(async () => !(await isReady()));
  await cluster.until(isReady);
});

test('a lease that cannot be renewed is refused to everybody, and no other', async () => {
  cluster = await startTestCluster({ nodes: 0, controllers: [], faults: [] });
  const { client, faults } = cluster;
  const lease = (name: string): object => ({
    metadata: { name, namespace: 'kube-system' },
    spec: { holderIdentity: 'a' },
  });
  const all = client.resource(leases);
  const [led, other] = [await all.create(lease('kube-scheduler')), await all.create(lease('other'))];
  faults.add({ name: 'gone', fault: 'lost-leader', lease: 'kube-scheduler', for: '20s' });
  expect([await codeOf(all.update(led)), await codeOf(all.update(other))]).toEqual(['ServiceUnavailable', 'ok']);
  await cluster.advance(20_000);
  expect(await codeOf(all.update(led))).toBe('ok');
});

test('the time of day jumps for everything in the cluster, and back', async () => {
  cluster = await startTestCluster({ nodes: 1, faults: [] });
  const { clock, client } = cluster;
  const createdMs = async (name: string): Promise<number> => {
    const { metadata } = await client.resource(configMaps).create(settings(name));
    return Date.parse(metadata?.creationTimestamp ?? '') - Math.floor(clock.nowMs() / 1_000) * 1_000;
  };
  cluster.faults.add({ name: 'jump', fault: 'clock-jump', by: '1h', for: '10m' });
  expect(await createdMs('a')).toBe(3_600_000);
  await cluster.apply(makeDeployment('web', { replicas: 2 }));
  await cluster.until(() => cluster!.pods().filter(isPodReady).length === 2);
  await cluster.advance(600_000);
  expect(await createdMs('b')).toBe(0);
  expect(await client.resource(deployments).get('web', inDefault)).toMatchObject({ status: { readyReplicas: 2 } });
});

test('probes fail on demand and containers are restarted for it', async () => {
  cluster = await startTestCluster({ nodes: 1, faults: [] });
  const probe = { httpGet: { path: '/', port: 80 }, periodSeconds: 5, failureThreshold: 2 };
  const { object } = makePod('web');
  const [container] = object.spec?.containers ?? [];
  await cluster.client
    .resource(pods)
    .create({ ...object, spec: { ...object.spec, containers: [{ ...container!, livenessProbe: probe }] } });
  await cluster.until(() => cluster!.pods().some(isPodReady));
  cluster.faults.add({ name: 'ill', fault: 'probe-failure', objects: ['web'], probes: ['liveness'], times: 2 });
  await cluster.until(() => cluster!.pods()[0]?.status?.containerStatuses?.[0]?.restartCount === 1);
  expect(cluster.transcript.some((line) => line.includes('fault "ill"'))).toBe(true);
});

test('a disk that is full ends the cluster at the next write, and what was acknowledged is all that there is', async () => {
  cluster = await startTestCluster({ nodes: 0, controllers: [], faults: [] });
  const maps = cluster.client.resource(configMaps);
  await maps.create(settings('before'));
  cluster.faults.add({ name: 'full', fault: 'disk-full', after: '10s' });
  await maps.create(settings('still'));
  await cluster.advance(10_000);
  // Who asks for it waits for a server that is gone.
  let outcome = 'none';
  void codeOf(maps.create(settings('never'))).then((code) => {
    outcome = code;
  });
  await expect(cluster.advance(1_000)).rejects.toThrow(
    'Cannot write to the store as its disk is full, which is the fault "full"',
  );
  expect([outcome === 'ok', cluster.faults.list().map(({ hits }) => hits)]).toEqual([false, [1]]);
  await cluster.stop().catch(() => {});
  cluster = undefined;
});

test('on real time a server whose disk is full has ended, and a new one on its store has what was acknowledged', async () => {
  const store = createMemoryStore({ clock: new SystemClock() });
  // A server closes its store, which this one would lose with it.
  const lasting = { ...gatedStore(store, { check() {}, ended: new Promise<never>(() => {}) }), close: async () => {} };
  const options = { listen: true, nodes: 0, controllers: [], store: lasting } as const;
  const first = await startTestCluster({ ...options, faults: [] });
  await first.client.resource(configMaps).create(settings('before'));
  first.faults.add({ name: 'full', fault: 'disk-full' });
  expect(await codeOf(first.client.resource(configMaps).create(settings('never')))).not.toBe('ok');
  await expect(first.until(() => false)).rejects.toThrow('which is the fault "full"');
  await first.stop().catch(() => {});
  const second = await startTestCluster(options);
  expect(await codeOf(second.client.resource(configMaps).get('before', inDefault))).toBe('ok');
  expect(await codeOf(second.client.resource(configMaps).get('never', inDefault))).toBe('NotFound');
  await second.stop();
  await store.close();
});

test('a cluster without the option has no faults, and bad rules start none', async () => {
  cluster = await startTestCluster({ nodes: 0, controllers: [] });
  expect(() => cluster?.faults).toThrow('started without the option faults');
  const rule = { name: 'a', fault: 'error' } as const;
  await expect(startTestCluster({ faults: [rule] })).rejects.toThrow('faults[0].verbs: required for error');
});

test('they act in real time too, and are changed at their path by who may', async () => {
  const rule = { name: 'e', fault: 'error', verbs: ['create'], ...onConfigMaps, message: 'no room' } as const;
  const own = await startTestCluster({ listen: true, nodes: 0, controllers: [], faults: [rule] });
  try {
    await expect(own.client.resource(configMaps).create(settings('a'))).rejects.toThrow('no room');
    expect(own.faults.remove('e')).toBe(true);
    expect(await codeOf(own.client.resource(configMaps).create(settings('a')))).toBe('ok');
    const as = { address: '', certificate: { commonName: 'jane', organizations: [] } };
    const { signal } = new AbortController();
    const answer = await own.handle({ method: 'GET', path: '/debug/faults', query: '', headers: {}, peer: as, signal });
    expect(answer.status).toBe(403);
  } finally {
    await own.stop();
  }
});
