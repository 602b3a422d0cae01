/** A cluster on virtual time that kubectl reaches: it answers while time stands still, and hours of it are a step. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, hookMs, RunningCluster } from './running-cluster.ts';

const hourMs = 3_600_000;
const quarterMs = hourMs / 4;

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
      annotations: {fake.coxswain.dev/start-delay: 20m}
    spec: {containers: [{name: app, image: anything}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: quarterly}
spec:
  schedule: '*/15 * * * *'
  timeZone: Etc/UTC
  successfulJobsHistoryLimit: 100
  jobTemplate:
    spec:
      template:
        metadata: {annotations: {fake.coxswain.dev/run-time: 5m}}
        spec: {restartPolicy: Never, containers: [{name: job, image: anything}]}
`;

interface Told {
  readonly now: string;
  readonly paused: boolean;
  readonly speed: number | 'max';
  readonly whole?: boolean;
}

let cluster: RunningCluster;
beforeAll(async () => {
  cluster = await RunningCluster.start({ flags: ['--virtual-time', '--nodes', '2'] });
}, hookMs);
afterAll(() => cluster.remove(), hookMs);

const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', args);

async function time(...args: readonly string[]): Promise<Told> {
  const { code, stdout, stderr } = await cluster.coxswain(['time', ...args, '-o', 'json'], { timeoutMs: hookMs });
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as Told;
}

/** How many jobs have succeeded. */
async function jobsDone(): Promise<number> {
  return (await kubectl('get', 'jobs', '-o', 'jsonpath={.items[*].status.succeeded}')).split(' ').filter(Boolean)
    .length;
}

test(
  'six hours with a CronJob pass in a step, and the cluster answers before, within and after it',
  async () => {
    const { now, paused } = await time('pause');
    expect(paused).toBe(true);
    // To the middle of a quarter, so that none begins or ends with the step.
    const toHalfMs = 1.5 * quarterMs - (Date.parse(now) % quarterMs);
    const half = await time('step', `${toHalfMs}ms`);
    expect(half).toEqual({
      now: new Date(Date.parse(now) + toHalfMs).toISOString(),
      paused: true,
      speed: 1,
      whole: true,
    });
    await cluster.kubectl('35', ['apply', '-f', '-'], { input: manifest });
    const seen = cluster.follow('35', ['get', 'jobs', '--watch', '--no-headers']);
    expect((await time()).now).toBe(half.now);
    const later = await time('step', '6h');
    expect(Date.parse(later.now) - Date.parse(half.now)).toBe(6 * hourMs);
    expect(await jobsDone()).toBe(24);
    expect(await kubectl('get', 'deployment', 'web', '-o', 'jsonpath={.status.availableReplicas}')).toBe('3');
    const ready = '{.items[*].status.conditions[?(@.type=="Ready")].status}';
    expect(await kubectl('get', 'nodes', '-o', `jsonpath=${ready}`)).toBe('True True');
    // The watch, which began while time stood still, has told of all of it.
    await eventually(
      async () => new Set(seen.lines.map((line) => line.split(' ')[0])).size,
      (jobs) => jobs === 24,
    );
    await seen.stop();
  },
  hookMs,
);

test(
  'it runs at a speed, and what cannot be is refused in one line',
  async () => {
    const before = await jobsDone();
    expect(await time('speed', '36000')).toMatchObject({ paused: true, speed: 36_000 });
    await time('resume');
    await eventually(jobsDone, (done) => done >= before + 3);
    expect(await time('speed', 'max')).toMatchObject({ paused: false, speed: 'max' });
    await eventually(jobsDone, (done) => done >= before + 10);
    await time('pause');
    const wrong: readonly (readonly [readonly string[], string])[] = [
      [['step', 'soon'], 'by: must be a duration of at most 8784h, such as 10m or 1h30m'],
      [['speed', '0'], 'speed: must be a number above 0 and at most 1000000, or "max"'],
      [['step'], 'say DURATION (see "coxswain time step --help")'],
      [['stop'], 'unknown command "time stop": "coxswain time --help" lists them'],
    ];
    for (const [args, message] of wrong) {
      const { code, stderr } = await cluster.coxswain(['time', ...args]);
      expect([code, stderr]).toEqual([1, `coxswain: ${message}\n`]);
    }
    const { stdout } = await cluster.coxswain(['time']);
    expect(stdout).toMatch(/^\S+Z paused, else as fast as the work goes\n$/);
    // Nothing that waits for time keeps the end waiting.
    expect((await cluster.down()).code).toBe(0);
  },
  hookMs,
);
