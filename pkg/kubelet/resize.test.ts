/** Resources that change while a pod runs: what the node cannot give is said so, and what it can is in force before it is said (fault 36). */
import { expect, test } from 'vitest';
import type { Container, Pod, ResourceRequirements } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import type { ContainerResources } from './runtime/container-config.ts';
import type { RuntimeFeature } from './runtime/runtime.ts';
import { type Cluster, pod, recorded, start } from './testing/virtual-node.ts';

const inDefault = { namespace: 'default' };

const amounts = (cpu: string, memory = '1Gi'): ResourceRequirements => ({
  requests: { cpu, memory },
  limits: { memory },
});

function sized(name: string, resources: ResourceRequirements, more: Partial<Container> = {}): Pod {
  return pod(name, { spec: { containers: [{ name: 'app', image: 'example.com/app:v1', resources, ...more }] } });
}

async function run(cluster: Cluster, ...made: readonly Pod[]): Promise<void> {
  for (const one of made) await cluster.client.resource(pods).create(one);
  await cluster.clock.settle();
}

async function resize(cluster: Cluster, name: string, resources: ResourceRequirements): Promise<void> {
  const patch = { spec: { containers: [{ name: 'app', resources }] } };
  await cluster.client.resource(pods).patch(name, patch, { ...inDefault, type: 'strategic', subresource: 'resize' });
  await cluster.clock.settle();
}

/** What is said of a pod's resources, and what the runtime keeps to. */
async function saidOf(cluster: Cluster, name: string) {
  const { spec, status, metadata } = await cluster.client.resource(pods).get(name, inDefault);
  const [container] = status?.containerStatuses ?? [];
  const found = (await cluster.runtime.containers.list()).find(
    ({ podUid, state }) => podUid === metadata?.uid && state === 'running',
  );
  const condition = (type: string) => {
    const one = findCondition(status?.conditions, type);
    return one === undefined ? undefined : `${one.status} ${one.reason ?? ''}: ${one.message ?? ''}`;
  };
  const sandboxes = (await cluster.runtime.sandboxes.list()).filter(({ config }) => config.podUid === metadata?.uid);
  return {
    podShares: sandboxes[0]?.config.resources?.cpuShares,
    asked: spec?.containers[0]?.resources?.requests?.cpu,
    allocated: container?.allocatedResources?.cpu,
    inForce: container?.resources?.requests?.cpu,
    limit: container?.resources?.limits?.memory,
    shares: found?.resources.cpuShares,
    restarts: container?.restartCount,
    pending: condition('PodResizePending'),
    inProgress: condition('PodResizeInProgress'),
  };
}

async function resizeEvents(cluster: Cluster, name: string): Promise<readonly string[]> {
  return (await recorded(cluster, name)).filter((line) => line.startsWith('Resize'));
}

const summary = (cpu: string, generation: number, error?: string): string =>
  JSON.stringify({
    containers: [{ name: 'app', resources: { limits: { memory: '1Gi' }, requests: { cpu, memory: '1Gi' } } }],
    generation,
    error,
  });

test('what fits is given while the container runs, and only then said to be (fault 36)', async () => {
  const cluster = await start();
  await run(cluster, sized('web', amounts('1')));
  expect(await saidOf(cluster, 'web')).toMatchObject({ allocated: '1', inForce: '1', shares: 1024 });
  await resize(cluster, 'web', amounts('2'));
  expect(await saidOf(cluster, 'web')).toEqual({
    asked: '2',
    allocated: '2',
    inForce: '2',
    limit: '1Gi',
    shares: 2048,
    podShares: 2048,
    restarts: 0,
    pending: undefined,
    inProgress: undefined,
  });
  expect(await resizeEvents(cluster, 'web')).toEqual([
    `ResizeStarted: Pod resize started: ${summary('2', 2)}`,
    `ResizeCompleted: Pod resize completed: ${summary('2', 2)}`,
  ]);
});

test('the pod as a whole has room before its containers need it, and no more than they have after', async () => {
  const cluster = await start();
  const limited = (cpu: string, memory: string): ResourceRequirements => ({
    requests: { cpu, memory },
    limits: { cpu, memory },
  });
  const given: unknown[] = [];
  const { sandboxes, containers } = cluster.runtime;
  const note = (what: string, { cpuQuotaUs, memoryLimitBytes = 0 }: ContainerResources): void => {
    given.push([what, cpuQuotaUs, memoryLimitBytes / 2 ** 30]);
  };
  const update = containers.update.bind(containers);
  const limit = sandboxes.update?.bind(sandboxes);
  Object.assign(containers, {
    update(id: string, resources: ContainerResources) {
      note('container', resources);
      return update(id, resources);
    },
  });
  Object.assign(sandboxes, {
    async update(id: string, resources: ContainerResources) {
      note('pod', resources);
      await limit?.(id, resources);
    },
  });
  await run(cluster, sized('web', limited('1', '2Gi')));
  await resize(cluster, 'web', limited('2', '1Gi'));
  expect(given).toEqual([
    ['pod', 200_000, 2],
    ['container', 200_000, 1],
    ['pod', 200_000, 1],
  ]);
});

test('what no pod of this node could have is infeasible, and the container keeps what it has (fault 36)', async () => {
  const cluster = await start();
  await run(cluster, sized('web', amounts('1')));
  await resize(cluster, 'web', amounts('60'));
  const why = "Node didn't have enough capacity: cpu, requested: 60000, capacity: 4000";
  const kept = { asked: '60', allocated: '1', inForce: '1', shares: 1024, restarts: 0, inProgress: undefined };
  expect(await saidOf(cluster, 'web')).toMatchObject({ ...kept, pending: `True Infeasible: ${why}` });
  expect(await resizeEvents(cluster, 'web')).toEqual([
    `ResizeInfeasible: Pod resize Infeasible: ${summary('60', 2, why)}`,
  ]);
  await resize(cluster, 'web', { requests: { cpu: '1', memory: '9Gi' }, limits: { memory: '9Gi' } });
  expect((await saidOf(cluster, 'web')).pending).toBe(
    "True Infeasible: Node didn't have enough capacity: memory, requested: 9663676416, capacity: 8589934592",
  );
  const { metadata, status } = await cluster.client.resource(pods).get('web', inDefault);
  expect(findCondition(status?.conditions, 'PodResizePending')?.observedGeneration).toBe(metadata?.generation);
  await resize(cluster, 'web', { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '9Gi' } });
  expect((await saidOf(cluster, 'web')).pending).toBe(undefined);
});

test('what others have is deferred, and given once they are gone (fault 36)', async () => {
  const cluster = await start();
  await run(cluster, sized('web', amounts('1')), sized('other', amounts('2')));
  await resize(cluster, 'web', amounts('3'));
  const why = "Node didn't have enough resource: cpu, requested: 3000, used: 2000, capacity: 4000";
  expect(await saidOf(cluster, 'web')).toMatchObject({
    allocated: '1',
    inForce: '1',
    pending: `True Deferred: ${why}`,
  });
  // What it waits for counts as little as what it does not have: others may come.
  await run(cluster, sized('third', amounts('1')));
  expect((await saidOf(cluster, 'third')).allocated).toBe('1');
  await cluster.client.resource(pods).delete('other', { ...inDefault, gracePeriodSeconds: 0 });
  await cluster.clock.advance(1_000);
  const given = { allocated: '3', inForce: '3', shares: 3072, restarts: 0, pending: undefined, inProgress: undefined };
  expect(await saidOf(cluster, 'web')).toMatchObject(given);
  expect((await resizeEvents(cluster, 'web')).map((line) => line.split(':')[0])).toEqual([
    'ResizeDeferred',
    'ResizeStarted',
    'ResizeCompleted',
  ]);
});

test('of several that wait the more important comes first, and one that shrinks makes room', async () => {
  const cluster = await start();
  const important = sized('vip', amounts('1'));
  await run(cluster, sized('web', amounts('1')), { ...important, spec: { ...important.spec!, priority: 1000 } });
  await run(cluster, sized('large', amounts('2')));
  await resize(cluster, 'web', amounts('2'));
  await resize(cluster, 'vip', amounts('2'));
  await resize(cluster, 'large', amounts('1'));
  const cpus = async () =>
    Promise.all(['web', 'vip', 'large'].map(async (name) => (await saidOf(cluster, name)).inForce));
  expect(await cpus()).toEqual(['1', '2', '1']);
});

test('a container that asks for it is restarted to have another amount of memory (fault 36)', async () => {
  const cluster = await start();
  const resizePolicy = [
    { resourceName: 'memory', restartPolicy: 'RestartContainer' },
    { resourceName: 'cpu', restartPolicy: 'NotRequired' },
  ];
  await run(cluster, sized('web', amounts('1'), { resizePolicy }));
  await resize(cluster, 'web', amounts('2'));
  expect(await saidOf(cluster, 'web')).toMatchObject({ inForce: '2', restarts: 0 });
  await resize(cluster, 'web', amounts('2', '2Gi'));
  await cluster.clock.advance(30_000);
  const after = { inForce: '2', limit: '2Gi', restarts: 1, pending: undefined, inProgress: undefined };
  expect(await saidOf(cluster, 'web')).toMatchObject(after);
  expect(await recorded(cluster, 'web')).toContain('Killing: Container app resize requires restart');
  expect((await resizeEvents(cluster, 'web')).map((line) => line.split(':')[0])).toEqual([
    'ResizeStarted',
    'ResizeCompleted',
    'ResizeStarted',
    'ResizeCompleted',
  ]);
});

test('what the runtime refuses is in progress, with why, and tried again (fault 36)', async () => {
  const cluster = await start();
  await run(cluster, sized('web', amounts('1')));
  cluster.runtime.fault('containers.update', 'cgroup is busy');
  await resize(cluster, 'web', amounts('2'));
  expect(await saidOf(cluster, 'web')).toMatchObject({
    allocated: '2',
    inForce: '1',
    shares: 1024,
    inProgress: 'True Error: cgroup is busy',
  });
  await cluster.clock.advance(10_000);
  expect(await saidOf(cluster, 'web')).toMatchObject({ inForce: '2', shares: 2048, inProgress: undefined });
});

test('a kubelet that starts again knows what was given and what was not (fault 36)', async () => {
  const cluster = await start();
  await run(cluster, sized('web', amounts('1')), sized('other', amounts('2')));
  await resize(cluster, 'web', amounts('3'));
  await cluster.end();
  const { end } = cluster.startKubelet();
  await cluster.clock.settle();
  expect(await saidOf(cluster, 'web')).toMatchObject({ allocated: '1', inForce: '1', shares: 1024, restarts: 0 });
  expect((await saidOf(cluster, 'web')).pending).toContain('True Deferred');
  await run(cluster, sized('third', amounts('1')));
  expect((await saidOf(cluster, 'third')).allocated).toBe('1');
  await cluster.client.resource(pods).delete('other', { ...inDefault, gracePeriodSeconds: 0 });
  await cluster.clock.advance(1_000);
  expect(await saidOf(cluster, 'web')).toMatchObject({ inForce: '3', shares: 3072, restarts: 0 });
  await end();
});

/** A node whose runtime has only these features, as that of programs has. */
function startWith(...features: readonly RuntimeFeature[]): Promise<Cluster> {
  return start((runtime) => {
    Object.assign(runtime, { capabilities: { ...runtime.capabilities, features: new Set(features) } });
    return {};
  });
}

test('a runtime that cannot change limits restarts the container for those that it keeps, and only for them', async () => {
  const cluster = await startWith('memoryLimits');
  await run(cluster, sized('web', amounts('1')));
  await resize(cluster, 'web', amounts('2'));
  expect(await saidOf(cluster, 'web')).toMatchObject({ allocated: '2', inForce: '2', restarts: 0 });
  await resize(cluster, 'web', amounts('2', '2Gi'));
  await cluster.clock.advance(30_000);
  expect(await saidOf(cluster, 'web')).toMatchObject({ limit: '2Gi', restarts: 1, inProgress: undefined });
});

test('where no restart is allowed such a change is infeasible', async () => {
  const cluster = await startWith('memoryLimits');
  const never = sized('job', amounts('1'));
  await run(cluster, { ...never, spec: { ...never.spec!, restartPolicy: 'Never' } });
  await resize(cluster, 'job', amounts('1', '2Gi'));
  expect(await saidOf(cluster, 'job')).toMatchObject({
    limit: '1Gi',
    restarts: 0,
    pending:
      'True Infeasible: the fake runtime cannot change the limits of container app while it runs, and restartPolicy Never does not let it be restarted',
  });
});
