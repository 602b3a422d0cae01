/** Events, under both of their groups. Source: upstream `pkg/registry/core/event/strategy.go`, `pkg/apis/events/v1/conversion.go`. */

import { events, eventsEventsV1 } from '#pkg/api/types/refs.ts';
import { type Draft, fields } from '#pkg/apimachinery/draft.ts';
import type { ResourceRef } from '#pkg/apimachinery/object.ts';
import { type Rules, rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import type { AnyEvent } from './any-event.ts';
import { eventConverter } from './event-converter.ts';
import { eventTable } from './tables.ts';
import { newEventErrors, validateEvent, validateEventUpdate } from './validation/event.ts';

/** Fields of the object that an event is about. */
const aboutFields = fields('kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath');

/** What selectors may name: the groups spell it differently. Events are looked at in either form. */
function selectableFields(group: string): NonNullable<Rules<AnyEvent>['selectableFields']> {
  const isCore = group === '';
  const about = isCore ? 'involvedObject' : 'regarding';
  return (event) => {
    const selectable: Record<string, string> = { reason: event.reason ?? '', type: event.type ?? '' };
    for (const name of aboutFields) {
      selectable[`${about}.${name}`] = event.involvedObject?.[name] || event.regarding?.[name] || '';
    }
    const reporting = event.reportingComponent || event.reportingController || '';
    selectable[isCore ? 'reportingComponent' : 'reportingController'] = reporting;
    if (!isCore) return selectable;
    const component = event.source?.component || event.deprecatedSource?.component;
    return { ...selectable, source: component || reporting };
  };
}

/** What every event shows, as its type upstream has no way to leave these out. */
function fillIn(event: Draft<AnyEvent>): void {
  event.eventTime ??= null;
  if (event.apiVersion === 'v1') {
    event.firstTimestamp ??= null;
    event.lastTimestamp ??= null;
    event.reportingComponent ??= '';
    event.reportingInstance ??= '';
    event.source ??= {};
    return;
  }
  event.deprecatedFirstTimestamp ??= null;
  event.deprecatedLastTimestamp ??= null;
  event.deprecatedSource ??= {};
}

/** How long an event stays after it was last written. Source: `--event-ttl`. */
const eventTtlMs = 3_600_000;

/** An event as this project's own components write it, all of them alike: what any two events have in common is in one of these. */
function sampleOf(own: readonly string[], manager: string, event: object): string {
  const names = ['involvedObject', 'reason', 'message', 'type', ...own, 'reportingComponent'];
  const fieldsV1 = Object.fromEntries(
    names.map((name) => [`f:${name}`, name === 'source' ? { '.': {}, 'f:component': {} } : {}]),
  );
  const time = '2026-01-01T00:00:00Z';
  const managed = { manager, operation: 'Update', apiVersion: 'v1', time, fieldsType: 'FieldsV1', fieldsV1 };
  const metadata = { name: '', namespace: 'default', managedFields: [managed], uid: '', creationTimestamp: time };
  const involvedObject = {
    kind: 'Pod',
    namespace: 'default',
    name: '',
    uid: '',
    apiVersion: 'v1',
    resourceVersion: '',
  };
  return JSON.stringify({ kind: 'Event', apiVersion: 'v1', metadata, involvedObject, ...event });
}

const told = {
  firstTimestamp: '2026-01-01T00:00:00Z',
  lastTimestamp: '2026-01-01T00:00:00Z',
  count: 1,
  type: 'Normal',
};

const sample = [
  sampleOf(['reportingInstance', 'eventTime', 'action'], 'kube-scheduler', {
    reason: 'Scheduled',
    message: 'Successfully assigned default/',
    reportingComponent: 'default-scheduler',
    eventTime: '2026-01-01T00:00:00.000000Z',
    action: 'Binding',
    reportingInstance: 'default-scheduler',
  }),
  sampleOf(['source', 'firstTimestamp', 'lastTimestamp', 'count'], 'kube-controller-manager', {
    reason: 'SuccessfulCreate',
    message: 'Scaled up replica set from 0 to 1 Created pod: Deleted pod: ',
    source: { component: 'replicaset-controller deployment-controller' },
    ...told,
    reportingComponent: 'replicaset-controller deployment-controller',
    reportingInstance: '',
    eventTime: null,
  }),
  sampleOf(['source', 'firstTimestamp', 'lastTimestamp', 'count'], 'kubelet', {
    reason: 'Pulled Created Started Killing',
    message:
      'Container image "coxswain.dev/" already present on machine Created container Started container Stopping container',
    source: { component: 'kubelet', host: '' },
    ...told,
    reportingComponent: 'kubelet',
    reportingInstance: '',
    eventTime: null,
  }),
].join('');

/** The newer group has no objects of its own. */
const newerForm: Pick<Rules<AnyEvent>, 'storedInGroup' | 'versions'> = {
  storedInGroup: '',
  versions: {
    v1: { converter: eventConverter('v1'), stored: 'v1' },
    v1beta1: { converter: eventConverter('v1beta1'), stored: 'v1' },
  },
};

/** The rules for what comes by one of the groups: the same objects under the names of either. */
function eventRules(group: string): Rules<AnyEvent> {
  return {
    createOnUpdate: true,
    dependents: 'none',
    prepareForCreate: fillIn,
    prepareForUpdate: fillIn,
    validate: validateEvent,
    validateCreate: newEventErrors,
    validateUpdate: validateEventUpdate,
    selectableFields: selectableFields(group),
    selectsVerbatim: true,
    keeping: { watchCache: 'none', ttlMs: eventTtlMs, sample },
    table: eventTable,
    ...(group === '' ? {} : newerForm),
  };
}

/** One strategy for each group. */
export const eventStrategies: readonly Strategy[] = [events, eventsEventsV1].map(
  ({ group, version, resource, kind, namespaced }) => {
    const ref: ResourceRef<AnyEvent> = { group, version, resource, kind, namespaced };
    return rulesOf(ref, eventRules(group));
  },
);
