/** Stateful sets: the order in which pods come, go and are updated, and that a pod keeps its name. */
import { expect } from 'vitest';
import type { StatefulSet } from '#pkg/api/types/apps-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods, services, statefulSets } from '#pkg/api/types/refs.ts';
import { isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { pod, replicaSet, type WorkloadOptions } from './objects.ts';
import { observe } from './observe.ts';
import { statusEndpoints, workingScale } from './status-endpoints.ts';

const area = '[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic]';
const strategic = { namespace: 'conformance', type: 'strategic' } as const;
const fitness = 'example.com/fit';
/** Pods with it are ready only while the test says so. */
const gated = { readinessGates: [{ conditionType: fitness }] };

/** A stateful set whose pods carry the label `name`, with its Service. */
async function create(stage: Stage, name: string, options: WorkloadOptions = {}): Promise<StatefulSet> {
  const { spec, metadata } = replicaSet(name, options);
  await stage.of(services).create({
    metadata: { name, namespace: stage.namespace },
    spec: { clusterIP: 'None', selector: { name }, ports: [{ port: 80 }] },
  });
  const set: StatefulSet = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metadata!,
    spec: { ...spec, serviceName: name, selector: spec!.selector, template: spec!.template! },
  };
  return stage.of(statefulSets).create(set);
}

const get = (stage: Stage, name: string): Promise<StatefulSet> =>
  stage.of(statefulSets).get(name, { namespace: stage.namespace });

const members = (stage: Stage): readonly Pod[] =>
  [...stage.cluster.pods(stage.namespace)].sort((a, b) => (a.metadata!.name! < b.metadata!.name! ? -1 : 1));

const names = (stage: Stage): readonly string[] => members(stage).map(({ metadata }) => metadata!.name!);

async function sayFit(stage: Stage, name: string, status: 'False' | 'True'): Promise<void> {
  const patch = { status: { conditions: [{ type: fitness, status }] } };
  await stage.of(pods).patch(name, patch, { ...strategic, subresource: 'status' });
}

async function setFit(stage: Stage, name: string, status: 'False' | 'True'): Promise<void> {
  await sayFit(stage, name, status);
  await stage.cluster.until(async () => {
    const now = await stage.of(pods).get(name, { namespace: stage.namespace });
    return isConditionTrue(now.status?.conditions, 'Ready') === (status === 'True');
  });
}

const ready = (stage: Stage, name: string, count: number): Promise<void> =>
  stage.cluster.until(async () => {
    const { metadata, status } = await get(stage, name);
    return (
      status?.observedGeneration === metadata?.generation &&
      status?.replicas === count &&
      (status.readyReplicas ?? 0) === count
    );
  });

const rolledOut = (stage: Stage, name: string): Promise<void> =>
  stage.cluster.until(async () => {
    const { metadata, spec, status } = await get(stage, name);
    return (
      status?.observedGeneration === metadata?.generation &&
      status?.currentRevision === status?.updateRevision &&
      status?.updatedReplicas === spec?.replicas &&
      status?.readyReplicas === spec?.replicas
    );
  });

const scale = (stage: Stage, name: string, replicas: number) =>
  stage.of(statefulSets).patch(name, { spec: { replicas } }, strategic);

const withImage = (image: string) => ({ spec: { template: { spec: { containers: [{ name: 'main', image }] } } } });
const imagesOf = (stage: Stage): readonly string[] =>
  members(stage).map(({ spec }) => spec!.containers[0]!.image!.split(':')[1]!);

/** Names of pods as they come and go, in order. */
const comings = (lines: readonly string[], type: 'ADDED' | 'DELETED'): readonly string[] =>
  lines.filter((line) => line.startsWith(type)).map((line) => line.split(' ')[1]!);

behaviour(
  `${area} Scaling should happen in predictable order and halt if any stateful pod is unhealthy [Slow]`,
  async (stage) => {
    const observer = observe(stage, pods, { namespace: stage.namespace });
    await create(stage, 'ordered', { replicas: 1, podSpec: gated });
    await stage.cluster.until(() => members(stage).length === 1);
    await scale(stage, 'ordered', 3);
    await stage.cluster.advance(10_000);
    expect(names(stage)).toEqual(['ordered-0']);
    for (const index of [0, 1, 2]) {
      await stage.cluster.until(() => names(stage).includes(`ordered-${index}`));
      await setFit(stage, `ordered-${index}`, 'True');
    }
    await ready(stage, 'ordered', 3);
    for (const name of names(stage)) await setFit(stage, name, 'False');
    await scale(stage, 'ordered', 0);
    await stage.cluster.advance(10_000);
    expect(names(stage).length).toBe(3);
    for (const name of ['ordered-0', 'ordered-1']) await sayFit(stage, name, 'True');
    await stage.cluster.until(() => members(stage).length === 0);
    expect(comings(observer.lines, 'ADDED')).toEqual(['ordered-0', 'ordered-1', 'ordered-2']);
    expect(comings(observer.lines, 'DELETED')).toEqual(['ordered-2', 'ordered-1', 'ordered-0']);
    await observer.stop();
  },
);

behaviour(`${area} Burst scaling should run to completion even with unhealthy pods [Slow]`, async (stage) => {
  await create(stage, 'burst', { replicas: 1, podSpec: gated, spec: { podManagementPolicy: 'Parallel' } });
  await stage.cluster.until(() => members(stage).length === 1);
  await scale(stage, 'burst', 3);
  await stage.cluster.until(() => members(stage).length === 3);
  expect((await get(stage, 'burst')).status?.readyReplicas ?? 0).toBe(0);
  for (const name of names(stage)) await setFit(stage, name, 'True');
  await ready(stage, 'burst', 3);
  await setFit(stage, 'burst-1', 'False');
  await scale(stage, 'burst', 0);
  await stage.cluster.until(() => members(stage).length === 0);
});

behaviour(`${area} Should recreate evicted statefulset`, async (stage) => {
  const { namespace } = stage;
  const containers = [
    { name: 'main', image: 'coxswain.dev/pause:v1', ports: [{ containerPort: 80, hostPort: 21017 }] },
  ];
  await stage.of(pods).create(pod('test-pod', { containers, nodeName: 'node-1', terminationGracePeriodSeconds: 0 }));
  await stage.cluster.until(() => members(stage)[0]?.status?.phase === 'Running');
  const observer = observe(stage, pods, { namespace, fieldSelector: 'metadata.name=evicted-0' });
  await create(stage, 'evicted', { podSpec: { containers, nodeName: 'node-1' } });
  const first = await observer.saw('ADDED');
  await observer.saw('MODIFIED', ({ status }) => status?.phase === 'Failed');
  await observer.saw('DELETED');
  await stage.of(pods).delete('test-pod', { namespace });
  await ready(stage, 'evicted', 1);
  const now = await stage.of(pods).get('evicted-0', { namespace });
  expect(now.metadata?.uid).not.toBe(first.metadata?.uid);
  await observer.stop();
});

behaviour(`${area} should have a working scale subresource`, async (stage) => {
  await create(stage, 'scaled');
  await ready(stage, 'scaled', 1);
  await workingScale(stage, '/apis/apps/v1/namespaces/conformance/statefulsets/scaled');
  await ready(stage, 'scaled', 4);
});

behaviour(`${area} should list, patch and delete a collection of StatefulSets`, async (stage) => {
  const { namespace } = stage;
  await create(stage, 'many');
  await ready(stage, 'many', 1);
  const patch = { metadata: { labels: { 'test-ss': 'patched' } }, spec: { replicas: 2 } };
  await stage.of(statefulSets).patch('many', patch, strategic);
  await ready(stage, 'many', 2);
  const labelSelector = 'test-ss=patched';
  expect((await stage.of(statefulSets).list({ labelSelector })).items.map(({ spec }) => spec?.replicas)).toEqual([2]);
  await stage.of(statefulSets).deleteCollection({ namespace, labelSelector });
  expect((await stage.of(statefulSets).list({ labelSelector })).items).toEqual([]);
  await stage.cluster.until(() => members(stage).length === 0);
});

behaviour(`${area} should perform rolling updates and roll backs of template modifications`, async (stage) => {
  await create(stage, 'rolls', { replicas: 3 });
  await rolledOut(stage, 'rolls');
  const first = (await get(stage, 'rolls')).status!.currentRevision;
  const roll = async (image: string): Promise<void> => {
    const observer = observe(stage, pods, { namespace: stage.namespace });
    // In real time the first of them would be gone before it looks.
    await stage.cluster.until(() => observer.lines.length >= 3);
    await stage.of(statefulSets).patch('rolls', withImage(image), strategic);
    await rolledOut(stage, 'rolls');
    expect(comings(observer.lines, 'DELETED')).toEqual(['rolls-2', 'rolls-1', 'rolls-0']);
    await observer.stop();
  };
  await roll('coxswain.dev/pause:v2');
  expect(imagesOf(stage)).toEqual(['v2', 'v2', 'v2']);
  await roll('coxswain.dev/pause:v1');
  expect(imagesOf(stage)).toEqual(['v1', 'v1', 'v1']);
  expect((await get(stage, 'rolls')).status!.currentRevision).toBe(first);
});

behaviour(
  `${area} should perform canary updates and phased rolling updates of template modifications`,
  async (stage) => {
    const to = (partition: number) => ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition } } });
    await create(stage, 'phased', { replicas: 3, spec: to(3) });
    await ready(stage, 'phased', 3);
    await stage.of(statefulSets).patch('phased', withImage('coxswain.dev/pause:v2'), strategic);
    await stage.cluster.advance(10_000);
    expect(imagesOf(stage)).toEqual(['v1', 'v1', 'v1']);
    await stage.of(statefulSets).patch('phased', { spec: to(2) }, strategic);
    await stage.cluster.until(() => imagesOf(stage).join() === 'v1,v1,v2');
    await ready(stage, 'phased', 3);
    for (const name of ['phased-0', 'phased-2']) await stage.of(pods).delete(name, { namespace: stage.namespace });
    await stage.cluster.advance(1_000);
    await ready(stage, 'phased', 3);
    expect(imagesOf(stage)).toEqual(['v1', 'v1', 'v2']);
    for (const [partition, images] of [
      [1, 'v1,v2,v2'],
      [0, 'v2,v2,v2'],
    ] as const) {
      await stage.of(statefulSets).patch('phased', { spec: to(partition) }, strategic);
      await stage.cluster.until(() => imagesOf(stage).join() === images);
      await ready(stage, 'phased', 3);
    }
    await rolledOut(stage, 'phased');
  },
);

behaviour(`${area} should validate Statefulset Status endpoints`, async (stage) => {
  await create(stage, 'statuses');
  await rolledOut(stage, 'statuses');
  await statusEndpoints(stage, statefulSets, 'statuses');
});
