/**
 * Rules for events, in the form of either group. Those with an `eventTime` are of the newer kind and have to say more; those that come by
 * `events.k8s.io/v1` may not use the older fields at all. Source: upstream `pkg/apis/core/validation/events.go`.
 */
import { type FieldError, invalid, required } from '#pkg/apimachinery/field-error.ts';
import { qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { fieldsOf, numberAt, objectAt, semanticallySame, stringAt } from '../../draft.ts';
import { Collector } from '../../validation/collector.ts';

const textLengthMax = 128;
const noteLengthMax = 1024;

/** Names of the fields in `events.k8s.io/v1`, where they differ from those of the core group, which errors use. */
const newNames: Readonly<Record<string, string>> = {
  count: 'deprecatedCount',
  firstTimestamp: 'deprecatedFirstTimestamp',
  involvedObject: 'regarding',
  lastTimestamp: 'deprecatedLastTimestamp',
  message: 'note',
  source: 'deprecatedSource',
  reportingComponent: 'reportingController',
};

function isNewForm(event: JsonObject | KubeObject): boolean {
  return String(fieldsOf(event).apiVersion).startsWith('events.k8s.io/');
}

/** A field by its core name, whichever form the event has. */
function fieldOf(event: JsonObject | KubeObject, name: string): unknown {
  return fieldsOf(event)[isNewForm(event) ? (newNames[name] ?? name) : name];
}

function textOf(event: JsonObject, name: string): string {
  const value = fieldOf(event, name);
  return typeof value === 'string' ? value : '';
}

/** What is wrong with an event of either group; `events.k8s.io` asks for more. Source: upstream `ValidateEventCreate`. */
export function validateEvent(event: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const namespace = stringAt(event, 'metadata', 'namespace');
  const involved = stringAt(fieldOf(event, 'involvedObject'), 'namespace');
  const isNew = textOf(event, 'eventTime') !== '';
  // Events about objects without a namespace live in the default one.
  const homes = isNew ? ['default', 'kube-system'] : ['default'];
  const isHome = involved === '' ? homes.includes(namespace) : isNew || involved === namespace;
  if (!isHome) into.add(invalid('involvedObject.namespace', involved, 'does not match event.namespace'));
  if (isNew) checkNewTexts(into, event);
  return into.errors;
}

function checkNewTexts(into: Collector, event: JsonObject): void {
  const controller = textOf(event, 'reportingComponent');
  into.needsText('reportingController', controller);
  into.problems('reportingController', controller, qualifiedNameProblems(controller));
  for (const field of ['reportingInstance', 'action', 'reason']) {
    const text = textOf(event, field);
    into.needsText(field, text);
    checkLength(into, { field, text, max: textLengthMax });
  }
  checkLength(into, { field: 'message', text: textOf(event, 'message'), max: noteLengthMax });
}

function checkLength(
  into: Collector,
  { field, text, max }: { readonly field: string; readonly text: string; readonly max: number },
): void {
  if (Buffer.byteLength(text) > max) into.add(invalid(field, '', `can have at most ${max} characters`));
}

/** What holds in addition for new events of `events.k8s.io/v1`. */
export function newEventErrors(event: JsonObject): readonly FieldError[] {
  const into = new Collector();
  if (event.apiVersion !== 'events.k8s.io/v1') return into.errors;
  checkSeries(into, event);
  into.needsText('eventTime', textOf(event, 'eventTime'));
  const type = stringAt(event, 'type');
  if (type !== 'Normal' && type !== 'Warning') into.add(invalid('type', '', `has invalid value: ${type}`));
  for (const field of ['firstTimestamp', 'lastTimestamp', 'count']) {
    if (fieldOf(event, field)) into.add(invalid(field, '', 'needs to be unset'));
  }
  const source = fieldOf(event, 'source');
  if (stringAt(source, 'component') !== '' || stringAt(source, 'host') !== '') {
    into.add(invalid('source', '', 'needs to be unset'));
  }
  return into.errors;
}

const seriesMin = 2;

function checkSeries(into: Collector, event: JsonObject): void {
  const series = objectAt(event, 'series');
  if (series === undefined) return;
  if ((numberAt(series, 'count') ?? 0) < seriesMin) into.add(invalid('series.count', '', 'should be at least 2'));
  if (!series.lastObservedTime) into.add(required('series.lastObservedTime'));
}

/** Everything but the series, which counts on. */
const immutable = [
  'involvedObject',
  'reason',
  'message',
  'source',
  'firstTimestamp',
  'lastTimestamp',
  'count',
  'type',
  'eventTime',
  'action',
  'related',
  'reportingComponent',
  'reportingInstance',
];

/** What is wrong with a change that comes by `events.k8s.io/v1`; the core group takes any. */
export function validateEventUpdate(event: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  if (event.apiVersion !== 'events.k8s.io/v1') return into.errors;
  if (!semanticallySame(event.series, fieldsOf(old).series)) checkSeries(into, event);
  for (const field of immutable) into.unchanged(newPath(field), fieldOf(event, field), fieldOf(old, field));
  return into.errors;
}

function newPath(field: string): string {
  return field === 'reportingComponent' ? 'reportingController' : field;
}
