/** Jobs from their first pod to their last condition, on virtual time. */
import { afterEach, expect, test } from 'vitest';
import type { Job, JobSpec } from '#pkg/api/types/batch-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { jobs, pods } from '#pkg/api/types/refs.ts';
import { controllerOf } from '#pkg/apimachinery/object.ts';
import { serviceUnavailable } from '#pkg/apimachinery/status-error.ts';
import { endPod, type Harness, type HarnessOptions, startHarness, until } from '../testing/harness.ts';
import { indexOf, isJobFinished, isTracked } from './job-pods.ts';

let harness: Harness;
afterEach(() => harness.stop());

const controllers = ['job-controller', 'garbage-collector-controller'];

async function start(options: HarnessOptions = {}): Promise<void> {
  harness = await startHarness({ controllers, ...options });
}

const jobOf = (spec: Partial<JobSpec> = {}, name = 'work'): Job => ({
  metadata: { name, namespace: 'default' },
  spec: {
    template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'v1' }] } },
    ...spec,
  },
});

const create = (spec: Partial<JobSpec> = {}) => harness.client.resource(jobs).create(jobOf(spec));
const work = async () => (await harness.get(jobs, 'default/work'))!;
const isOver = async () => isJobFinished(await work());
const podsOfWork = () => harness.list(pods, 'default');
const activePods = async () => (await podsOfWork()).filter((pod) => pod.status?.phase === 'Running');
const conditionsOf = ({ status }: Job): readonly string[] =>
  (status?.conditions ?? []).map(({ type, status: is, reason, message }) => `${type}=${is} ${reason}: ${message}`);
const patch = (spec: object) =>
  harness.client.resource(jobs).patch('work', { spec }, { namespace: 'default', type: 'merge' });
const indexed = (completions: number, spec: Partial<JobSpec> = {}): Partial<JobSpec> => ({
  completionMode: 'Indexed',
  completions,
  parallelism: completions,
  ...spec,
});

test('a job is complete when as many pods as asked for have succeeded, never more at once than it allows', async () => {
  await start();
  await create({ completions: 5, parallelism: 2 });
  let most = 0;
  for (let ended = 0; ended < 5; ended++) {
    await harness.clock.advance(2_000);
    const running = await activePods();
    most = Math.max(most, running.length);
    await endPod(harness, running[0]!, 0);
  }
  await harness.clock.advance(2_000);
  expect(most).toBe(2);
  const { status } = await work();
  expect(status).toMatchObject({ succeeded: 5, ready: 0, terminating: 0, uncountedTerminatedPods: {} });
  expect(status?.active).toBeUndefined();
  expect(status?.completionTime).toBeDefined();
  expect(conditionsOf(await work())).toEqual([
    'SuccessCriteriaMet=True CompletionsReached: Reached expected number of succeeded pods',
    'Complete=True CompletionsReached: Reached expected number of succeeded pods',
  ]);
  expect((await harness.eventsOf('work')).at(-1)).toMatch(/^Completed: Job completed$|^SuccessfulCreate/);
  expect(await harness.eventsOf('work')).toContain('Completed: Job completed');
  expect((await podsOfWork()).some(isTracked)).toBe(false);
});

test('pods that are made carry the finalizer by which they are counted', async () => {
  await start();
  await create();
  await harness.clock.advance(1_000);
  const [pod] = await podsOfWork();
  expect(isTracked(pod!)).toBe(true);
  expect(controllerOf(pod!)?.kind).toBe('Job');
  expect(pod!.metadata?.labels?.['batch.kubernetes.io/job-name']).toBe('work');
  expect((await work()).status).toMatchObject({ active: 1, ready: 1, terminating: 0 });
  expect((await work()).status?.startTime).toBeDefined();
});

test('without completions one success is enough, and what runs may go on', async () => {
  await start();
  await create({ parallelism: 3 });
  await harness.clock.advance(1_000);
  const [first, ...others] = await activePods();
  await endPod(harness, first!, 0);
  await harness.clock.advance(5_000);
  expect((await podsOfWork()).length).toBe(3);
  expect(await isOver()).toBe(false);
  for (const pod of others) await endPod(harness, (await harness.get(pods, `default/${pod.metadata!.name}`))!, 0);
  await harness.clock.advance(2_000);
  expect((await work()).status).toMatchObject({ succeeded: 3 });
  expect(await isOver()).toBe(true);
});

test('pods that fail are replaced after 10 s, 20 s, 40 s, until there were too many', async () => {
  await start({ exitCodeOf: () => 1 });
  await create({ backoffLimit: 3 });
  const made: number[] = [];
  const startMs = harness.clock.nowMs();
  await until(harness, async () => {
    const count = (await podsOfWork()).length;
    if (count > made.length) made.push(Math.floor((harness.clock.nowMs() - startMs) / 1_000));
    return isOver();
  });
  expect(made).toEqual([0, 10, 30, 70]);
  expect((await work()).status).toMatchObject({ failed: 4, terminating: 0 });
  expect((await work()).status?.succeeded).toBeUndefined();
  expect(conditionsOf(await work())).toEqual([
    'FailureTarget=True BackoffLimitExceeded: Job has reached the specified backoff limit',
    'Failed=True BackoffLimitExceeded: Job has reached the specified backoff limit',
  ]);
  expect(await harness.eventsOf('work')).toContain('BackoffLimitExceeded: Job has reached the specified backoff limit');
});

test('a job that fails takes its running pods with it and counts them as failed', async () => {
  await start();
  await create({ parallelism: 3, completions: 3, backoffLimit: 0 });
  await harness.clock.advance(1_000);
  await endPod(harness, (await activePods())[0]!, 1);
  await harness.clock.advance(2_000);
  expect((await work()).status).toMatchObject({ failed: 3 });
  expect((await podsOfWork()).map(({ status }) => status?.phase)).toEqual(['Failed']);
});

test('the pods of an indexed job have their index in name, annotation, label, host name and environment', async () => {
  await start();
  await create(indexed(3));
  await harness.clock.advance(1_000);
  const made = [...(await podsOfWork())].sort((a, b) => indexOf(a)! - indexOf(b)!);
  expect(made.map(indexOf)).toEqual([0, 1, 2]);
  const pod = made[1]!;
  const key = 'batch.kubernetes.io/job-completion-index';
  expect(pod.metadata?.name).toMatch(/^work-1-[a-z0-9]{5}$/);
  expect(pod.metadata?.annotations?.[key]).toBe('1');
  expect(pod.metadata?.labels?.[key]).toBe('1');
  expect(pod.spec?.hostname).toBe('work-1');
  expect(pod.spec?.containers[0]?.env).toEqual([
    {
      name: 'JOB_COMPLETION_INDEX',
      valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${key}']` } },
    },
  ]);
  for (const one of [made[0]!, made[2]!]) await endPod(harness, one, 0);
  await harness.clock.advance(1_000);
  expect((await work()).status).toMatchObject({ completedIndexes: '0,2', succeeded: 2, active: 1 });
  await endPod(harness, made[1]!, 0);
  await harness.clock.advance(1_000);
  expect((await work()).status).toMatchObject({ completedIndexes: '0-2', succeeded: 3 });
});

test('each index has failures of its own to spend; those that have none left are named, and the others run on', async () => {
  await start({ exitCodeOf: (pod) => (indexOf(pod)! % 2 === 0 ? 1 : 0) });
  await create(indexed(4, { backoffLimitPerIndex: 1 }));
  await until(harness, isOver);
  const { status } = await work();
  expect(status).toMatchObject({ completedIndexes: '1,3', failedIndexes: '0,2', succeeded: 2, failed: 4 });
  expect(conditionsOf(await work()).at(-1)).toBe('Failed=True FailedIndexes: Job has failed indexes');
  const counts = (await podsOfWork())
    .filter((pod) => indexOf(pod) === 0)
    .map(({ metadata }) => metadata?.annotations?.['batch.kubernetes.io/job-index-failure-count']);
  expect([...counts].sort()).toEqual(['0', '1']);
});

test('more failed indexes than allowed end the job', async () => {
  await start({ exitCodeOf: (pod) => (indexOf(pod)! < 2 ? 1 : undefined) });
  await create(indexed(4, { backoffLimitPerIndex: 0, maxFailedIndexes: 1 }));
  await until(harness, isOver);
  expect(conditionsOf(await work()).at(-1)).toBe(
    'Failed=True MaxFailedIndexesExceeded: Job has exceeded the specified maximal number of failed indexes',
  );
  expect((await work()).status).toMatchObject({ failedIndexes: '0,1', failed: 4 });
});

test('the failure policy fails the job, ignores, counts, or gives an index up', async () => {
  const rule = (action: string, code: number) => ({ action, onExitCodes: { operator: 'In', values: [code] } });
  await start();
  await create(
    indexed(3, {
      backoffLimitPerIndex: 5,
      podFailurePolicy: { rules: [rule('Ignore', 3), rule('FailIndex', 4), rule('FailJob', 5), rule('Count', 6)] },
    }),
  );
  await harness.clock.advance(1_000);
  const byIndex = async (index: number): Promise<Pod> => (await activePods()).find((pod) => indexOf(pod) === index)!;
  await endPod(harness, await byIndex(0), 3);
  await endPod(harness, await byIndex(1), 4);
  await harness.clock.advance(12_000);
  expect((await work()).status).toMatchObject({ failedIndexes: '1', failed: 1, active: 2 });
  const { annotations } = (await byIndex(0)).metadata!;
  expect(annotations?.['batch.kubernetes.io/job-index-failure-count']).toBe('0');
  expect(annotations?.['batch.kubernetes.io/job-index-ignored-failure-count']).toBe('1');
  const doomed = await byIndex(2);
  await endPod(harness, doomed, 5);
  await harness.clock.advance(2_000);
  const message = `Container main for pod default/${doomed.metadata?.name} failed with exit code 5 matching FailJob rule at index 2`;
  expect(conditionsOf(await work())).toEqual([
    `FailureTarget=True PodFailurePolicy: ${message}`,
    `Failed=True PodFailurePolicy: ${message}`,
  ]);
});

test('a disrupted pod is not counted where the policy ignores disruptions', async () => {
  await start();
  const onPodConditions = [{ type: 'DisruptionTarget' }];
  await create({ backoffLimit: 0, podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions }] } });
  await harness.clock.advance(1_000);
  const [pod] = await activePods();
  const condition = { type: 'DisruptionTarget', status: 'True' } as const;
  const disrupted = { ...pod!, status: { ...pod!.status, conditions: [...pod!.status!.conditions!, condition] } };
  await endPod(harness, disrupted, 137);
  await harness.clock.advance(15_000);
  expect((await work()).status).toMatchObject({ active: 1 });
  expect((await work()).status?.failed).toBeUndefined();
  await endPod(harness, (await activePods())[0]!, 0);
  await harness.clock.advance(1_000);
  expect(await isOver()).toBe(true);
});

test.each<[string, object, readonly number[], string]>([
  ['indexes', { succeededIndexes: '0-1' }, [0, 1], '0,1'],
  ['a number', { succeededCount: 1 }, [2], '2'],
  ['a number of some indexes', { succeededIndexes: '0-2', succeededCount: 2 }, [0, 2], '0,2'],
])(
  'by its success policy a job succeeds with %s, and what still runs is ended',
  async (_, rule, winners, completed) => {
    await start();
    await create(indexed(4, { successPolicy: { rules: [rule] } }));
    await harness.clock.advance(1_000);
    for (const pod of await activePods()) if (winners.includes(indexOf(pod)!)) await endPod(harness, pod, 0);
    await harness.clock.advance(2_000);
    expect(conditionsOf(await work())).toEqual([
      'SuccessCriteriaMet=True SuccessPolicy: Matched rules at index 0',
      'Complete=True SuccessPolicy: Matched rules at index 0',
    ]);
    expect((await work()).status).toMatchObject({ completedIndexes: completed, succeeded: winners.length });
    expect((await work()).status?.failed).toBeUndefined();
    expect(await activePods()).toEqual([]);
  },
);

test('a suspended job has no pods; they do not count as failed, and its time begins anew', async () => {
  await start();
  await create({ parallelism: 2, completions: 2, suspend: true, activeDeadlineSeconds: 100 });
  await harness.clock.advance(5_000);
  expect(await podsOfWork()).toEqual([]);
  expect((await work()).status?.startTime).toBeUndefined();
  expect(conditionsOf(await work())).toEqual(['Suspended=True JobSuspended: Job suspended']);
  await patch({ suspend: false });
  await harness.clock.advance(60_000);
  expect((await work()).status).toMatchObject({ active: 2 });
  const { startTime } = (await work()).status!;
  await patch({ suspend: true });
  await harness.clock.advance(60_000);
  expect(await podsOfWork()).toEqual([]);
  expect((await work()).status?.failed).toBeUndefined();
  await patch({ suspend: false });
  await harness.clock.advance(60_000);
  expect((await work()).status).toMatchObject({ active: 2 });
  expect((await work()).status!.startTime).not.toBe(startTime);
  expect(conditionsOf(await work())).toEqual(['Suspended=False JobResumed: Job resumed']);
  const said = (await harness.eventsOf('work')).filter((line) => /^(Suspended|Resumed)/.test(line));
  expect([...said].sort()).toEqual(['Resumed: Job resumed', 'Suspended: Job suspended']);
  await harness.clock.advance(60_000);
  expect(conditionsOf(await work()).at(-1)).toBe(
    'Failed=True DeadlineExceeded: Job was active longer than specified deadline',
  );
});

test('a pod that is deleted counts as failed and is replaced while it ends; with policy Failed, after it has', async () => {
  await start({ runPods: false });
  await create({ podReplacementPolicy: 'Failed' });
  await harness.clock.advance(1_000);
  const [pod] = await podsOfWork();
  const { name = '' } = pod!.metadata!;
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name }, target: { kind: 'Node', name: 'n1' } };
  await harness.client.resource(pods).createSubresource(name, 'binding', binding, { namespace: 'default' });
  await harness.client.resource(pods).delete(name, { namespace: 'default' });
  await harness.clock.advance(20_000);
  expect((await podsOfWork()).length).toBe(1);
  expect((await work()).status).toMatchObject({ terminating: 1 });
  await endPod(harness, (await podsOfWork())[0]!, 137);
  await harness.client.resource(pods).delete(name, { namespace: 'default', gracePeriodSeconds: 0 });
  await harness.clock.advance(20_000);
  expect((await podsOfWork()).length).toBe(1);
  expect((await podsOfWork())[0]?.metadata?.name).not.toBe(name);
  expect((await work()).status).toMatchObject({ active: 1, failed: 1, terminating: 0 });
});

test('a job that another controller manages is left alone', async () => {
  await start();
  await create({ managedBy: 'example.com/queue' });
  await harness.clock.advance(5_000);
  expect(await podsOfWork()).toEqual([]);
  expect(harness.writes).toEqual([]);
});

test('orphans that match are taken and tracked, pods that match no longer are let go', async () => {
  await start();
  await create({ parallelism: 2, completions: 2 });
  await harness.clock.advance(1_000);
  const [pod] = await podsOfWork();
  const { name = '', labels } = pod!.metadata!;
  const change = (metadata: object) =>
    harness.client.resource(pods).patch(name, { metadata }, { namespace: 'default', type: 'merge' });
  await change({ ownerReferences: null });
  await harness.clock.advance(1_000);
  const adopted = (await harness.get(pods, `default/${name}`))!;
  expect(controllerOf(adopted)?.name).toBe('work');
  expect(isTracked(adopted)).toBe(true);
  await change({ labels: Object.fromEntries(Object.keys(labels ?? {}).map((key) => [key, null])) });
  await harness.clock.advance(1_000);
  const released = (await harness.get(pods, `default/${name}`))!;
  expect(controllerOf(released)).toBeUndefined();
  expect(isTracked(released)).toBe(false);
  expect((await activePods()).length).toBe(3);
});

test('pods of a job that is deleted are let go and collected', async () => {
  await start();
  await create({ parallelism: 2, completions: 2 });
  await harness.clock.advance(1_000);
  await harness.client.resource(jobs).delete('work', { namespace: 'default', propagationPolicy: 'Background' });
  await harness.clock.advance(5_000);
  expect(await podsOfWork()).toEqual([]);
});

test('a wish for fewer pods at once ends some of them, uncounted; for none, all', async () => {
  await start();
  await create({ parallelism: 4, completions: 8 });
  await harness.clock.advance(1_000);
  await patch({ parallelism: 1 });
  await harness.clock.advance(1_000);
  expect((await activePods()).length).toBe(1);
  await patch({ parallelism: 0 });
  await harness.clock.advance(1_000);
  expect(await podsOfWork()).toEqual([]);
  expect((await work()).status?.failed).toBeUndefined();
});

test('nothing is written while a job only runs, nor when it is over', async () => {
  await start();
  await create({ parallelism: 3, completions: 3 });
  await harness.clock.advance(5_000);
  harness.writes.length = 0;
  await harness.clock.advance(3_600_000);
  expect(harness.writes).toEqual([]);
  for (const pod of await activePods()) await endPod(harness, pod, 0);
  await harness.clock.advance(5_000);
  const puts = harness.writes.filter((line) => line.startsWith('PUT'));
  // One with the pods' uids, one with their number.
  expect(puts.length).toBe(2);
  expect(harness.writes.filter((line) => line.startsWith('PATCH')).length).toBe(3);
  harness.writes.length = 0;
  await harness.clock.advance(3_600_000);
  expect(harness.writes).toEqual([]);
});

test('a template that the server refuses is tried one pod at a time, with back-off and an event', async () => {
  await start();
  await create({
    parallelism: 50,
    completions: 50,
    template: {
      spec: { restartPolicy: 'Never', priorityClassName: 'none', containers: [{ name: 'main', image: 'v1' }] },
    },
  });
  await harness.clock.advance(10_000);
  expect(harness.writes.filter((line) => line.endsWith('/pods')).length).toBeLessThan(15);
  expect((await harness.eventsOf('work'))[0]).toMatch(/^FailedCreate: Error creating: pods "work-.*no PriorityClass/);
});

test('lost requests and lost answers: every pod counts once (seeds)', async () => {
  for (const seed of [1, 2, 3]) {
    await start({
      seed,
      faultShare: 0.2,
      exitCodeOf: (pod) => ((pod.metadata?.uid ?? '').charCodeAt(0) % 4 === 0 ? 1 : 0),
    });
    await create({ parallelism: 4, completions: 12, backoffLimit: 1_000 });
    await until(harness, isOver);
    const all = await podsOfWork();
    const { status } = await work();
    expect(status).toMatchObject({ succeeded: 12, uncountedTerminatedPods: {} });
    expect(all.filter((pod) => pod.status?.phase === 'Succeeded').length).toBe(12);
    expect(all.filter((pod) => pod.status?.phase === 'Failed').length).toBe(status?.failed ?? 0);
    if (seed < 3) await harness.stop();
  }
});

test('a job that could not be written for an hour is written within a minute after', async () => {
  await start();
  await create({ completions: 1 });
  await harness.clock.advance(5_000);
  harness.hooks.beforeRequest = ({ method }) =>
    method === 'PUT' ? Promise.reject(serviceUnavailable('not now')) : Promise.resolve();
  await endPod(harness, (await activePods())[0]!, 0);
  await harness.clock.advance(3_600_000);
  expect(await isOver()).toBe(false);
  harness.hooks.beforeRequest = undefined;
  await harness.clock.advance(61_000);
  expect(await isOver()).toBe(true);
});
