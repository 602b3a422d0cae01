import { afterEach, expect, test } from 'vitest';
import { jobs, pods } from '#pkg/api/types/refs.ts';
import { type Harness, startHarness, until } from '../testing/harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

const controllers = ['job-controller', 'garbage-collector-controller', 'ttl-after-finished-controller'];

const jobOf = (name: string, ttlSecondsAfterFinished?: number) => ({
  metadata: { name, namespace: 'default' },
  spec: {
    ...(ttlSecondsAfterFinished === undefined ? {} : { ttlSecondsAfterFinished }),
    template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'v1' }] } },
  },
});

test('a finished job goes with its pods when its time has passed, also a time of nought; one without stays', async () => {
  harness = await startHarness({ controllers, exitCodeOf: () => 0 });
  const names = async () => (await harness.list(jobs)).map(({ metadata }) => metadata?.name);
  for (const job of [jobOf('now', 0), jobOf('later', 60), jobOf('kept')])
    await harness.client.resource(jobs).create(job);
  await until(harness, async () => (await names()).length === 2);
  await harness.clock.advance(50_000);
  expect(await names()).toEqual(['kept', 'later']);
  await harness.client
    .resource(jobs)
    .patch('later', { spec: { ttlSecondsAfterFinished: 300 } }, { namespace: 'default', type: 'merge' });
  await harness.clock.advance(200_000);
  expect(await names()).toEqual(['kept', 'later']);
  await harness.clock.advance(100_000);
  expect(await names()).toEqual(['kept']);
  expect((await harness.list(pods)).length).toBe(1);
});
