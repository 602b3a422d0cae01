/** The life of pods on simulated nodes: phases, restarts, init containers, probes, deadlines, generations, evictions. */
import { expect } from 'vitest';
import { isPodReady } from '#pkg/api/core/pod.ts';
import type { Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { container, pod } from './objects.ts';
import { observe } from './observe.ts';
import { rewrite } from './rewrite.ts';

const strategic = { namespace: 'conformance', type: 'strategic' } as const;
const fake = 'fake.coxswain.dev';

const find = (stage: Stage, name: string): Pod | undefined =>
  stage.cluster.pods(stage.namespace).find(({ metadata }) => metadata?.name === name);

const create = (stage: Stage, name: string, spec: Partial<PodSpec> = {}, meta: Pod['metadata'] = {}) =>
  stage.of(pods).create(pod(name, { terminationGracePeriodSeconds: 0, ...spec }, meta));

async function until(stage: Stage, name: string, holds: (one: Pod) => boolean, limitMs?: number): Promise<Pod> {
  await stage.cluster.until(() => {
    const found = find(stage, name);
    return found !== undefined && holds(found);
  }, limitMs);
  return find(stage, name)!;
}

const isRunning = (one: Pod): boolean => one.status?.phase === 'Running';
const restarts = (one: Pod): number => one.status?.containerStatuses?.[0]?.restartCount ?? 0;

behaviour('[sig-node] Pods should be submitted and removed [NodeConformance]', async (stage) => {
  const { namespace } = stage;
  const labelSelector = 'time=1';
  expect((await stage.of(pods).list({ namespace, labelSelector })).items).toEqual([]);
  const observer = observe(stage, pods, { namespace, labelSelector });
  await create(
    stage,
    'submitted',
    { terminationGracePeriodSeconds: 30 },
    { labels: { time: '1' }, annotations: { [`${fake}/stop-time`]: '2s' } },
  );
  await observer.saw('ADDED');
  await until(stage, 'submitted', isRunning);
  await stage.of(pods).delete('submitted', { namespace, gracePeriodSeconds: 30 });
  await observer.saw('MODIFIED', ({ metadata }) => metadata?.deletionTimestamp !== undefined);
  const last = await observer.saw('DELETED');
  expect(last.metadata?.deletionTimestamp).toBeDefined();
  expect(last.metadata?.deletionGracePeriodSeconds ?? 0).not.toBe(undefined);
  expect((await stage.of(pods).list({ namespace, labelSelector })).items).toEqual([]);
  await observer.stop();
});

behaviour('[sig-node] Pods should be updated [NodeConformance]', async (stage) => {
  const { namespace } = stage;
  await create(stage, 'updated', {}, { labels: { time: '1' } });
  await until(stage, 'updated', isRunning);
  await rewrite(stage.of(pods), 'updated', {
    namespace,
    change: (current) => ({ ...current, metadata: { ...current.metadata, labels: { time: 'updated-1' } } }),
  });
  const { items } = await stage.of(pods).list({ namespace, labelSelector: 'time=updated-1' });
  expect(items.map(({ metadata }) => metadata?.name)).toEqual(['updated']);
});

behaviour('[sig-node] Pods should allow activeDeadlineSeconds to be updated [NodeConformance]', async (stage) => {
  await create(stage, 'deadline');
  await until(stage, 'deadline', isRunning);
  await stage.of(pods).patch('deadline', { spec: { activeDeadlineSeconds: 5 } }, strategic);
  const ended = await until(stage, 'deadline', ({ status }) => status?.phase === 'Failed');
  expect(ended.status?.reason).toBe('DeadlineExceeded');
});

behaviour('[sig-node] Pods should get a host IP [NodeConformance]', async (stage) => {
  await create(stage, 'hosted');
  const { status } = await until(stage, 'hosted', (one) => one.status?.hostIP !== undefined);
  expect([status?.hostIP, status?.hostIPs]).toEqual(['127.0.0.1', [{ ip: '127.0.0.1' }]]);
});

behaviour('[sig-node] Pods should delete a collection of pods', async (stage) => {
  const { namespace } = stage;
  const names = ['test-pod-1', 'test-pod-2', 'test-pod-3'];
  for (const name of names) await create(stage, name, {}, { labels: { type: 'Testing' } });
  await stage.cluster.until(() => stage.cluster.pods(namespace).filter(isRunning).length === 3);
  const options = { namespace, labelSelector: 'type=Testing' };
  await stage.of(pods).deleteCollection(options);
  await stage.cluster.until(async () => (await stage.of(pods).list(options)).items.length === 0);
});

behaviour('[sig-node] Pods should patch a pod status', async (stage) => {
  const { namespace } = stage;
  await create(stage, 'statuses');
  await until(stage, 'statuses', isRunning);
  const status = { message: 'Patched by e2e test', reason: 'E2E' };
  await stage.of(pods).patch('statuses', { status }, { ...strategic, subresource: 'status' });
  const read = await stage.of(pods).get('statuses', { namespace, subresource: 'status' });
  expect(read.status).toMatchObject(status);
});

behaviour('[sig-node] Pods should run through the lifecycle of Pods and PodStatus', async (stage) => {
  const { namespace } = stage;
  const client = stage.of(pods);
  const labelSelector = 'test-pod-static=true';
  const observer = observe(stage, pods, { namespace, labelSelector });
  await create(stage, 'pod-test', { terminationGracePeriodSeconds: 1 }, { labels: { 'test-pod-static': 'true' } });
  await observer.saw('ADDED');
  await observer.saw('MODIFIED', isPodReady);
  const patch = {
    metadata: { labels: { 'test-pod': 'patched' } },
    spec: { containers: [{ name: 'main', image: 'coxswain.dev/pause:v2' }] },
  };
  await client.patch('pod-test', patch, strategic);
  await observer.saw('MODIFIED', ({ metadata }) => metadata?.labels?.['test-pod'] === 'patched');
  const read = await client.get('pod-test', { namespace });
  expect([read.metadata?.labels?.['test-pod'], read.spec?.containers[0]?.image]).toEqual([
    'patched',
    'coxswain.dev/pause:v2',
  ]);
  const replaced = await rewrite(client, 'pod-test', {
    namespace,
    subresource: 'status',
    change: (current) => {
      const conditions = current.status!.conditions!.map((one) =>
        one.type === 'Ready' ? { ...one, status: 'False' as const } : one,
      );
      return { ...current, status: { ...current.status, conditions } };
    },
  });
  expect(replaced.status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('False');
  expect((await client.get('pod-test', { namespace, subresource: 'status' })).metadata?.name).toBe('pod-test');
  await client.deleteCollection({ namespace, labelSelector });
  await observer.saw('DELETED');
  await expect(client.get('pod-test', { namespace })).rejects.toSatisfy(isNotFound);
  await observer.stop();
});

behaviour(
  '[sig-node] Pods Extended Pods Set QOS Class should be set on Pods with matching resource requests and limits for memory and cpu',
  async (stage) => {
    const amounts = { cpu: '100m', memory: '100Mi' };
    await create(stage, 'guaranteed', {
      containers: [{ ...container, resources: { requests: amounts, limits: amounts } }],
    });
    expect((await stage.of(pods).get('guaranteed', { namespace: stage.namespace })).status?.qosClass).toBe(
      'Guaranteed',
    );
  },
);

const generation = '[sig-node] Pods Extended (pod generation) Pod Generation';

behaviour(
  `${generation} pod generation should start at 1 and increment per update [MinimumKubeletVersion:1.34]`,
  async (stage) => {
    const { namespace } = stage;
    const toleration = { key: 'foo', operator: 'Exists' as const, effect: 'NoExecute' as const };
    await create(stage, 'generations', { activeDeadlineSeconds: 5000, tolerations: [toleration] });
    await until(stage, 'generations', (one) => isRunning(one) && one.status?.observedGeneration === 1, 60_000);
    const current = () => stage.of(pods).get('generations', { namespace });
    expect((await current()).metadata?.generation).toBe(1);
    const changes: readonly ((one: Pod) => { readonly pod: Pod; readonly counts: boolean })[] = [
      (one) => ({ pod: { ...one, spec: { ...one.spec!, activeDeadlineSeconds: 4000 } }, counts: true }),
      (one) => ({
        pod: {
          ...one,
          spec: { ...one.spec!, containers: [{ ...one.spec!.containers[0]!, image: 'coxswain.dev/pause:v2' }] },
        },
        counts: true,
      }),
      (one) => ({
        pod: {
          ...one,
          spec: { ...one.spec!, tolerations: [...one.spec!.tolerations!, { ...toleration, key: 'bar' }] },
        },
        counts: true,
      }),
      (one) => ({ pod: { ...one, metadata: { ...one.metadata, annotations: { key: 'value' } } }, counts: false }),
      (one) => ({ pod: { ...one, metadata: { ...one.metadata, generation: 99 } }, counts: false }),
    ];
    let expected = 1;
    for (const change of changes) {
      const { pod: next, counts } = change(await current());
      if (counts) expected++;
      expect((await stage.of(pods).update(next)).metadata?.generation).toBe(expected);
      await until(stage, 'generations', ({ status }) => status?.observedGeneration === expected);
    }
  },
);

behaviour(`${generation} custom-set generation on new pods and graceful delete`, async (stage) => {
  const { namespace } = stage;
  const created = await create(
    stage,
    'deleted',
    { terminationGracePeriodSeconds: 30 },
    { generation: 100, annotations: { [`${fake}/stop-time`]: '5s' } },
  );
  expect(created.metadata?.generation).toBe(1);
  await until(stage, 'deleted', isRunning);
  await stage.of(pods).delete('deleted', { namespace, gracePeriodSeconds: 30 });
  expect((await stage.of(pods).get('deleted', { namespace })).metadata?.generation).toBe(2);
  await stage.cluster.until(() => find(stage, 'deleted') === undefined);
});

behaviour(
  `${generation} issue 500 podspec updates and verify generation and observedGeneration eventually converge [MinimumKubeletVersion:1.34]`,
  async (stage) => {
    await create(stage, 'many', { activeDeadlineSeconds: 100_000 });
    for (let index = 1; index < 500; index++) {
      await stage.of(pods).patch('many', { spec: { activeDeadlineSeconds: 100_000 - index } }, strategic);
    }
    await until(
      stage,
      'many',
      ({ metadata, status }) => metadata?.generation === 500 && status?.observedGeneration === 500,
      60_000,
    );
  },
);

const init = '[sig-node] InitContainer [NodeConformance]';
const inits = ['init1', 'init2'].map((name) => ({ ...container, name }));

const initAnnotations = (init1: string): Readonly<Record<string, string>> => ({
  [`${fake}/init1.run-time`]: '1s',
  [`${fake}/init1.exit-code`]: init1,
  [`${fake}/init2.run-time`]: '1s',
});

behaviour(`${init} should invoke init containers on a RestartAlways pod`, async (stage) => {
  await create(
    stage,
    'always',
    { initContainers: inits, restartPolicy: 'Always' },
    { annotations: initAnnotations('0') },
  );
  const { status } = await until(stage, 'always', isRunning);
  expect(status?.conditions?.find(({ type }) => type === 'Initialized')?.status).toBe('True');
  const seen = status?.initContainerStatuses?.map(({ ready, state }) => [ready, state?.terminated?.exitCode]);
  expect(seen).toEqual([
    [true, 0],
    [true, 0],
  ]);
});

behaviour(`${init} should invoke init containers on a RestartNever pod`, async (stage) => {
  const annotations = { ...initAnnotations('0'), [`${fake}/main.run-time`]: '1s' };
  await create(stage, 'never', { initContainers: inits, restartPolicy: 'Never' }, { annotations });
  const { status } = await until(stage, 'never', (one) => one.status?.phase === 'Succeeded');
  expect(status?.initContainerStatuses?.map(({ state }) => state?.terminated?.exitCode)).toEqual([0, 0]);
  expect(status?.conditions?.find(({ type }) => type === 'Initialized')?.status).toBe('True');
});

behaviour(`${init} should not start app containers if init containers fail on a RestartAlways pod`, async (stage) => {
  await create(
    stage,
    'failing',
    { initContainers: inits, restartPolicy: 'Always' },
    { annotations: initAnnotations('1') },
  );
  const { status } = await until(
    stage,
    'failing',
    (one) => (one.status?.initContainerStatuses?.[0]?.restartCount ?? 0) >= 3,
  );
  expect(status?.phase).toBe('Pending');
  expect(status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('PodInitializing');
  expect(status?.initContainerStatuses?.[1]?.state?.waiting).toBeDefined();
  expect(status?.conditions?.find(({ type }) => type === 'Initialized')).toMatchObject({
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: 'containers with incomplete status: [init1 init2]',
  });
});

behaviour(
  `${init} should not start app containers and fail the pod if init containers fail on a RestartNever pod`,
  async (stage) => {
    const annotations = { ...initAnnotations('0'), [`${fake}/init2.exit-code`]: '1' };
    await create(stage, 'failed', { initContainers: inits, restartPolicy: 'Never' }, { annotations });
    const { status } = await until(stage, 'failed', (one) => one.status?.phase === 'Failed');
    expect(status?.initContainerStatuses?.map(({ state }) => state?.terminated?.exitCode)).toEqual([0, 1]);
    expect(status?.containerStatuses?.[0]?.state?.waiting).toBeDefined();
    expect(status?.conditions?.find(({ type }) => type === 'Initialized')?.message).toBe(
      'containers with incomplete status: [init2]',
    );
  },
);

behaviour(
  '[sig-node] Container Runtime blackbox test when starting a container that exits should run with the expected status [NodeConformance]',
  async (stage) => {
    const annotations = { [`${fake}/run-time`]: '1s,1s,forever', [`${fake}/exit-code`]: '1' };
    await create(stage, 'always', { restartPolicy: 'Always' }, { annotations });
    const always = await until(stage, 'always', (one) => restarts(one) === 2 && isRunning(one) && isPodReady(one));
    expect(always.status?.containerStatuses?.[0]?.state?.running).toBeDefined();
    const onFailure = { [`${fake}/run-time`]: '1s', [`${fake}/exit-code`]: '1,0' };
    await create(stage, 'on-failure', { restartPolicy: 'OnFailure' }, { annotations: onFailure });
    const succeeded = await until(stage, 'on-failure', (one) => one.status?.phase === 'Succeeded');
    expect([restarts(succeeded), isPodReady(succeeded)]).toEqual([1, false]);
    const never = { [`${fake}/run-time`]: '1s', [`${fake}/exit-code`]: '1' };
    await create(stage, 'never', { restartPolicy: 'Never' }, { annotations: never });
    const failed = await until(stage, 'never', (one) => one.status?.phase === 'Failed');
    expect([restarts(failed), failed.status?.containerStatuses?.[0]?.state?.terminated?.exitCode]).toEqual([0, 1]);
  },
);

const kubelet = '[sig-node] Kubelet when scheduling a busybox command that always fails in a pod';
const failing = { [`${fake}/run-time`]: '0s', [`${fake}/exit-code`]: '1' };

behaviour(`${kubelet} should have an terminated reason [NodeConformance]`, async (stage) => {
  await create(stage, 'bin-false', {}, { annotations: failing });
  const { status } = await until(
    stage,
    'bin-false',
    (one) =>
      one.status?.containerStatuses?.[0]?.state?.terminated !== undefined ||
      one.status?.containerStatuses?.[0]?.lastState?.terminated !== undefined,
  );
  const [only] = status!.containerStatuses!;
  const terminated = only!.state?.terminated ?? only!.lastState?.terminated;
  expect([status?.containerStatuses?.length, terminated?.exitCode, terminated?.reason]).toEqual([1, 1, 'Error']);
});

behaviour(`${kubelet} should be possible to delete [NodeConformance]`, async (stage) => {
  await create(stage, 'bin-false', {}, { annotations: failing });
  await until(stage, 'bin-false', (one) => restarts(one) > 0);
  await stage.of(pods).delete('bin-false', { namespace: stage.namespace });
  await stage.cluster.until(() => find(stage, 'bin-false') === undefined);
});

const probing = '[sig-node] Probing container';

behaviour(
  `${probing} with readiness probe should not be ready before initial delay and never restart [NodeConformance]`,
  async (stage) => {
    const readinessProbe = { httpGet: { path: '/', port: 81 }, initialDelaySeconds: 30 };
    await create(stage, 'delayed', { containers: [{ ...container, readinessProbe }] });
    const ready = await until(stage, 'delayed', isPodReady);
    const startedMs = Date.parse(ready.status!.containerStatuses![0]!.state!.running!.startedAt!);
    const readyMs = Date.parse(ready.status!.conditions!.find(({ type }) => type === 'Ready')!.lastTransitionTime!);
    expect(readyMs - startedMs).toBeGreaterThanOrEqual(30_000);
    expect(restarts(ready)).toBe(0);
  },
);

behaviour(
  `${probing} with readiness probe that fails should never be ready and never restart [NodeConformance]`,
  async (stage) => {
    const readinessProbe = { exec: { command: ['/bin/false'] }, initialDelaySeconds: 30 };
    const annotations = { [`${fake}/readiness`]: 'fail' };
    await create(stage, 'never-ready', { containers: [{ ...container, readinessProbe }] }, { annotations });
    await until(stage, 'never-ready', isRunning);
    for (let minute = 0; minute < 3; minute++) {
      await stage.cluster.advance(60_000);
      const now = find(stage, 'never-ready')!;
      expect([isPodReady(now), restarts(now), now.status?.phase]).toEqual([false, 0, 'Running']);
    }
  },
);

behaviour(`${probing} should have monotonically increasing restart count [NodeConformance]`, async (stage) => {
  const livenessProbe = { httpGet: { path: '/healthz', port: 8080 }, initialDelaySeconds: 5, failureThreshold: 1 };
  const annotations = { [`${fake}/liveness`]: 'ok,500@10s' };
  await create(stage, 'unhealthy', { containers: [{ ...container, livenessProbe }] }, { annotations });
  let last = 0;
  await stage.cluster.until(() => {
    const now = restarts(find(stage, 'unhealthy') ?? {});
    expect(now).toBeGreaterThanOrEqual(last);
    expect(now).toBeLessThanOrEqual(last + 1);
    last = now;
    return now === 5;
  }, 30 * 60_000);
});

const taint = { key: 'kubernetes.io/e2e-evict-taint-key', value: 'evictTaintVal', effect: 'NoExecute' as const };
const tolerating = (tolerationSeconds: number) => ({
  tolerations: [{ ...taint, operator: 'Equal' as const, tolerationSeconds }],
});
const setTaints = (stage: Stage, name: string, taints: readonly (typeof taint)[]) =>
  stage.of(nodes).patch(name, { spec: { taints } }, { type: 'merge' });

behaviour(
  '[sig-node] NoExecuteTaintManager Single Pod [Serial] removing taint cancels eviction [Disruptive]',
  async (stage) => {
    await create(stage, 'taint-eviction', tolerating(60));
    const { spec } = await until(stage, 'taint-eviction', isRunning);
    await setTaints(stage, spec!.nodeName!, [taint]);
    await stage.cluster.advance(30_000);
    expect(find(stage, 'taint-eviction')?.metadata?.deletionTimestamp).toBe(undefined);
    await setTaints(stage, spec!.nodeName!, []);
    await stage.cluster.advance(120_000);
    expect(find(stage, 'taint-eviction')?.metadata?.deletionTimestamp).toBe(undefined);
  },
);

behaviour(
  '[sig-node] NoExecuteTaintManager Multiple Pods [Serial] evicts pods with minTolerationSeconds [Disruptive]',
  async (stage) => {
    await create(stage, 'short', tolerating(5));
    const { spec } = await until(stage, 'short', isRunning);
    await create(stage, 'long', { ...tolerating(20), nodeName: spec!.nodeName! });
    await until(stage, 'long', isRunning);
    const startMs = stage.cluster.clock.monotonicMs();
    await setTaints(stage, spec!.nodeName!, [taint]);
    await stage.cluster.until(() => find(stage, 'short') === undefined);
    const shortMs = stage.cluster.clock.monotonicMs() - startMs;
    expect(find(stage, 'long')).toBeDefined();
    await stage.cluster.until(() => find(stage, 'long') === undefined);
    const longMs = stage.cluster.clock.monotonicMs() - startMs;
    expect([shortMs >= 5000 && shortMs < 15_000, longMs >= 20_000 && longMs < 30_000]).toEqual([true, true]);
  },
);
