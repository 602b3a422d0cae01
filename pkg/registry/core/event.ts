/** Events, under both of their groups. Source: upstream `pkg/registry/core/event/strategy.go`. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { Draft, Strategy } from '#pkg/apiserver/strategy.ts';
import { stringAt } from '../draft.ts';
import { eventTable } from './tables.ts';
import { validateEvent } from './validation/small.ts';

function selectableFields(event: KubeObject): Readonly<Record<string, string>> {
  const involved = (field: string): string =>
    stringAt(event, 'involvedObject', field) || stringAt(event, 'regarding', field);
  const component = stringAt(event, 'source', 'component') || stringAt(event, 'deprecatedSource', 'component');
  const reporting = stringAt(event, 'reportingComponent') || stringAt(event, 'reportingController');
  return {
    'involvedObject.kind': involved('kind'),
    'involvedObject.namespace': involved('namespace'),
    'involvedObject.name': involved('name'),
    'involvedObject.uid': involved('uid'),
    'involvedObject.apiVersion': involved('apiVersion'),
    'involvedObject.resourceVersion': involved('resourceVersion'),
    'involvedObject.fieldPath': involved('fieldPath'),
    reason: stringAt(event, 'reason'),
    reportingComponent: reporting,
    source: component || reporting,
    type: stringAt(event, 'type'),
  };
}

/** What every event shows, as its type upstream has no way to leave these out. */
const alwaysThere: Readonly<Record<string, Readonly<Record<string, null | string>>>> = {
  v1: { eventTime: null, firstTimestamp: null, lastTimestamp: null, reportingComponent: '', reportingInstance: '' },
  'events.k8s.io/v1': { eventTime: null, deprecatedFirstTimestamp: null, deprecatedLastTimestamp: null },
};

function fillIn(event: Draft): void {
  for (const [name, value] of Object.entries(alwaysThere[String(event.apiVersion)] ?? {})) event[name] ??= value;
  event[event.apiVersion === 'v1' ? 'source' : 'deprecatedSource'] ??= {};
}

export const eventStrategies: readonly Strategy[] = ['', 'events.k8s.io'].map((group) => ({
  group,
  resource: 'events',
  createOnUpdate: true,
  prepareForCreate: fillIn,
  prepareForUpdate: fillIn,
  validate: validateEvent,
  selectableFields,
  table: eventTable,
}));
