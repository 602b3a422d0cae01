/**
 * Zero values that say nothing: `''`, `0`, `false`, empty lists and maps of fields that are no pointers in Go, where a field that somebody
 * has set to zero cannot be told from one that nobody has set. They are taken out of whatever a client sends before defaults are filled
 * in, so that zero and absent are no difference between two objects. What Go writes in spite of it is put in by `write-unset.ts`.
 *
 * Fields of custom resources have no such zeros, nor have values whose shape no schema tells. Items of lists and values of maps stay.
 * Upstream counterpart: decoding into typed structs, and `omitempty` in their encoding.
 */
import { setOwn } from './json.ts';
import type { JsonObject } from './object.ts';
import { emptyCollection, type FieldSchema, type ObjectSchema, type ScalarSchema, type Schema } from './schema.ts';

/** Whether the field has no value by having this one, which has the type that its schema says. */
export function isOmitted(field: FieldSchema, value: unknown): boolean {
  const { zero } = field;
  if (zero === undefined) return false;
  if (typeof value !== 'object') return value === zero;
  // An empty list of managers asks to forget them all: it is read before it is stored.
  return zero === emptyCollection && isEmptyCollection(value) && field.name !== 'managedFields';
}

/** Whether a list or a map has nothing in it. */
export function isEmptyCollection(value: object | null): boolean {
  if (Array.isArray(value)) return value.length === 0;
  for (const _ in value) return false;
  return value !== null;
}

/** Whether Go leaves a field out of its encoding because of this value. */
function isLeftOut(field: FieldSchema, value: unknown): boolean {
  return field.unset === undefined && isOmitted(field, value);
}

/** A null that is written where there is no value is no value either. */
function isNothing(field: FieldSchema, value: unknown): boolean {
  return value === null ? field.unset === null : isOmitted(field, value);
}

/** The object as Go encodes it, apart from what that adds; what has nothing to leave out is shared with the given one, which is not changed. */
export function omitEmpty(object: JsonObject, schema: ObjectSchema): JsonObject {
  return omitIn(object, schema, isLeftOut);
}

/** The object without any zero value that says nothing, as defaults want it; shares as `omitEmpty` does. */
export function omitZeros(object: JsonObject, schema: ObjectSchema): JsonObject {
  return omitIn(object, schema, isNothing);
}

type Test = (field: FieldSchema, value: unknown) => boolean;

function omitIn(object: JsonObject, schema: ObjectSchema, isGone: Test): JsonObject {
  let target: JsonObject | undefined;
  for (const name of Object.keys(object)) {
    const value = object[name];
    const field = schema.fields.get(name);
    if (field === undefined || value === undefined) continue;
    const kept = omitBelow(value, field.schema, isGone);
    const goes = isGone(field, kept);
    if (kept === value && !goes) continue;
    target ??= { ...object };
    if (goes) delete target[name];
    else target[name] = kept;
  }
  return target ?? object;
}

function omitBelow(value: unknown, schema: Schema, isGone: Test): unknown {
  if (typeof value !== 'object' || value === null) return value;
  switch (schema.type) {
    case 'object':
      return omitIn(value as JsonObject, schema, isGone);
    case 'list': {
      const list = value as readonly unknown[];
      const kept = list.map((item) => omitBelow(item, schema.of, isGone));
      return kept.some((item, index) => item !== list[index]) ? kept : list;
    }
    case 'map': {
      const map: JsonObject = {};
      let changed = false;
      for (const [key, item] of Object.entries(value)) {
        const kept = omitBelow(item, schema.of, isGone);
        changed ||= kept !== item;
        setOwn(map, key, kept);
      }
      return changed ? map : value;
    }
    default:
      schema satisfies ScalarSchema;
      return value;
  }
}
