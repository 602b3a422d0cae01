/** Cron jobs: when their jobs begin, and what happens to one that still runs then. */
import { expect } from 'vitest';
import type { CronJob, Job } from '#pkg/api/types/batch-v1.ts';
import { cronJobs, jobs } from '#pkg/api/types/refs.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { container } from './objects.ts';

const area = '[sig-apps] CronJob';
const minuteMs = 60_000;

/** A cron job whose jobs go on until they are stopped, every minute. */
async function create(stage: Stage, name: string, spec: Partial<CronJob['spec']>): Promise<void> {
  const template = { spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 0, containers: [container] } };
  await stage.of(cronJobs).create({
    metadata: { name, namespace: stage.namespace },
    spec: { schedule: '*/1 * * * ?', jobTemplate: { spec: { template } }, ...spec },
  });
}

const jobsOf = async (stage: Stage): Promise<readonly Job[]> =>
  (await stage.of(jobs).list({ namespace: stage.namespace })).items;

const activeOf = async (stage: Stage, name: string): Promise<readonly string[]> => {
  const { status } = await stage.of(cronJobs).get(name, { namespace: stage.namespace });
  return (status?.active ?? []).map((one) => one.name ?? '');
};

behaviour(`${area} should schedule multiple jobs concurrently`, async (stage) => {
  await create(stage, 'concurrent', { concurrencyPolicy: 'Allow' });
  await stage.cluster.until(async () => (await activeOf(stage, 'concurrent')).length === 2);
  const running = (await jobsOf(stage)).filter(({ status }) => status?.completionTime === undefined);
  expect(running.length).toBeGreaterThan(1);
});

behaviour(`${area} should not schedule jobs when suspended [Slow]`, async (stage) => {
  await create(stage, 'suspended', { suspend: true });
  await stage.cluster.advance(5 * minuteMs);
  expect(await activeOf(stage, 'suspended')).toEqual([]);
  expect(await jobsOf(stage)).toEqual([]);
});

behaviour(`${area} should not schedule new jobs when ForbidConcurrent [Slow]`, async (stage) => {
  await create(stage, 'forbid', { concurrencyPolicy: 'Forbid' });
  await stage.cluster.until(async () => (await activeOf(stage, 'forbid')).length === 1);
  const first = await activeOf(stage, 'forbid');
  await stage.cluster.advance(5 * minuteMs);
  expect(await activeOf(stage, 'forbid')).toEqual(first);
  expect((await jobsOf(stage)).map(({ metadata }) => metadata?.name)).toEqual(first);
});

behaviour(`${area} should replace jobs when ReplaceConcurrent`, async (stage) => {
  await create(stage, 'replace', { concurrencyPolicy: 'Replace' });
  await stage.cluster.until(async () => (await activeOf(stage, 'replace')).length === 1);
  const [first = ''] = await activeOf(stage, 'replace');
  await stage.cluster.until(async () => {
    const names = (await jobsOf(stage)).map(({ metadata }) => metadata?.name);
    return names.length === 1 && names[0] !== first;
  });
  expect((await activeOf(stage, 'replace')).length).toBe(1);
});
