/** Daemon sets on nodes that come, go and change, on virtual time. */
import { afterEach, expect, test } from 'vitest';
import type { DaemonSet, DaemonSetSpec } from '#pkg/api/types/apps-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { controllerRevisions, daemonSets, nodes, pods } from '#pkg/api/types/refs.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import {
  addNode,
  endPod,
  type Harness,
  type HarnessOptions,
  startHarness,
  templateOf,
  until,
} from '../testing/harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

const controllers = ['daemonset-controller', 'garbage-collector-controller'];

/** A harness with nodes `n1` to `n<count>`, of which every other one is in zone `odd`. */
async function start(count: number, options: HarnessOptions = {}): Promise<void> {
  harness = await startHarness({ controllers, ...options });
  for (let i = 1; i <= count; i++) await addReadyNode(`n${i}`, i % 2 === 0 ? 'even' : 'odd');
}

const change = (name: string, fields: JsonObject) =>
  harness.client.resource(nodes).patch(name, fields, { type: 'merge' });

/** A node without the taint that a new one has until it was seen to be ready. */
async function addReadyNode(name: string, zone: string): Promise<void> {
  await addNode(harness, name, { zone });
  await change(name, { spec: { taints: null } });
}

const setOf = (spec: Partial<DaemonSetSpec> = {}): DaemonSet => ({
  metadata: { name: 'agent', namespace: 'default' },
  spec: { selector: { matchLabels: { app: 'agent' } }, template: templateOf('agent', 'v1'), ...spec },
});

const create = (spec: Partial<DaemonSetSpec> = {}) => harness.client.resource(daemonSets).create(setOf(spec));
const agent = async () => (await harness.get(daemonSets, 'default/agent'))!;
const patch = (spec: JsonObject) =>
  harness.client.resource(daemonSets).patch('agent', { spec }, { namespace: 'default', type: 'merge' });
const daemons = () => harness.list(pods, 'default');
const placed = async () =>
  (await daemons()).map(({ spec }) => `${spec?.nodeName} ${spec?.containers[0]?.image}`).sort();
const revisionOf = ({ metadata }: Pod) => metadata?.labels?.['controller-revision-hash'];
const revisions = async () =>
  (await harness.list(controllerRevisions, 'default')).map(({ revision }) => revision).sort();
const rolledOut = async () => {
  const { metadata, status } = await agent();
  const wanted = status?.desiredNumberScheduled ?? 0;
  return (
    status?.observedGeneration === metadata?.generation &&
    status?.updatedNumberScheduled === wanted &&
    status?.numberAvailable === wanted
  );
};

test('every node gets one pod, tied to it by name, that stays through the node’s troubles', async () => {
  await start(3);
  await create();
  await until(harness, rolledOut);
  expect(await placed()).toEqual(['n1 v1', 'n2 v1', 'n3 v1']);
  const [pod] = await daemons();
  const node = pod!.spec!.nodeName!;
  expect(pod!.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution).toEqual({
    nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }],
  });
  expect(pod!.spec?.tolerations?.map(({ key, effect }) => `${key}:${effect}`)).toEqual([
    'node.kubernetes.io/not-ready:NoExecute',
    'node.kubernetes.io/unreachable:NoExecute',
    'node.kubernetes.io/disk-pressure:NoSchedule',
    'node.kubernetes.io/memory-pressure:NoSchedule',
    'node.kubernetes.io/pid-pressure:NoSchedule',
    'node.kubernetes.io/unschedulable:NoSchedule',
  ]);
  expect(pod!.metadata?.labels?.['pod-template-generation']).toBe('1');
  expect((await agent()).status).toMatchObject({
    currentNumberScheduled: 3,
    desiredNumberScheduled: 3,
    numberMisscheduled: 0,
    numberReady: 3,
    numberAvailable: 3,
    updatedNumberScheduled: 3,
    observedGeneration: 1,
  });
  expect((await harness.eventsOf('agent')).filter((line) => line.startsWith('SuccessfulCreate')).length).toBe(3);
});

test('nodes that come, change their labels or get taints get and lose their pods', async () => {
  await start(2);
  const template = templateOf('agent', 'v1');
  await create({ template: { ...template, spec: { ...template.spec, nodeSelector: { zone: 'odd' } } } });
  await harness.clock.advance(1_000);
  expect(await placed()).toEqual(['n1 v1']);
  await addReadyNode('n3', 'odd');
  await harness.clock.advance(1_000);
  expect(await placed()).toEqual(['n1 v1', 'n3 v1']);
  await change('n2', { metadata: { labels: { zone: 'odd' } } });
  await change('n1', { metadata: { labels: { zone: 'none' } } });
  await harness.clock.advance(1_000);
  expect(await placed()).toEqual(['n2 v1', 'n3 v1']);
  await change('n2', { spec: { taints: [{ key: 'full', effect: 'NoSchedule' }] } });
  await harness.clock.advance(1_000);
  expect(await placed()).toEqual(['n2 v1', 'n3 v1']);
  expect((await agent()).status).toMatchObject({ desiredNumberScheduled: 1, numberMisscheduled: 1 });
  await change('n2', { spec: { taints: [{ key: 'broken', effect: 'NoExecute' }] } });
  await harness.clock.advance(1_000);
  expect(await placed()).toEqual(['n3 v1']);
  await change('n2', { spec: { taints: null } });
  await harness.clock.advance(1_000);
  expect(await placed()).toEqual(['n2 v1', 'n3 v1']);
});

test('a rolling update replaces as many at a time as may be missing', async () => {
  await start(5);
  const rollingUpdate = { maxUnavailable: 2 };
  await create({ minReadySeconds: 5, updateStrategy: { type: 'RollingUpdate', rollingUpdate } });
  await until(harness, rolledOut);
  await patch({ template: templateOf('agent', 'v2') });
  let fewest = 5;
  await until(harness, async () => {
    fewest = Math.min(fewest, (await agent()).status?.numberAvailable ?? 0);
    return rolledOut();
  });
  expect(fewest).toBe(3);
  expect(await placed()).toEqual([1, 2, 3, 4, 5].map((i) => `n${i} v2`));
  expect(await revisions()).toEqual([1, 2]);
});

test('with surge the new pod comes first, and no node is ever without one', async () => {
  await start(4);
  const rollingUpdate = { maxSurge: '25%', maxUnavailable: 0 };
  await create({ minReadySeconds: 3, updateStrategy: { type: 'RollingUpdate', rollingUpdate } });
  await until(harness, rolledOut);
  await patch({ template: templateOf('agent', 'v2') });
  let most = 0;
  let fewest = 4;
  await until(harness, async () => {
    most = Math.max(most, (await daemons()).length);
    fewest = Math.min(fewest, new Set((await daemons()).map(({ spec }) => spec?.nodeName)).size);
    return (await daemons()).length === 4 && rolledOut();
  });
  expect([most, fewest]).toEqual([5, 4]);
  expect(await placed()).toEqual([1, 2, 3, 4].map((i) => `n${i} v2`));
});

test('pods that do not work do not hold an update up', async () => {
  await start(3);
  const template = templateOf('agent', 'v1', { broken: '' });
  await create({ template });
  await harness.clock.advance(2_000);
  await patch({ template: { ...templateOf('agent', 'v2'), metadata: { labels: { app: 'agent', broken: null } } } });
  await until(harness, rolledOut);
  expect(await placed()).toEqual(['n1 v2', 'n2 v2', 'n3 v2']);
});

test('going back to a template brings its revision forward and restarts no pod that has it', async () => {
  await start(3);
  const rollingUpdate = { maxUnavailable: 1 };
  await create({ updateStrategy: { type: 'RollingUpdate', rollingUpdate } });
  await until(harness, rolledOut);
  const before = new Map((await daemons()).map((pod) => [pod.spec?.nodeName, pod]));
  await patch({ template: { ...templateOf('agent', 'v2'), metadata: { labels: { app: 'agent', broken: '' } } } });
  await harness.clock.advance(5_000);
  expect((await placed()).filter((line) => line.endsWith('v2')).length).toBe(1);
  const first = (await harness.list(controllerRevisions, 'default')).find(({ revision }) => revision === 1)!;
  await harness.client
    .resource(daemonSets)
    .patch('agent', first.data as JsonObject, { namespace: 'default', type: 'strategic' });
  await until(harness, rolledOut);
  const after = await daemons();
  expect(after.filter((pod) => before.get(pod.spec?.nodeName)?.metadata?.uid === pod.metadata?.uid).length).toBe(2);
  expect(new Set(after.map(revisionOf))).toEqual(new Set(before.values().map(revisionOf)));
  expect(await revisions()).toEqual([2, 3]);
});

test('of the past only so many revisions are kept', async () => {
  await start(1);
  await create({ revisionHistoryLimit: 1 });
  await until(harness, rolledOut);
  for (const image of ['v2', 'v3', 'v4']) {
    await patch({ template: templateOf('agent', image) });
    await until(harness, rolledOut);
  }
  await harness.clock.advance(1_000);
  expect(await revisions()).toEqual([3, 4]);
});

test('with OnDelete a pod gets the new template when somebody deletes the old one', async () => {
  await start(2);
  await create({ updateStrategy: { type: 'OnDelete' } });
  await until(harness, rolledOut);
  await patch({ template: templateOf('agent', 'v2') });
  await harness.clock.advance(10_000);
  expect(await placed()).toEqual(['n1 v1', 'n2 v1']);
  expect((await agent()).status?.updatedNumberScheduled).toBeUndefined();
  const [pod] = await daemons();
  await harness.client.resource(pods).delete(pod!.metadata!.name!, { namespace: 'default' });
  await harness.clock.advance(2_000);
  expect((await placed()).map((line) => line.slice(-2)).sort()).toEqual(['v1', 'v2']);
});

test('a failed pod is made anew at once, then after longer and longer, and events say so; a succeeded one at once', async () => {
  await start(1, { exitCodeOf: () => 1 });
  await create();
  const startMs = harness.clock.nowMs();
  const made: number[] = [];
  let last = '';
  await until(harness, async () => {
    const uid = (await daemons())[0]?.metadata?.uid ?? last;
    if (uid !== last) made.push(Math.round((harness.clock.nowMs() - startMs) / 1_000));
    last = uid;
    return made.length === 6;
  });
  expect(made).toEqual([0, 1, 3, 7, 15, 31]);
  expect((await harness.eventsOf('agent')).find((line) => line.startsWith('FailedDaemonPod'))).toMatch(
    /^FailedDaemonPod: Found failed daemon pod default\/agent-\w+ on node n1, will try to kill it$/,
  );
});

test('a pod that has succeeded is replaced', async () => {
  await start(1);
  await create();
  await until(harness, rolledOut);
  const [pod] = await daemons();
  await endPod(harness, pod!, 0);
  await harness.clock.advance(1_000);
  expect((await daemons())[0]?.metadata?.uid).not.toBe(pod!.metadata?.uid);
  await until(harness, rolledOut);
});

test('nothing is written while nothing changes, whatever the nodes report of themselves', async () => {
  await start(3);
  await create();
  await until(harness, rolledOut);
  await harness.clock.advance(5_000);
  harness.writes.length = 0;
  for (let i = 0; i < 10; i++) {
    const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: `2026-01-01T01:00:0${i}Z` }];
    const options = { type: 'merge', subresource: 'status' } as const;
    await harness.client.resource(nodes).patch('n1', { status: { conditions } }, options);
    await harness.clock.advance(10_000);
  }
  expect(harness.writes).toEqual([]);
});

test('a template that the server refuses is tried on one node at a time', async () => {
  await start(20);
  const template = templateOf('agent', 'v1');
  await create({
    template: { ...template, spec: { ...template.spec, priorityClassName: 'none' } } as DaemonSetSpec['template'],
  });
  await harness.clock.advance(1_000);
  expect(harness.writes.filter((line) => line.endsWith('/pods')).length).toBeLessThan(12);
  expect((await agent()).status).toMatchObject({ desiredNumberScheduled: 20, currentNumberScheduled: 0 });
});

test('lost requests and lost answers: one pod a node in the end, never two that work (seeds)', async () => {
  for (const seed of [1, 2, 3]) {
    await start(4, { seed, faultShare: 0.2 });
    await create();
    await until(harness, rolledOut);
    for (const image of ['v2', 'v3']) {
      await patch({ template: templateOf('agent', image) });
      await until(harness, async () => {
        const at = (await daemons()).filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
        expect(at.length).toBeLessThanOrEqual(4);
        return rolledOut();
      });
    }
    expect(await placed()).toEqual([1, 2, 3, 4].map((i) => `n${i} v3`));
    if (seed < 3) await harness.stop();
  }
});
