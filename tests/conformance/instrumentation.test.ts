/** Events, in both of their versions. */
import { expect } from 'vitest';
import { events, eventsEventsV1 } from '#pkg/api/types/refs.ts';
import { isInvalid, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { behaviour } from './behaviour.ts';

const reference = { namespace: 'conformance', name: 'nobody', kind: 'Pod', apiVersion: 'v1' };
const eventTime = '2026-01-02T03:04:05.000000Z';

const coreEvent = (name: string) => ({
  apiVersion: 'v1' as const,
  kind: 'Event' as const,
  metadata: { name, namespace: 'conformance', labels: { testevent: 'true' } },
  involvedObject: reference,
  reason: 'Test',
  message: 'This is a test event',
  type: 'Normal',
  source: { component: 'e2e' },
});

const newEvent = (name: string) => ({
  apiVersion: 'events.k8s.io/v1' as const,
  kind: 'Event' as const,
  metadata: { name, namespace: 'conformance', labels: { testevent: 'true' } },
  regarding: reference,
  eventTime,
  note: 'This is a test event',
  reason: 'Test',
  action: 'Do',
  type: 'Normal',
  reportingController: 'test-controller',
  reportingInstance: 'test-node',
});

behaviour('[sig-instrumentation] Events should manage the lifecycle of an event', async ({ of, namespace }) => {
  const client = of(events);
  await client.create(coreEvent('event-test'));
  expect((await client.list({ labelSelector: 'testevent=true' })).items.map(({ metadata }) => metadata?.name)).toEqual([
    'event-test',
  ]);
  await client.patch('event-test', { message: 'This is a test event - patched' }, { namespace, type: 'strategic' });
  const current = await client.get('event-test', { namespace });
  expect(current.message).toBe('This is a test event - patched');
  const series = { count: 100, lastObservedTime: '2014-07-25T00:00:00.000000Z' };
  expect((await client.update({ ...current, series })).series).toEqual(series);
  expect((await client.get('event-test', { namespace })).series).toEqual(series);
  await client.delete('event-test', { namespace });
  expect((await client.list({ labelSelector: 'testevent=true' })).items).toEqual([]);
});

behaviour('[sig-instrumentation] Events should delete a collection of events', async ({ of, namespace }) => {
  const names = ['test-event-1', 'test-event-2', 'test-event-3'];
  for (const name of names) await of(events).create(coreEvent(name));
  const options = { namespace, labelSelector: 'testevent=true' };
  expect((await of(events).list(options)).items.map(({ metadata }) => metadata?.name)).toEqual(names);
  await of(events).deleteCollection(options);
  expect((await of(events).list(options)).items).toEqual([]);
});

behaviour(
  '[sig-instrumentation] Events API should ensure that an event can be fetched, patched, deleted, and listed',
  async ({ of, namespace }) => {
    const client = of(eventsEventsV1);
    await client.create(newEvent('event-test'));
    expect((await client.list({})).items.map(({ metadata }) => metadata?.name)).toContain('event-test');
    const fieldSelector = 'reportingController=test-controller';
    expect((await client.list({ namespace, fieldSelector })).items.length).toBe(1);
    expect((await of(events).list({ namespace, fieldSelector: 'source=test-controller' })).items.length).toBe(1);
    const current = await client.get('event-test', { namespace });
    expect(current).toMatchObject({ note: 'This is a test event', eventTime });
    const series = { count: 2, lastObservedTime: '2026-01-02T03:04:06.000000Z' };
    const patched = await client.patch('event-test', { series }, { namespace, type: 'merge' });
    expect(patched.series).toEqual(series);
    const later = { count: 100, lastObservedTime: '2026-01-02T03:04:07.000000Z' };
    const updated = await client.update({ ...patched, series: later });
    expect((await client.get('event-test', { namespace })).series).toEqual(later);
    await expect(client.update({ ...updated, note: 'changed' })).rejects.toSatisfy(isInvalid);
    await client.delete('event-test', { namespace });
    await expect(client.get('event-test', { namespace })).rejects.toSatisfy(isNotFound);
    expect((await client.list({ namespace, fieldSelector })).items).toEqual([]);
  },
);

behaviour('[sig-instrumentation] Events API should delete a collection of events', async ({ of, namespace }) => {
  const client = of(eventsEventsV1);
  for (const name of ['test-event-1', 'test-event-2', 'test-event-3']) await client.create(newEvent(name));
  const options = { namespace, labelSelector: 'testevent=true' };
  expect((await client.list(options)).items.length).toBe(3);
  await client.deleteCollection(options);
  expect((await client.list(options)).items).toEqual([]);
});
