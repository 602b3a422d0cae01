/** Events, under both of their groups. Source: upstream `pkg/registry/core/event/strategy.go`. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
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

export const eventStrategies: readonly Strategy[] = ['', 'events.k8s.io'].map((group) => ({
  group,
  resource: 'events',
  createOnUpdate: true,
  validate: validateEvent,
  selectableFields,
  table: eventTable,
}));
