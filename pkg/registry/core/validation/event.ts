/**
 * Rules for events, in the form of either group. Those with an `eventTime` are of the newer kind and have to say more; those that come by
 * `events.k8s.io/v1` may not use the older fields at all. Source: upstream `pkg/apis/core/validation/events.go`.
 */

import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import { type FieldError, type FieldPath, invalid, pathsOf, required } from '#pkg/apimachinery/field-error.ts';
import { qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import { semanticallySame } from '../../draft.ts';
import { Collector } from '../../validation/collector.ts';
import { type AnyEvent, inCoreNames } from '../any-event.ts';

const field = pathsOf<AnyEvent>();

const textLengthMax = 128;
const noteLengthMax = 1024;

/** What is wrong with an event of either group; `events.k8s.io` asks for more. Source: upstream `ValidateEventCreate`. */
export function validateEvent(event: Given<AnyEvent>): readonly FieldError[] {
  const into = new Collector();
  const namespace = event.metadata?.namespace ?? '';
  const involved = inCoreNames(event).involvedObject?.namespace ?? '';
  const isNew = (event.eventTime ?? '') !== '';
  // Events about objects without a namespace live in the default one.
  const homes = isNew ? ['default', 'kube-system'] : ['default'];
  const isHome = involved === '' ? homes.includes(namespace) : isNew || involved === namespace;
  if (!isHome) into.add(invalid(field('involvedObject.namespace'), involved, 'does not match event.namespace'));
  if (isNew) checkNewTexts(into, inCoreNames(event));
  return into.errors;
}

function checkNewTexts(into: Collector, event: Given<AnyEvent>): void {
  const controller = event.reportingComponent ?? '';
  into.needsText(field('reportingController'), controller);
  into.problems(field('reportingController'), controller, qualifiedNameProblems(controller));
  for (const name of fields('reportingInstance', 'action', 'reason')) {
    const text = event[name] ?? '';
    into.needsText(field(name), text);
    checkLength(into, { path: field(name), text, max: textLengthMax });
  }
  checkLength(into, { path: field('message'), text: event.message ?? '', max: noteLengthMax });
}

function checkLength(
  into: Collector,
  { path, text, max }: { readonly path: FieldPath; readonly text: string; readonly max: number },
): void {
  if (Buffer.byteLength(text) > max) into.add(invalid(path, '', `can have at most ${max} characters`));
}

/** What holds in addition for new events of `events.k8s.io/v1`. */
export function newEventErrors(event: Given<AnyEvent>): readonly FieldError[] {
  const into = new Collector();
  if (event.apiVersion !== 'events.k8s.io/v1') return into.errors;
  checkSeries(into, event);
  into.needsText(field('eventTime'), event.eventTime);
  const old = inCoreNames(event);
  const type = event.type ?? '';
  if (type !== 'Normal' && type !== 'Warning') into.add(invalid(field('type'), '', `has invalid value: ${type}`));
  for (const name of fields('firstTimestamp', 'lastTimestamp', 'count')) {
    if (old[name]) into.add(invalid(field(name), '', 'needs to be unset'));
  }
  if (old.source?.component || old.source?.host) {
    into.add(invalid(field('source'), '', 'needs to be unset'));
  }
  return into.errors;
}

const seriesMin = 2;

function checkSeries(into: Collector, event: Given<AnyEvent>): void {
  const series = event.series;
  if (series === undefined) return;
  if ((series.count ?? 0) < seriesMin) into.add(invalid(field('series.count'), '', 'should be at least 2'));
  if (!series.lastObservedTime) into.add(required(field('series.lastObservedTime')));
}

/** Everything but the series, which counts on. */
const immutable = fields(
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
);

/** What is wrong with a change that comes by `events.k8s.io/v1`; the core group takes any. */
export function validateEventUpdate(event: Given<AnyEvent>, old: Given<AnyEvent>): readonly FieldError[] {
  const into = new Collector();
  if (event.apiVersion !== 'events.k8s.io/v1') return into.errors;
  if (!semanticallySame(event.series, old.series)) checkSeries(into, event);
  const [now, was] = [inCoreNames(event), inCoreNames(old)];
  for (const name of immutable) {
    const path = name === 'reportingComponent' ? field('reportingController') : field(name);
    into.unchanged(path, now[name], was[name]);
  }
  return into.errors;
}
