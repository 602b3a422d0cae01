/** Jobs, daemon sets and stateful sets with real kubectl against a real cluster: run, wait for, roll out, take back. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, hookMs, RunningCluster } from './running-cluster.ts';

let cluster: RunningCluster;
const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', args);

beforeAll(async () => {
  cluster = await RunningCluster.start();
}, hookMs);

afterAll(async () => {
  await cluster?.remove();
}, hookMs);

test('a job runs to its completion, and its pods are kept for their logs', async () => {
  await kubectl('apply', '-f', 'manifests/examples/job.yaml');
  expect(await kubectl('wait', '--for=condition=complete', 'job/batch', 'job/parts', '--timeout=110s')).toBe(
    'job.batch/batch condition met\njob.batch/parts condition met\n',
  );
  expect(await kubectl('get', 'job', 'batch')).toMatch(
    /^NAME +STATUS +COMPLETIONS +DURATION +AGE\nbatch +Complete +6\/6 /,
  );
  const pods = await kubectl('get', 'pods', '-l', 'job-name=batch', '--no-headers');
  expect(pods.trimEnd().split('\n').length).toBe(6);
  expect(await kubectl('describe', 'job', 'parts')).toMatch(/Completed Indexes: +0-2/);
  expect(await kubectl('delete', 'job', 'batch', 'parts')).toContain('deleted');
});

const images = async (selector: string): Promise<readonly string[]> => {
  const path = '{.items[*].spec.containers[0].image}';
  return (await kubectl('get', 'pods', '-l', selector, '-o', `jsonpath=${path}`)).split(' ');
};

test.each([
  ['daemonset/agent', 'daemon-set', 'app=agent', 1],
  ['statefulset/member', 'stateful-set', 'app=member', 3],
] as const)(
  '%s rolls out and is taken back',
  async (name, file, selector, count) => {
    const container = selector.slice('app='.length);
    const rolledOut = () => kubectl('rollout', 'status', name, '--timeout=110s');
    await kubectl('apply', '-f', `manifests/examples/${file}.yaml`);
    await rolledOut();
    expect(await images(selector)).toEqual(Array(count).fill('coxswain.dev/pause:v1'));
    await kubectl('set', 'image', name, `${container}=coxswain.dev/echo:v1`);
    await rolledOut();
    expect(await images(selector)).toEqual(Array(count).fill('coxswain.dev/echo:v1'));
    expect(await kubectl('rollout', 'history', name)).toMatch(/REVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>/);
    expect(await kubectl('rollout', 'undo', name)).toMatch(/ rolled back\n$/);
    await rolledOut();
    expect(await images(selector)).toEqual(Array(count).fill('coxswain.dev/pause:v1'));
    await kubectl('delete', name);
  },
  240_000,
);

test('a cron job is made into a job by hand', async () => {
  await kubectl('apply', '-f', 'manifests/examples/cron-job.yaml');
  await kubectl('create', 'job', 'now', '--from=cronjob/hourly');
  expect(await kubectl('wait', '--for=condition=complete', 'job/now', '--timeout=110s')).toContain('condition met');
  // At five past the hour it has a job of its own for a moment.
  await eventually(
    () => kubectl('get', 'cronjob', 'hourly'),
    (text) => /hourly +5 \* \* \* mon-fri +Europe\/Berlin +False +0 /.test(text),
  );
});
