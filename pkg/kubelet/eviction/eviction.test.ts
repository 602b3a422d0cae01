/** A node that has too little left, and pods that have taken more than they may. */
import { expect, test } from 'vitest';
import type { Container, Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import type { ContainerStats } from '../runtime/runtime.ts';
import { type Cluster, pod, recorded, start } from '../testing/virtual-node.ts';
import { memoryVolumeHost } from '../volumes/volume-host.ts';
import type { EvictionSettings } from './eviction-manager.ts';
import { beyondItsLimits, ranked } from './pod-consumption.ts';
import type { EvictionSignal, Observation } from './thresholds.ts';

const inDefault = { namespace: 'default' };
const mib = 1024 * 1024;
const hardMemory = { signal: 'memory.available', text: '100Mi', graceMs: 0 } as const;

/** A node of 1 GiB, of which so much is left, and whose containers use what is said by the name of their pod. */
async function node({ thresholds = [hardMemory], ...more }: Partial<EvictionSettings> = {}) {
  const left = new Map<EvictionSignal, Observation>();
  const use = new Map<string, Partial<ContainerStats>>();
  const volumeBytes = { now: 0 };
  const cluster = await start((runtime) => {
    const inspection = {
      ...runtime.inspection,
      async stats(id: string): Promise<ContainerStats> {
        const { podUid } = (await runtime.containers.status(id)) ?? { podUid: '' };
        const sandbox = (await runtime.sandboxes.list()).find(({ config }) => config.podUid === podUid);
        return { memoryBytes: mib, cpuNanoseconds: 0, ...use.get(sandbox?.config.podName ?? '') };
      },
    };
    return {
      runtimes: {
        fake: {
          capabilities: runtime.capabilities,
          sandboxes: runtime.sandboxes,
          containers: runtime.containers,
          inspection,
          streaming: runtime.streaming,
          images: runtime.images,
          onExit: (listener) => runtime.onExit(listener),
          close: () => runtime.close(),
        },
      },
      capacity: { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '1Gi' },
      volumes: { ...memoryVolumeHost(), bytesOf: async () => volumeBytes.now },
      eviction: { thresholds, transitionMs: 300_000, podGraceMsMax: 0, ...more, observe: async () => left },
    };
  });
  const memoryLeft = (amount: number): unknown =>
    left.set('memory.available', { available: amount * mib, capacity: 1024 * mib });
  return { ...cluster, left, use, volumeBytes, memoryLeft };
}

const sized = (name: string, memory: string, more: Partial<PodSpec> = {}): Pod =>
  pod(name, { spec: { containers: [{ name: 'app', image: 'i:v1', resources: { requests: { memory } } }], ...more } });

async function run(cluster: Pick<Cluster, 'client' | 'clock'>, ...made: readonly Pod[]): Promise<void> {
  for (const one of made) await cluster.client.resource(pods).create(one);
  await cluster.clock.settle();
}

async function said({ client }: Pick<Cluster, 'client'>, name: string) {
  const { status } = await client.resource(pods).get(name, inDefault);
  return { phase: status?.phase, reason: status?.reason, message: status?.message };
}

async function conditionOf({ client }: Pick<Cluster, 'client'>, type: string): Promise<string | undefined> {
  const { status } = await client.resource(nodes).get('n1');
  return findCondition(status?.conditions, type)?.status;
}

test('a node that is low on memory ends the pod that uses most beyond what it asked for, and takes no best-effort ones', async () => {
  const cluster = await node();
  const { use, memoryLeft, clock } = cluster;
  memoryLeft(500);
  await run(cluster, sized('modest', '64Mi'), sized('greedy', '64Mi'), sized('large', '512Mi'));
  use.set('modest', { memoryBytes: 70 * mib });
  use.set('greedy', { memoryBytes: 300 * mib, workingSetBytes: 200 * mib });
  use.set('large', { memoryBytes: 400 * mib });
  await clock.advance(10_000);
  expect((await said(cluster, 'greedy')).phase).toBe('Running');
  memoryLeft(50);
  await clock.advance(10_000);
  await clock.advance(2_000);
  const message =
    'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. ' +
    'Container app was using 200Mi, request is 64Mi, has larger consumption of memory. ';
  expect(await said(cluster, 'greedy')).toEqual({ phase: 'Failed', reason: 'Evicted', message });
  expect(await recorded(cluster, 'greedy')).toContain(`Evicted: ${message}`);
  const evicted = await cluster.client.resource(pods).get('greedy', inDefault);
  expect(findCondition(evicted.status?.conditions, 'DisruptionTarget')).toMatchObject({
    status: 'True',
    reason: 'TerminationByKubelet',
    message,
  });
  // One at a time: what it gives back is seen first.
  memoryLeft(400);
  expect([(await said(cluster, 'modest')).phase, (await said(cluster, 'large')).phase]).toEqual(['Running', 'Running']);
  expect(await conditionOf(cluster, 'MemoryPressure')).toBe('True');
  await run(cluster, pod('effortless'), sized('asking', '10Mi'));
  expect(await said(cluster, 'effortless')).toEqual({
    phase: 'Failed',
    reason: 'Evicted',
    message: 'Pod was rejected: The node had condition: [MemoryPressure]. ',
  });
  expect((await said(cluster, 'asking')).phase).toBe('Running');
  await clock.advance(310_000);
  expect(await conditionOf(cluster, 'MemoryPressure')).toBe('False');
});

test('a threshold with a time of its own ends pods only when it has gone on for that long', async () => {
  const cluster = await node({ thresholds: [{ ...hardMemory, graceMs: 60_000 }] });
  cluster.memoryLeft(50);
  await run(cluster, sized('web', '1Mi'));
  cluster.use.set('web', { memoryBytes: 5 * mib });
  await cluster.clock.advance(40_000);
  expect([(await said(cluster, 'web')).phase, await conditionOf(cluster, 'MemoryPressure')]).toEqual([
    'Running',
    'True',
  ]);
  cluster.memoryLeft(500);
  await cluster.clock.advance(20_000);
  cluster.memoryLeft(50);
  await cluster.clock.advance(50_000);
  expect((await said(cluster, 'web')).phase).toBe('Running');
  await cluster.clock.advance(40_000);
  expect((await said(cluster, 'web')).reason).toBe('Evicted');
});

test('pods of the system stay, and disks and processes have conditions of their own', async () => {
  const cluster = await node({
    thresholds: [
      { signal: 'nodefs.available', text: '10%', graceMs: 0 },
      { signal: 'pid.available', text: '100', graceMs: 0 },
    ],
  });
  const { left, clock, use } = cluster;
  const seen = async () => [
    await conditionOf(cluster, 'DiskPressure'),
    await conditionOf(cluster, 'PIDPressure'),
    (await said(cluster, 'vital')).phase,
    (await said(cluster, 'web')).reason,
  ];
  await run(cluster, sized('vital', '1Mi', { priority: 2_000_001_000 }), sized('web', '1Mi'));
  use.set('vital', { memoryBytes: mib, pids: 900 });
  expect(await seen()).toEqual(['False', 'False', 'Running', undefined]);
  left.set('pid.available', { available: 50, capacity: 1000 });
  await clock.advance(12_000);
  expect(await seen()).toEqual(['False', 'True', 'Running', 'Evicted']);
  left.clear();
  left.set('nodefs.available', { available: 9, capacity: 100 });
  await clock.advance(12_000);
  expect(await seen()).toEqual(['True', 'True', 'Running', 'Evicted']);
});

test('a pod that writes more than its limits is ended, whatever the node has left', async () => {
  const cluster = await node({ thresholds: [] });
  const container = (limit: string | undefined): readonly Container[] => [
    { name: 'app', image: 'i:v1', resources: limit === undefined ? {} : { limits: { 'ephemeral-storage': limit } } },
  ];
  const volumes = [{ name: 'cache', emptyDir: { sizeLimit: '1Mi' } }];
  await run(cluster, pod('volume', { spec: { containers: container(undefined), volumes } }));
  await run(cluster, pod('container', { spec: { containers: container('10Mi') } }));
  await cluster.clock.advance(20_000);
  expect((await said(cluster, 'volume')).phase).toBe('Running');
  cluster.volumeBytes.now = 2 * mib;
  cluster.use.set('container', { filesystemBytes: 11 * mib });
  await cluster.clock.advance(12_000);
  expect(await said(cluster, 'volume')).toEqual({
    phase: 'Failed',
    reason: 'Evicted',
    message: 'Usage of EmptyDir volume "cache" exceeds the limit "1Mi". ',
  });
  expect(await said(cluster, 'container')).toEqual({
    phase: 'Failed',
    reason: 'Evicted',
    message: 'Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ',
  });
});

test('a container goes for its own limit where its pod is within all of them together', () => {
  const limits = (amount: string) => ({ limits: { 'ephemeral-storage': amount } });
  const spec = {
    containers: [
      { name: 'a', resources: limits('1Mi') },
      { name: 'b', resources: limits('9Mi') },
    ],
  };
  const usage = (name: string, diskBytes: number) => ({ name, diskBytes, memoryBytes: 0, inodes: 0, processes: 0 });
  const containers = [usage('a', 2 * mib), usage('b', 0)];
  expect(beyondItsLimits({ pod: { spec }, containers, volumeBytes: new Map() })).toBe(
    'Container a exceeded its local ephemeral storage limit "1Mi". ',
  );
});

test('those beyond what they asked for go first, of those the least important', () => {
  const usage = (memoryBytes: number) => [{ name: 'a', memoryBytes, diskBytes: 0, inodes: 0, processes: 0 }];
  const one = (name: string, asked: string, used: number, priority: number) => ({
    pod: {
      metadata: { name },
      spec: { priority, containers: [{ name: 'a', resources: { requests: { memory: asked } } }] },
    },
    containers: usage(used),
    volumeBytes: new Map<string, number>(),
  });
  const order = ranked(
    [one('within', '100', 90, 0), one('vip', '1', 500, 9), one('little', '1', 5, 0), one('much', '1', 50, 0)],
    'memory.available',
  );
  expect(order.map(({ pod: { metadata } }) => metadata?.name)).toEqual(['much', 'little', 'vip', 'within']);
});
