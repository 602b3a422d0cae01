/** Jobs: how many pods they run, what they make of failures, when they are over, and what they leave behind. */
import { expect } from 'vitest';
import type { Job, JobSpec } from '#pkg/api/types/batch-v1.ts';
import type { Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { jobs, pods } from '#pkg/api/types/refs.ts';
import { findCondition, isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import { controllerOf } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { container } from './objects.ts';
import { observe } from './observe.ts';

const area = '[sig-apps] Job';
const indexKey = 'batch.kubernetes.io/job-completion-index';
const strategic = { namespace: 'conformance', type: 'strategic' } as const;

interface Options {
  readonly spec?: Partial<JobSpec>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly podSpec?: Partial<PodSpec>;
}

/** A job whose pods carry the label `job`. */
function jobOf(name: string, { spec, annotations = {}, podSpec }: Options = {}): Job {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace: 'conformance' },
    spec: {
      ...spec,
      template: {
        metadata: { labels: { job: name }, annotations },
        spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 0, containers: [container], ...podSpec },
      },
    },
  };
}

/** Pods that exit by themselves after a second. */
const exits = (code: number) => ({ 'fake.coxswain.dev/run-time': '1s', 'fake.coxswain.dev/exit-code': String(code) });
/** Pods wait until `direct` has told them what to do. */
const gated = { schedulingGates: [{ name: 'example.com/part' }] };

const get = (stage: Stage, name: string): Promise<Job> => stage.of(jobs).get(name, { namespace: stage.namespace });
const has = ({ status }: Job, type: string): boolean => isConditionTrue(status?.conditions, type);
const indexOf = (pod: Pod): number => Number(pod.metadata?.annotations?.[indexKey]);

async function ended(stage: Stage, name: string, type: 'Complete' | 'Failed'): Promise<Job> {
  await stage.cluster.until(async () => has(await get(stage, name), type), 3_600_000);
  return get(stage, name);
}

/** Lets gated pods run, each with the exit code for its index; those without one run on. Until the job has the condition. */
async function direct(
  stage: Stage,
  name: string,
  part: { readonly until: string; readonly exitCodeOf: (index: number) => number | undefined },
): Promise<Job> {
  await stage.cluster.until(async () => {
    for (const pod of stage.cluster.pods(stage.namespace)) {
      if (pod.spec?.schedulingGates === undefined || pod.metadata?.deletionTimestamp !== undefined) continue;
      const code = part.exitCodeOf(indexOf(pod));
      const annotations = code === undefined ? {} : exits(code);
      const spec = { schedulingGates: null };
      await stage
        .of(pods)
        .patch(pod.metadata!.name!, { metadata: { annotations }, spec }, { ...strategic, type: 'merge' });
    }
    return has(await get(stage, name), part.until);
  }, 3_600_000);
  return get(stage, name);
}

behaviour(
  `${area} should run a job to completion when tasks sometimes fail and are locally restarted`,
  async (stage) => {
    const annotations = { 'fake.coxswain.dev/run-time': '1s', 'fake.coxswain.dev/exit-code': '1,0' };
    const spec = { parallelism: 2, completions: 4 };
    await stage.of(jobs).create(jobOf('local', { spec, annotations, podSpec: { restartPolicy: 'OnFailure' } }));
    await ended(stage, 'local', 'Complete');
    const done = stage.cluster.pods(stage.namespace).filter(({ status }) => status?.phase === 'Succeeded');
    expect(done.length).toBe(4);
    expect(done.every(({ status }) => status!.containerStatuses![0]!.restartCount === 1)).toBe(true);
  },
);

behaviour(`${area} should allow to use the pod failure policy on exit code to fail the job early`, async (stage) => {
  const rules = [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [1] } }];
  const spec = { backoffLimit: 1, podFailurePolicy: { rules } };
  await stage.of(jobs).create(jobOf('early', { spec, annotations: exits(1) }));
  const { status } = await ended(stage, 'early', 'Failed');
  expect(findCondition(status?.conditions, 'Failed')?.reason).toBe('PodFailurePolicy');
  expect(status?.failed).toBe(1);
});

behaviour(
  `${area} should allow to use a pod failure policy to ignore failure matching on DisruptionTarget condition`,
  async (stage) => {
    const rules = [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }];
    const spec = { backoffLimit: 0, podFailurePolicy: { rules } };
    await stage.of(jobs).create(jobOf('disrupted', { spec }));
    const running = () => stage.cluster.pods(stage.namespace).find(({ status }) => status?.phase === 'Running');
    await stage.cluster.until(() => running() !== undefined);
    const { name = '' } = running()!.metadata!;
    const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: stage.namespace } };
    await stage.of(pods).createSubresource(name, 'eviction', body, { namespace: stage.namespace });
    await stage.cluster.until(() => running() !== undefined && running()!.metadata!.name !== name);
    const { status } = await get(stage, 'disrupted');
    expect(status?.failed).toBeUndefined();
    expect(has(await get(stage, 'disrupted'), 'Failed')).toBe(false);
  },
);

behaviour(
  `${area} should create pods for an Indexed job with completion indexes and specified hostname`,
  async (stage) => {
    const spec = { completionMode: 'Indexed', parallelism: 2, completions: 4 };
    await stage.of(jobs).create(jobOf('indexed', { spec, annotations: exits(0) }));
    const { status } = await ended(stage, 'indexed', 'Complete');
    expect(status?.completedIndexes).toBe('0-3');
    const done = [...stage.cluster.pods(stage.namespace)].sort((a, b) => indexOf(a) - indexOf(b));
    expect(done.map(indexOf)).toEqual([0, 1, 2, 3]);
    expect(done.map(({ spec: podSpec }) => podSpec?.hostname)).toEqual([0, 1, 2, 3].map((index) => `indexed-${index}`));
    expect(done.map(({ metadata }) => metadata?.labels?.[indexKey])).toEqual(['0', '1', '2', '3']);
  },
);

behaviour(`${area} should execute all indexes despite some failing when using backoffLimitPerIndex`, async (stage) => {
  const spec = { completionMode: 'Indexed', parallelism: 4, completions: 4, backoffLimitPerIndex: 1 };
  await stage.of(jobs).create(jobOf('per-index', { spec, podSpec: gated }));
  const { status } = await direct(stage, 'per-index', { until: 'Failed', exitCodeOf: (index) => (index + 1) % 2 });
  expect(status).toMatchObject({ failedIndexes: '0,2', completedIndexes: '1,3', failed: 4, succeeded: 2 });
  expect(findCondition(status?.conditions, 'Failed')?.reason).toBe('FailedIndexes');
});

behaviour(
  `${area} should mark indexes as failed when the FailIndex action is matched in podFailurePolicy`,
  async (stage) => {
    const rules = [{ action: 'FailIndex', onExitCodes: { operator: 'In', values: [42] } }];
    const spec = {
      completionMode: 'Indexed',
      parallelism: 2,
      completions: 2,
      backoffLimitPerIndex: 3,
      podFailurePolicy: { rules },
    };
    await stage.of(jobs).create(jobOf('fail-index', { spec, podSpec: gated }));
    const exitCodeOf = (index: number) => (index === 0 ? 42 : 0);
    const { status } = await direct(stage, 'fail-index', { until: 'Failed', exitCodeOf });
    expect(status).toMatchObject({ failedIndexes: '0', completedIndexes: '1', failed: 1, succeeded: 1 });
  },
);

behaviour(
  `${area} should terminate job execution when the number of failed indexes exceeds maxFailedIndexes`,
  async (stage) => {
    const spec = {
      completionMode: 'Indexed',
      parallelism: 1,
      completions: 4,
      backoffLimitPerIndex: 0,
      maxFailedIndexes: 1,
    };
    await stage.of(jobs).create(jobOf('max-failed', { spec, annotations: exits(1) }));
    const { status } = await ended(stage, 'max-failed', 'Failed');
    expect(findCondition(status?.conditions, 'Failed')?.reason).toBe('MaxFailedIndexesExceeded');
    expect(status).toMatchObject({ failedIndexes: '0,1', failed: 2 });
    expect(status?.completedIndexes ?? '').toBe('');
  },
);

behaviour(`${area} with successPolicy should succeeded when all indexes succeeded`, async (stage) => {
  const spec = {
    completionMode: 'Indexed',
    parallelism: 2,
    completions: 2,
    successPolicy: { rules: [{ succeededIndexes: '0-1' }] },
  };
  await stage.of(jobs).create(jobOf('all', { spec, annotations: exits(0) }));
  const job = await ended(stage, 'all', 'Complete');
  expect(has(job, 'SuccessCriteriaMet')).toBe(true);
  expect(job.status).toMatchObject({ completedIndexes: '0,1', succeeded: 2 });
});

for (const [what, rule] of [
  ['succeededIndexes', { succeededIndexes: '0' }],
  ['succeededCount', { succeededCount: 1 }],
] as const) {
  behaviour(
    `${area} with successPolicy ${what} rule should succeeded even when some indexes remain pending`,
    async (stage) => {
      const spec = { completionMode: 'Indexed', parallelism: 2, completions: 2, successPolicy: { rules: [rule] } };
      await stage.of(jobs).create(jobOf('some', { spec, podSpec: gated }));
      const exitCodeOf = (index: number) => (index === 0 ? 0 : undefined);
      const job = await direct(stage, 'some', { until: 'Complete', exitCodeOf });
      expect(findCondition(job.status?.conditions, 'SuccessCriteriaMet')?.reason).toBe('SuccessPolicy');
      expect(job.status).toMatchObject({ completedIndexes: '0', succeeded: 1 });
      expect(stage.cluster.pods(stage.namespace).filter(({ status }) => status?.phase === 'Running')).toEqual([]);
    },
  );
}

behaviour(`${area} should delete a job`, async (stage) => {
  await stage.of(jobs).create(jobOf('gone', { spec: { parallelism: 2, completions: 4 } }));
  await stage.cluster.until(async () => (await get(stage, 'gone')).status?.ready === 2);
  const { namespace } = stage;
  await stage.of(jobs).delete('gone', { namespace, propagationPolicy: 'Foreground' });
  await stage.cluster.until(async () => (await stage.of(jobs).list({ namespace })).items.length === 0);
  expect((await stage.of(pods).list({ namespace })).items).toEqual([]);
});

behaviour(`${area} should adopt matching orphans and release non-matching pods`, async (stage) => {
  const { namespace } = stage;
  await stage.of(jobs).create(jobOf('adopts', { spec: { parallelism: 2, completions: 4 } }));
  await stage.cluster.until(async () => (await get(stage, 'adopts')).status?.active === 2);
  const [pod] = stage.cluster.pods(namespace);
  const { name = '', labels = {} } = pod!.metadata!;
  const ownerOf = async () => controllerOf(await stage.of(pods).get(name, { namespace }))?.name;
  const change = (metadata: object) => stage.of(pods).patch(name, { metadata }, { namespace, type: 'merge' });
  await change({ ownerReferences: null });
  await stage.cluster.until(async () => (await ownerOf()) === 'adopts');
  await change({ labels: Object.fromEntries(Object.keys(labels).map((key) => [key, null])) });
  await stage.cluster.until(async () => (await ownerOf()) === undefined);
});

behaviour(`${area} should apply changes to a job status`, async (stage) => {
  const { namespace } = stage;
  const client = stage.of(jobs);
  await client.create(jobOf('statuses', { spec: { parallelism: 2, completions: 4, backoffLimit: 6 } }));
  await stage.cluster.until(async () => (await get(stage, 'statuses')).status?.active === 2);
  const options = { namespace, subresource: 'status' };
  const now = '2026-01-01T00:00:00Z';
  const condition = { type: 'CustomConditionType', status: 'True', lastTransitionTime: now };
  const patch = { metadata: { annotations: { patchedstatus: 'true' } }, status: { conditions: [condition] } };
  const patched = await client.patch('statuses', patch, { ...options, type: 'merge' });
  expect(patched.metadata?.annotations).toMatchObject({ patchedstatus: 'true' });
  expect(patched.status?.conditions?.some(({ type }) => type === condition.type)).toBe(true);
  for (;;) {
    try {
      const current = await client.get('statuses', options);
      const conditions = [{ ...condition, type: 'StatusUpdated' }];
      const updated = await client.update({ ...current, status: { ...current.status, conditions } }, options);
      expect(updated.status?.conditions?.map(({ type }) => type)).toEqual(['StatusUpdated']);
      break;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
  const read = (await stage.request('GET', `/apis/batch/v1/namespaces/${namespace}/jobs/statuses/status`)).body;
  expect(read).toMatchObject({ metadata: { annotations: { patchedstatus: 'true' } } });
});

behaviour(`${area} should manage the lifecycle of a job`, async (stage) => {
  const { namespace } = stage;
  const client = stage.of(jobs);
  const labels = { 'e2e-job-label': 'life' };
  const observer = observe(stage, jobs, { namespace });
  const spec = { suspend: true, parallelism: 1, completions: 1 };
  const job = jobOf('life', { spec, annotations: exits(0) });
  await client.create({ ...job, metadata: { ...job.metadata, labels } });
  await observer.saw('MODIFIED', (seen) => has(seen, 'Suspended'));
  await client.patch('life', { metadata: { labels: { life: 'patched' } } }, strategic);
  await observer.saw('MODIFIED', ({ metadata }) => metadata?.labels?.['life'] === 'patched');
  const current = await get(stage, 'life');
  const annotations = { updated: 'true' };
  await client.update({ ...current, metadata: { ...current.metadata, annotations } });
  await observer.saw('MODIFIED', ({ metadata }) => metadata?.annotations?.['updated'] === 'true');
  await client.patch('life', { spec: { suspend: false } }, strategic);
  await observer.saw('MODIFIED', (seen) => has(seen, 'Complete'));
  const found = await client.list({ labelSelector: 'e2e-job-label=life' });
  expect(found.items.map(({ metadata }) => metadata?.name)).toEqual(['life']);
  await client.deleteCollection({ namespace, labelSelector: 'e2e-job-label=life', propagationPolicy: 'Background' });
  await observer.saw('DELETED');
  await expect(client.get('life', { namespace })).rejects.toSatisfy(isNotFound);
  await observer.stop();
});
