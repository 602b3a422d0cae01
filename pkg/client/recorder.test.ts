import { expect, test } from 'vitest';
import type { Event } from '#pkg/api/types/core-v1.ts';
import { events } from '#pkg/api/types/refs.ts';
import { forbidden, serviceUnavailable } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Transport } from './client.ts';
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

test('from the tenth on, different messages of one reason are shown as one', async () => {
  const { recorder, say, list } = setUp();
  for (let i = 1; i <= 14; i++) say(`message ${i}`);
  say('message 3');
  say('message 1');
  await recorder.flush();
  const all = await list();
  expect(all.map(({ count, message }) => `${count} ${message}`)).toEqual([
    ...['2 message 1', '1 message 2', '2 message 3'],
    ...[4, 5, 6, 7, 8, 9].map((i) => `1 message ${i}`),
    '5 (combined from similar events): message 14',
  ]);
});

test('after ten minutes of silence messages are told apart again', async () => {
  const { clock, recorder, say, list } = setUp();
  for (let i = 1; i <= 12; i++) say(`message ${i}`);
  await clock.advance(601_000);
  say('message 13');
  await recorder.flush();
  expect((await list()).at(-1)).toMatchObject({ count: 1, message: 'message 13' });
});

test('25 are written at once and then one in five minutes; those in between are counted', async () => {
  const { api, clock, recorder, say, list } = setUp();
  const writes = () => api.requests.filter((line) => !line.startsWith('GET')).length;
  for (let i = 0; i < 40; i++) say('spam');
  await recorder.flush();
  expect(writes()).toBe(25);
  await clock.advance(5 * 60_000);
  say('spam');
  say('spam');
  await recorder.flush();
  expect(writes()).toBe(26);
  expect(await list()).toMatchObject([{ count: 41, lastTimestamp: '2026-01-01T00:05:00Z' }]);
});

test('an event that the server forgot is written anew, with its count', async () => {
  const { client, clock, recorder, say, list } = setUp();
  say('again');
  await recorder.flush();
  const [first] = await list();
  await client.resource(events).delete(first!.metadata!.name!, { namespace: 'shop' });
  await clock.advance(5_000);
  say('again');
  await recorder.flush();
  expect(await list()).toMatchObject([
    { metadata: { name: first!.metadata!.name! }, count: 2, firstTimestamp: '2026-01-01T00:00:00Z' },
  ]);
});

test('the event of an object whose name leaves no room for a time has a name of its own', async () => {
  const { recorder, list } = setUp();
  const metadata = { ...pod.metadata, name: 'x'.repeat(250) };
  recorder.record({ ...pod, metadata }, { type: 'Normal', reason: 'Pulled', message: 'ready' });
  await recorder.flush();
  expect((await list())[0]?.metadata?.name).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
});

test('a burst over many objects is written whole, several at once, in order for each object', async () => {
  const clock = new VirtualClock();
  const inner = new FakeApi();
  let [inFlight, most] = [0, 0];
  const order: string[] = [];
  const transport: Transport = {
    request: async (request) => {
      most = Math.max(most, ++inFlight);
      await sleep(clock, 10);
      inFlight--;
      if (request.method === 'POST' && request.body?.kind === 'object')
        order.push((request.body.object as Event).message!);
      return inner.handle(request);
    },
  };
  const client = createClient({ transport, userAgent: 'test' });
  const random = new SeededRandom(1);
  const recorder = createEventRecorder({ client, clock, random, log: silentLogger, component: 'kubelet' });
  for (let i = 0; i < 1_500; i++) {
    const object = { ...pod, metadata: { ...pod.metadata, name: `web-${i}`, uid: `u${i}` } };
    for (const step of ['a', 'b'])
      recorder.record(object, { type: 'Normal', reason: 'Pulled', message: `${i} ${step}` });
  }
  await clock.advance(60_000);
  await recorder.flush();
  expect(order.length).toBe(3_000);
  expect(most).toBe(16);
  for (let i = 0; i < 1_500; i++) expect(order.indexOf(`${i} a`)).toBeLessThan(order.indexOf(`${i} b`));
});

test('beyond ten thousand that wait, events are dropped and the log says how many', async () => {
  const { client, clock, random } = setUp();
  const lines: string[] = [];
  const warn = (message: string, fields: object = {}) => lines.push(`${message} ${JSON.stringify(fields)}`);
  const log = { ...silentLogger, warn, with: () => log };
  const recorder = createEventRecorder({ client, clock, random, log, component: 'kubelet' });
  for (let i = 0; i < 10_005; i++) {
    const object = { ...pod, metadata: { ...pod.metadata, name: `web-${i}` } };
    recorder.record(object, { type: 'Normal', reason: 'Pulled', message: 'ready' });
  }
  await recorder.flush();
  expect(lines).toEqual([
    'Events are dropped as too many wait {"waitingMax":10000}',
    'Events were dropped as too many waited {"count":5}',
  ]);
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
