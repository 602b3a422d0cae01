import { expect, test } from 'vitest';
import { events } from '#pkg/api/types/refs.ts';
import { forbidden, serviceUnavailable } from '#pkg/apimachinery/status-error.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { FakeApi } from './fake-api.ts';
import { inProcessTransport } from './in-process-transport.ts';
import { createEventRecorder } from './recorder.ts';
import { createClient } from './rest-client.ts';

const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'shop', uid: 'u1' } };

function setUp() {
  const api = new FakeApi();
  const clock = new VirtualClock();
  const transport = inProcessTransport(api.handle, { commonName: 'test', organizations: [] });
  const client = createClient({ transport, userAgent: 'test' });
  const random = new SeededRandom(1);
  const recorder = createEventRecorder({
    client,
    clock,
    random,
    log: silentLogger,
    component: 'kubelet',
    instance: 'n1',
  });
  const say = (message: string) => recorder.record(pod, { type: 'Normal', reason: 'Pulled', message });
  const list = async () => (await client.resource(events).list({ namespace: 'shop' })).items;
  return { api, client, clock, random, recorder, say, list };
}

test('an event carries its object, source and times', async () => {
  const { recorder, say, list } = setUp();
  say('ready');
  await recorder.flush();
  const [event] = await list();
  expect(event).toMatchObject({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { namespace: 'shop', name: expect.stringMatching(/^web\.[0-9a-f]{16}$/) },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', name: 'web', namespace: 'shop', uid: 'u1' },
    source: { component: 'kubelet', host: 'n1' },
    reportingComponent: 'kubelet',
    reportingInstance: 'n1',
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:00Z',
    count: 1,
    type: 'Normal',
    reason: 'Pulled',
    message: 'ready',
  });
});

test('equal events are counted in one', async () => {
  const { clock, recorder, say, list } = setUp();
  say('again');
  await clock.advance(5_000);
  say('again');
  await recorder.flush();
  expect(await list()).toMatchObject([
    { count: 2, firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:05Z' },
  ]);
});

test('more than ten different messages of one reason are shown as one', async () => {
  const { recorder, say, list } = setUp();
  for (let i = 0; i < 14; i++) say(`message ${i}`);
  await recorder.flush();
  const all = await list();
  expect(all.length).toBe(11);
  expect(all.at(-1)).toMatchObject({ count: 4, message: '(combined from similar events): message 13' });
});

test('a burst beyond 25 is dropped, one more is allowed after five minutes', async () => {
  const { api, clock, recorder, say } = setUp();
  const writes = () => api.requests.filter((line) => !line.startsWith('GET')).length;
  for (let i = 0; i < 40; i++) say('spam');
  await recorder.flush();
  expect(writes()).toBe(25);
  await clock.advance(5 * 60_000);
  say('spam');
  say('spam');
  await recorder.flush();
  expect(writes()).toBe(26);
});

test('an unreachable server is tried again, a refusal is final', async () => {
  const { api, clock, recorder, say, list } = setUp();
  api.failNext(serviceUnavailable('down'), serviceUnavailable('down'));
  say('kept');
  await clock.advance(30_000);
  await recorder.flush();
  expect((await list()).length).toBe(1);
  api.failNext(forbidden({ group: '', resource: 'events' }, 'web', 'no'));
  say('lost');
  await recorder.flush();
  expect((await list()).length).toBe(1);
});

test('as a series an event has a time of its own, and repetitions beside it', async () => {
  const { clock, recorder, list, client, random } = setUp();
  const options = { client, clock, random, log: silentLogger, component: 'default-scheduler' };
  const series = createEventRecorder({ ...options, asSeries: true });
  const say = () => series.record(pod, { type: 'Warning', reason: 'FailedScheduling', message: 'no room' });
  say();
  await Promise.all([series.flush(), recorder.flush()]);
  const common = { action: 'Scheduling', eventTime: '2026-01-01T00:00:00.000000Z', reason: 'FailedScheduling' };
  const [first] = await list();
  expect(first).toMatchObject({ ...common, reportingInstance: 'default-scheduler' });
  expect([first?.count, first?.firstTimestamp, first?.lastTimestamp, first?.source]).toEqual(
    Array.from({ length: 4 }, () => undefined),
  );
  await clock.advance(5_000);
  say();
  await series.flush();
  const lastObservedTime = '2026-01-01T00:00:05.000000Z';
  expect(await list()).toMatchObject([{ ...common, series: { count: 2, lastObservedTime } }]);
});
