/** Stateful sets: their order, their updates, and what becomes of their claims, on virtual time. */
import { afterEach, expect, test } from 'vitest';
import { isPodReady } from '#pkg/api/core/pod.ts';
import type { StatefulSet, StatefulSetSpec } from '#pkg/api/types/apps-v1.ts';
import { controllerRevisions, persistentVolumeClaims, pods, statefulSets } from '#pkg/api/types/refs.ts';
import { canonicalJson } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { serviceUnavailable } from '#pkg/apimachinery/status-error.ts';
import { endPod, type Harness, type HarnessOptions, startHarness, templateOf, until } from '../testing/harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

const controllers = [
  'statefulset-controller',
  'garbage-collector-controller',
  'persistentvolumeclaim-protection-controller',
];

async function start(options: HarnessOptions = {}): Promise<void> {
  harness = await startHarness({ controllers, ...options });
}

const setOf = (spec: Partial<StatefulSetSpec> = {}): StatefulSet => ({
  metadata: { name: 'db', namespace: 'default' },
  spec: {
    replicas: 3,
    serviceName: 'db',
    selector: { matchLabels: { app: 'db' } },
    template: templateOf('db', 'v1'),
    ...spec,
  },
});

const create = (spec: Partial<StatefulSetSpec> = {}) => harness.client.resource(statefulSets).create(setOf(spec));
const db = async () => (await harness.get(statefulSets, 'default/db'))!;
const patch = (spec: JsonObject) =>
  harness.client.resource(statefulSets).patch('db', { spec }, { namespace: 'default', type: 'merge' });
const members = () => harness.list(pods, 'default');
const images = async () =>
  (await members()).map(({ metadata, spec }) => `${metadata?.name}:${spec?.containers[0]?.image}`);
const rolledOut = async () => {
  const { metadata, spec, status } = await db();
  return (
    status?.observedGeneration === metadata?.generation &&
    status?.updatedReplicas === spec?.replicas &&
    status?.availableReplicas === spec?.replicas &&
    status?.currentRevision === status?.updateRevision &&
    status?.replicas === spec?.replicas
  );
};
const available = async (count: number) => {
  const { status } = await db();
  return status?.availableReplicas === count && status.replicas === count;
};
/** What its events say happened, in order. */
const steps = async () =>
  (await harness.eventsOf('db')).map((line) => line.replace(/^Successful\w+: (\w+) Pod db-(\d+) in .*$/, '$1 $2'));

/** The steps of what follows, in the order of the events' times. */
async function orderOf(what: () => Promise<unknown>, done: () => Promise<boolean>): Promise<readonly string[]> {
  const seen: string[] = [];
  const names = async () => new Map((await members()).map((pod) => [pod.metadata!.name!, pod]));
  let before = await names();
  await what();
  await until(harness, async () => {
    const after = await names();
    for (const [name, pod] of before) if (after.get(name)?.metadata?.uid !== pod.metadata?.uid) seen.push(`-${name}`);
    for (const [name, pod] of after) if (before.get(name)?.metadata?.uid !== pod.metadata?.uid) seen.push(`+${name}`);
    before = after;
    return done();
  });
  return seen;
}

test('pods come one after the other, each when the one before it is available, and go in the opposite order', async () => {
  await start();
  const up = await orderOf(() => create({ minReadySeconds: 2 }), rolledOut);
  expect(up).toEqual(['+db-0', '+db-1', '+db-2']);
  const startMs = harness.clock.nowMs();
  await patch({ replicas: 1 });
  await until(harness, () => available(1));
  expect(harness.clock.nowMs() - startMs).toBeLessThan(2_000);
  const deletions = harness.writes.filter((line) => line.startsWith('DELETE')).map((line) => line.split('/').at(-1));
  expect([...new Set(deletions)]).toEqual(['db-2', 'db-1']);
  expect((await steps()).filter((step) => /^(create|delete) /.test(step)).sort()).toEqual([
    'create 0',
    'create 1',
    'create 2',
    'delete 1',
    'delete 2',
  ]);
});

test('a pod has its number in its name, labels and host name', async () => {
  await start();
  await create({ replicas: 1, ordinals: { start: 5 } });
  await until(harness, rolledOut);
  const [pod] = await members();
  const { updateRevision } = (await db()).status!;
  // As every pod that comes of a template: upstream's controllers differ in nothing else here (tests/conformance/upstream/controllers.ts).
  expect(pod!.metadata).toMatchObject({ name: 'db-5', generateName: 'db-' });
  expect(pod!.metadata?.labels).toEqual({
    app: 'db',
    'apps.kubernetes.io/pod-index': '5',
    'controller-revision-hash': updateRevision,
    'statefulset.kubernetes.io/pod-name': 'db-5',
  });
  expect([pod!.spec?.hostname, pod!.spec?.subdomain]).toEqual(['db-5', 'db']);
  expect((await db()).status).toEqual({
    observedGeneration: 1,
    replicas: 1,
    readyReplicas: 1,
    currentReplicas: 1,
    updatedReplicas: 1,
    availableReplicas: 1,
    currentRevision: updateRevision,
    updateRevision,
    collisionCount: 0,
  });
});

test('a pod that does not work halts scaling up and down; a parallel set does not wait', async () => {
  await start();
  await create({ template: templateOf('db', 'v1', { broken: '' }) });
  await harness.clock.advance(60_000);
  expect(await images()).toEqual(['db-0:v1']);
  await harness.client.resource(statefulSets).create({
    ...setOf({
      podManagementPolicy: 'Parallel',
      template: templateOf('kv', 'v1', { broken: '' }),
      selector: { matchLabels: { app: 'kv' } },
    }),
    metadata: { name: 'kv', namespace: 'default' },
  });
  await harness.clock.advance(1_000);
  expect((await images()).filter((line) => line.startsWith('kv'))).toEqual(['kv-0:v1', 'kv-1:v1', 'kv-2:v1']);
  await harness.client
    .resource(statefulSets)
    .patch('kv', { spec: { replicas: 0 } }, { namespace: 'default', type: 'merge' });
  await harness.clock.advance(1_000);
  expect((await images()).filter((line) => line.startsWith('kv'))).toEqual([]);
});

test('an update goes from the highest number down, each pod when the one above it is available again', async () => {
  await start();
  await create({ minReadySeconds: 1 });
  await until(harness, rolledOut);
  const first = (await db()).status!.currentRevision;
  const order = await orderOf(() => patch({ template: templateOf('db', 'v2') }), rolledOut);
  expect(order).toEqual(['-db-2', '+db-2', '-db-1', '+db-1', '-db-0', '+db-0']);
  expect(await images()).toEqual(['db-0:v2', 'db-1:v2', 'db-2:v2']);
  expect((await db()).status!.currentRevision).not.toBe(first);
  await patch({ template: templateOf('db', 'v1') });
  await until(harness, rolledOut);
  expect((await db()).status!.currentRevision).toBe(first);
  const revisions = await harness.list(controllerRevisions, 'default');
  expect(revisions.map(({ revision }) => revision).sort()).toEqual([2, 3]);
});

test('below the partition pods keep the old template, also when they are made anew', async () => {
  await start();
  await create({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } });
  await until(harness, rolledOut);
  await patch({ template: templateOf('db', 'v2') });
  await until(harness, async () => (await images()).includes('db-2:v2') && available(3));
  await harness.client.resource(pods).delete('db-0', { namespace: 'default' });
  await harness.clock.advance(5_000);
  expect(await images()).toEqual(['db-0:v1', 'db-1:v1', 'db-2:v2']);
  expect((await db()).status).toMatchObject({ currentReplicas: 2, updatedReplicas: 1 });
  await patch({ updateStrategy: { rollingUpdate: { partition: 0 } } });
  await until(harness, rolledOut);
  expect(await images()).toEqual(['db-0:v2', 'db-1:v2', 'db-2:v2']);
});

test('an update may leave several pods missing at a time', async () => {
  await start();
  const rollingUpdate = { partition: 0, maxUnavailable: 2 };
  await create({
    replicas: 5,
    minReadySeconds: 2,
    podManagementPolicy: 'Parallel',
    updateStrategy: { type: 'RollingUpdate', rollingUpdate },
  });
  await until(harness, rolledOut);
  await patch({ template: templateOf('db', 'v2') });
  let fewest = 5;
  await until(harness, async () => {
    fewest = Math.min(fewest, (await db()).status?.availableReplicas ?? 0);
    return rolledOut();
  });
  expect(fewest).toBe(3);
});

test('with OnDelete a pod gets the new template when somebody deletes the old one', async () => {
  await start();
  await create({ updateStrategy: { type: 'OnDelete' } });
  await until(harness, () => available(3));
  await patch({ template: templateOf('db', 'v2') });
  await harness.clock.advance(10_000);
  expect(await images()).toEqual(['db-0:v1', 'db-1:v1', 'db-2:v1']);
  await harness.client.resource(pods).delete('db-1', { namespace: 'default' });
  await harness.clock.advance(2_000);
  expect(await images()).toEqual(['db-0:v1', 'db-1:v2', 'db-2:v1']);
});

test('a pod that has failed is made anew under its name, and an event says so', async () => {
  await start();
  await create();
  await until(harness, rolledOut);
  const pod = (await harness.get(pods, 'default/db-1'))!;
  await endPod(harness, pod, 1);
  await until(harness, async () => {
    const now = await harness.get(pods, 'default/db-1');
    return now !== undefined && now.metadata?.uid !== pod.metadata?.uid && isPodReady(now);
  });
  expect(await harness.eventsOf('db')).toContain(
    'RecreatingFailedPod: StatefulSet default/db is recreating failed Pod db-1',
  );
});

test('a pod that fails again and again is made anew after longer and longer', async () => {
  await start({ exitCodeOf: () => 1 });
  await create({ replicas: 1 });
  await harness.clock.advance(60_000);
  // At 0, 1, 3, 7, 15 and 31 seconds.
  const made = harness.writes.filter((line) => line.startsWith('POST') && line.endsWith('/pods'));
  expect(made.length).toBe(7);
});

const claimTemplate = {
  metadata: { name: 'data', labels: { tier: 'gold' } },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
} as const;
const claims = async () =>
  (await harness.list(persistentVolumeClaims, 'default')).map(
    ({ metadata }) => `${metadata?.name} ${(metadata?.ownerReferences ?? []).map(({ kind }) => kind).join()}`,
  );

test('each pod has claims of its own, which stay when it goes', async () => {
  await start();
  await create({ volumeClaimTemplates: [claimTemplate] });
  await until(harness, rolledOut);
  expect(await claims()).toEqual(['data-db-0 ', 'data-db-1 ', 'data-db-2 ']);
  const [pod] = await members();
  expect(pod!.spec?.volumes?.[0]).toEqual({ name: 'data', persistentVolumeClaim: { claimName: 'data-db-0' } });
  const claim = await harness.get(persistentVolumeClaims, 'default/data-db-0');
  expect(claim?.metadata?.labels).toEqual({ app: 'db', tier: 'gold' });
  expect(await harness.eventsOf('db')).toContain(
    'SuccessfulCreate: create Claim data-db-0 Pod db-0 in StatefulSet db success',
  );
  await patch({ replicas: 1 });
  await until(harness, () => available(1));
  await harness.clock.advance(5_000);
  expect((await claims()).length).toBe(3);
});

test.each<[string, string, readonly string[], readonly string[]]>([
  ['Retain', 'Delete', ['data-db-0 ', 'data-db-1 '], ['data-db-0 ']],
  [
    'Delete',
    'Retain',
    ['data-db-0 StatefulSet', 'data-db-1 StatefulSet'],
    ['data-db-0 StatefulSet', 'data-db-1 StatefulSet'],
  ],
  ['Delete', 'Delete', ['data-db-0 StatefulSet', 'data-db-1 StatefulSet'], ['data-db-0 StatefulSet']],
])('claims: when deleted %s, when scaled %s', async (whenDeleted, whenScaled, owned, left) => {
  await start();
  const persistentVolumeClaimRetentionPolicy = { whenDeleted, whenScaled };
  await create({ replicas: 2, volumeClaimTemplates: [claimTemplate], persistentVolumeClaimRetentionPolicy });
  await until(harness, rolledOut);
  await harness.clock.advance(1_000);
  expect(await claims()).toEqual(owned);
  await patch({ replicas: 1 });
  await until(harness, () => available(1));
  await harness.clock.advance(10_000);
  expect(await claims()).toEqual(left);
  await harness.client.resource(statefulSets).delete('db', { namespace: 'default' });
  await harness.clock.advance(10_000);
  expect((await claims()).length).toBe(whenDeleted === 'Delete' ? 0 : left.length);
});

test('a claim of which the cache has not heard goes with a pod that is no longer wanted', async () => {
  await start();
  harness.hooks.beforeRequest = (request) => {
    const isLook = request.method === 'GET' && request.path.endsWith('/persistentvolumeclaims');
    return isLook ? Promise.reject(serviceUnavailable('not now')) : Promise.resolve();
  };
  harness.dropWatches({ history: false });
  await create({
    replicas: 2,
    volumeClaimTemplates: [claimTemplate],
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Delete' },
  });
  await until(harness, rolledOut);
  await patch({ replicas: 1 });
  await until(harness, () => available(1));
  harness.hooks.beforeRequest = undefined;
  await until(harness, async () => (await claims()).length === 1);
});

test('a revision says its template byte by byte as Go would, by which kubectl knows it again', async () => {
  await start();
  await create({ replicas: 1 });
  await until(harness, rolledOut);
  const [revision] = await harness.list(controllerRevisions, 'default');
  expect(revision?.data).toMatchObject({ spec: { template: { $patch: 'replace' } } });
  expect(JSON.stringify(revision?.data)).toBe(canonicalJson(revision?.data));
});

test('of the past only so many revisions are kept', async () => {
  await start();
  await create({ replicas: 1, revisionHistoryLimit: 1 });
  await until(harness, rolledOut);
  for (const image of ['v2', 'v3', 'v4']) {
    await patch({ template: templateOf('db', image) });
    await until(harness, rolledOut);
  }
  await harness.clock.advance(1_000);
  const revisions = await harness.list(controllerRevisions, 'default');
  expect(revisions.map(({ revision }) => revision).sort()).toEqual([3, 4]);
});

test('nothing is written while nothing changes, and each pod costs a few requests', async () => {
  await start();
  await create({ volumeClaimTemplates: [claimTemplate] });
  await until(harness, rolledOut);
  await harness.clock.advance(5_000);
  const statuses = harness.writes.filter((line) => line.endsWith('/statefulsets/db/status')).length;
  expect(statuses).toBeLessThanOrEqual(2 + 3 * 3);
  harness.writes.length = 0;
  await harness.clock.advance(3_600_000);
  expect(harness.writes).toEqual([]);
});

test('a template that the server refuses is tried one pod at a time, and an event says why', async () => {
  await start();
  const template = templateOf('db', 'v1');
  const spec = { ...template.spec, priorityClassName: 'none' };
  await create({ replicas: 20, podManagementPolicy: 'Parallel', template: { ...template, spec } });
  await harness.clock.advance(1_000);
  expect(harness.writes.filter((line) => line.endsWith('/pods')).length).toBeLessThan(12);
  expect((await harness.eventsOf('db'))[0]).toMatch(
    /^FailedCreate: create Pod db-0 in StatefulSet db failed error: pods "db-0" is forbidden: no PriorityClass with name none was found$/,
  );
});

test('lost requests and lost answers: the order holds (seeds)', async () => {
  for (const seed of [1, 2, 3]) {
    await start({ seed, faultShare: 0.2 });
    await create();
    await until(harness, rolledOut);
    await patch({ template: templateOf('db', 'v2') });
    await until(harness, async () => {
      const working = (await members()).filter(
        (pod) => isPodReady(pod) && pod.metadata?.deletionTimestamp === undefined,
      );
      expect(working.length).toBeGreaterThanOrEqual(2);
      return rolledOut();
    });
    await patch({ replicas: 1 });
    await until(harness, () => available(1));
    expect(await images()).toEqual(['db-0:v2']);
    if (seed < 3) await harness.stop();
  }
});
