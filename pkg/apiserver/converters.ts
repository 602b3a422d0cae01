/**
 * Converters between versions of a resource whose fields differ, keyed `apiVersion/Kind storedApiVersion`.
 * Sources: `pkg/apis/autoscaling/v1/conversion.go`, `pkg/apis/core/v1`, `pkg/apis/events/v1/conversion.go`.
 */
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { hpaConverter } from './hpa-converter.ts';

export interface Converter {
  toStored(draft: JsonObject): JsonObject;
  /** Never changes its argument. */
  fromStored(object: KubeObject): KubeObject;
}

/** Fields of events.k8s.io/v1 that core/v1 spells otherwise, as `[new, old]`. */
const eventFields: readonly (readonly [string, string])[] = [
  ['note', 'message'],
  ['regarding', 'involvedObject'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedCount', 'count'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedSource', 'source'],
];

function renameFields(object: object, apiVersion: string, names: ReadonlyMap<string, string>): JsonObject {
  const renamed: JsonObject = {};
  for (const [name, value] of Object.entries(object)) renamed[names.get(name) ?? name] = value;
  renamed.apiVersion = apiVersion;
  return renamed;
}

const toCore = new Map(eventFields);
const toEvents = new Map(eventFields.map(([fresh, old]) => [old, fresh]));

const eventConverter: Converter = {
  toStored: (draft) => ({ reportingComponent: '', reportingInstance: '', ...renameFields(draft, 'v1', toCore) }),
  fromStored(object) {
    const event = renameFields(object, 'events.k8s.io/v1', toEvents);
    // The older form always shows these, the newer one only when there is something in them.
    for (const name of ['reportingController', 'reportingInstance']) if (event[name] === '') delete event[name];
    return event;
  },
};

export const converters: Readonly<Record<string, Converter>> = {
  'autoscaling/v1/HorizontalPodAutoscaler autoscaling/v2': hpaConverter,
  'events.k8s.io/v1/Event v1': eventConverter,
};
