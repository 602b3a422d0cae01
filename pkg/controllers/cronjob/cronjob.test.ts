/** Cron jobs over hours and days of virtual time. The clock begins at midnight of 1 January 2026, UTC. */
import { afterEach, expect, test } from 'vitest';
import type { CronJob, CronJobSpec } from '#pkg/api/types/batch-v1.ts';
import { cronJobs, jobs, pods } from '#pkg/api/types/refs.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type Harness, type HarnessOptions, startHarness } from '../testing/harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

const controllers = ['cronjob-controller', 'job-controller', 'garbage-collector-controller'];
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** Jobs succeed at once unless told otherwise. */
async function start(options: HarnessOptions = {}): Promise<void> {
  harness = await startHarness({ controllers, exitCodeOf: () => 0, ...options });
}

const cronJobOf = (spec: Partial<CronJobSpec> = {}): CronJob => ({
  metadata: { name: 'tick', namespace: 'default' },
  spec: {
    schedule: '* * * * *',
    jobTemplate: {
      metadata: { labels: { of: 'tick' } },
      spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'v1' }] } } },
    },
    ...spec,
  },
});

const create = (spec: Partial<CronJobSpec> = {}) => harness.client.resource(cronJobs).create(cronJobOf(spec));
const tick = async () => (await harness.get(cronJobs, 'default/tick'))!;
const patch = (spec: JsonObject) =>
  harness.client.resource(cronJobs).patch('tick', { spec }, { namespace: 'default', type: 'merge' });
const minuteOf = (name = ''): number => Number(name.split('-')[1]) - Date.UTC(2026, 0, 1) / minuteMs;
/** The minutes, since the clock began, for which there are jobs. */
const minutes = async () => (await harness.list(jobs, 'default')).map(({ metadata }) => minuteOf(metadata?.name));
/** The minutes for which jobs were made. */
const made = async () =>
  (await harness.eventsOf('tick'))
    .filter((line) => line.startsWith('SuccessfulCreate'))
    .map((line) => minuteOf(line.replace('SuccessfulCreate: Created job ', '')))
    .sort((a, b) => a - b);
const reasons = async () => [...new Set((await harness.eventsOf('tick')).map((line) => line.split(':')[0]!))].sort();

test('a job is made for every time of the schedule, named for it, and only the last ones are kept', async () => {
  await start();
  await create({ schedule: '*/10 * * * *' });
  await harness.clock.advance(hourMs + minuteMs);
  expect(await made()).toEqual([10, 20, 30, 40, 50, 60]);
  expect(await minutes()).toEqual([40, 50, 60]);
  const [, , job] = await harness.list(jobs, 'default');
  expect(job?.metadata?.labels?.['of']).toBe('tick');
  expect(job?.metadata?.annotations).toEqual({
    'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T01:00:00Z',
  });
  const { status } = await tick();
  expect(status).toEqual({ lastScheduleTime: '2026-01-01T01:00:00Z', lastSuccessfulTime: '2026-01-01T01:00:00Z' });
  expect(await harness.eventsOf('tick')).toContain(
    `SawCompletedJob: Saw completed job: ${job?.metadata?.name}, condition: Complete`,
  );
  expect(await reasons()).toEqual(['SawCompletedJob', 'SuccessfulCreate', 'SuccessfulDelete']);
});

test('of failed jobs one is kept, and none counts as a success', async () => {
  await start({ exitCodeOf: () => 1 });
  const template = cronJobOf().spec.jobTemplate;
  await create({ jobTemplate: { ...template, spec: { ...template.spec!, backoffLimit: 0 } } });
  await harness.clock.advance(5 * minuteMs + 5_000);
  expect(await minutes()).toEqual([5]);
  expect((await tick()).status?.lastSuccessfulTime).toBeUndefined();
});

test('runs that overlap run together, are left out, or take the place of the one before', async () => {
  for (const [concurrencyPolicy, expected] of [
    ['Allow', [1, 2, 3]],
    ['Forbid', [1]],
    ['Replace', [3]],
  ] as const) {
    await start({ exitCodeOf: () => undefined });
    await create({ concurrencyPolicy });
    await harness.clock.advance(3 * minuteMs + 5_000);
    expect(await minutes()).toEqual(expected);
    expect((await tick()).status?.active?.map(({ name }) => minuteOf(name))).toEqual(expected);
    expect((await harness.list(pods, 'default')).length).toBe(expected.length);
    if (concurrencyPolicy === 'Forbid') {
      expect(await harness.eventsOf('tick')).toContain(
        'JobAlreadyActive: Not starting job because prior execution is running and concurrency policy is Forbid',
      );
    }
    if (concurrencyPolicy !== 'Replace') await harness.stop();
  }
});

test('a suspended cron job makes nothing; resumed it catches up with the latest run that its deadline allows', async () => {
  await start();
  await create({ schedule: '0 * * * *', suspend: true, successfulJobsHistoryLimit: 10 });
  await harness.clock.advance(3 * hourMs + 10 * minuteMs);
  expect(await minutes()).toEqual([]);
  await patch({ suspend: false });
  await harness.clock.advance(minuteMs);
  expect(await minutes()).toEqual([180]);
  await patch({ suspend: true, startingDeadlineSeconds: 60 });
  await harness.clock.advance(2 * hourMs);
  await patch({ suspend: false });
  await harness.clock.advance(minuteMs);
  expect(await minutes()).toEqual([180]);
  await harness.clock.advance(hourMs);
  expect(await minutes()).toEqual([180, 360]);
});

test('more than a hundred missed runs are spoken of, and the latest one is caught up', async () => {
  await start();
  await create({ suspend: true });
  await harness.clock.advance(101 * minuteMs);
  await patch({ suspend: false });
  await harness.clock.advance(5_000);
  expect(await made()).toEqual([101]);
  expect(await harness.eventsOf('tick')).toContain(
    'TooManyMissedTimes: too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
  );
});

test('a schedule may be in a time zone, and a new one holds from then on', async () => {
  await start();
  await create({ schedule: '0 9 * * *', timeZone: 'Asia/Tokyo', successfulJobsHistoryLimit: 10 });
  await harness.clock.advance(24 * hourMs + minuteMs);
  expect(await minutes()).toEqual([24 * 60]);
  const [job] = await harness.list(jobs, 'default');
  expect(job?.metadata?.annotations?.['batch.kubernetes.io/cronjob-scheduled-timestamp']).toBe(
    '2026-01-02T09:00:00+09:00',
  );
  await harness.clock.advance(2 * hourMs + 29 * minuteMs);
  await patch({ schedule: '*/20 * * * *' });
  await harness.clock.advance(5_000);
  expect((await minutes()).length).toBe(1);
  await harness.clock.advance(20 * minuteMs);
  expect((await minutes()).at(-1)).toBe(26 * 60 + 40);
});

test('a schedule that never comes is said to be invalid, once, and nothing is tried', async () => {
  await start();
  await create({ schedule: '0 0 31 2 *' });
  await harness.clock.advance(1_000);
  expect(await harness.eventsOf('tick')).toEqual([
    'InvalidSchedule: invalid schedule: 0 0 31 2 * : time difference between two schedules is less than 1 second',
  ]);
  harness.writes.length = 0;
  await harness.clock.advance(24 * hourMs);
  expect(harness.writes).toEqual([]);
});

test('a job that somebody makes from the cron job is spoken of and does not count as a run', async () => {
  await start({ exitCodeOf: () => undefined });
  const { metadata, spec } = await create({ schedule: '0 0 1 2 *', concurrencyPolicy: 'Forbid' });
  const owner = { apiVersion: 'batch/v1', kind: 'CronJob', name: 'tick', uid: metadata!.uid!, controller: true };
  await harness.client.resource(jobs).create({
    metadata: { name: 'by-hand', namespace: 'default', ownerReferences: [owner] },
    spec: spec.jobTemplate.spec!,
  });
  await harness.clock.advance(30 * minuteMs);
  expect(await harness.eventsOf('tick')).toEqual([
    'UnexpectedJob: Saw a job that the controller did not create or forgot: by-hand',
  ]);
  expect((await tick()).status).toEqual({});
});

test('an active job that is gone is taken from the list, and the next run begins', async () => {
  await start({ exitCodeOf: () => undefined });
  await create({ concurrencyPolicy: 'Forbid' });
  await harness.clock.advance(minuteMs + 5_000);
  const [job] = await harness.list(jobs, 'default');
  await harness.client
    .resource(jobs)
    .delete(job!.metadata!.name!, { namespace: 'default', propagationPolicy: 'Background' });
  await harness.clock.advance(minuteMs);
  expect(await minutes()).toEqual([2]);
  expect(await harness.eventsOf('tick')).toContain(`MissingJob: Active job went missing: ${job!.metadata!.name}`);
});

test('a run costs two writes of the cron job; nothing is written between runs', async () => {
  await start();
  await create({ schedule: '0 * * * *' });
  await harness.clock.advance(hourMs + 30 * minuteMs);
  const own = harness.writes.filter((line) => line.endsWith('/cronjobs/tick/status'));
  expect(own.length).toBe(2);
  harness.writes.length = 0;
  await harness.clock.advance(29 * minuteMs);
  expect(harness.writes).toEqual([]);
});

test('lost requests and lost answers: every run has one job (seeds)', async () => {
  for (const seed of [1, 2, 3]) {
    await start({ seed, faultShare: 0.2 });
    await create({ successfulJobsHistoryLimit: 100, concurrencyPolicy: 'Forbid' });
    await harness.clock.advance(20 * minuteMs + 30_000);
    const all = await minutes();
    expect(new Set(all).size).toBe(all.length);
    // A run that could not begin within its minute gives way to the next.
    expect(all.length).toBeGreaterThanOrEqual(19);
    expect((await tick()).status?.active).toBeUndefined();
    if (seed < 3) await harness.stop();
  }
});
