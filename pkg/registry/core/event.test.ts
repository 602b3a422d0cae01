import { expect, test } from 'vitest';
import { created } from '../testing.ts';
import { eventStrategies } from './event.ts';

test.each([
  [
    '',
    { apiVersion: 'v1', message: 'm', source: { component: 'kubelet' }, count: 1 },
    { eventTime: null, firstTimestamp: null, lastTimestamp: null, reportingComponent: '', reportingInstance: '' },
  ],
  [
    'events.k8s.io',
    { apiVersion: 'events.k8s.io/v1', note: 'm', eventTime: '2026-01-01T00:00:00.000000Z' },
    { deprecatedFirstTimestamp: null, deprecatedLastTimestamp: null, deprecatedSource: {} },
  ],
])('an event of group "%s" shows the fields that every event has', (group, event, added) => {
  const strategy = eventStrategies.find((each) => each.group === group)!;
  expect(created(strategy, event)).toEqual({ ...event, ...added });
});

test.each([
  ['', { reportingComponent: 'kubelet', source: 'kubelet', 'involvedObject.kind': 'Pod', 'involvedObject.name': 'p' }],
  ['events.k8s.io', { reportingController: 'kubelet', 'regarding.kind': 'Pod', 'regarding.name': 'p' }],
])('an event of group "%s" is selected by its own names of fields', (group, expected) => {
  const strategy = eventStrategies.find((each) => each.group === group)!;
  const shared = { reason: 'Started', type: 'Normal' };
  const about = { kind: 'Pod', name: 'p' };
  for (const event of [
    { ...shared, involvedObject: about, reportingComponent: 'kubelet' },
    { ...shared, regarding: about, reportingController: 'kubelet' },
  ]) {
    const fields = strategy.selectableFields!(event as never);
    expect(Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))).toEqual({
      ...shared,
      ...expected,
    });
  }
});

test('events are not kept in memory, and for an hour after they were last written (faults 56 and 57)', () => {
  for (const { keeping } of eventStrategies) expect(keeping).toMatchObject({ watchCache: 'none', ttlMs: 3_600_000 });
});
