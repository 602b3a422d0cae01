/**
 * Lists and maps that are left out when they are empty, as Go's encoder leaves out those of fields with `omitempty`, and protobuf
 * any: what is stored never has them, so that empty and absent cannot be told apart and are no difference between two objects.
 *
 * Scalars stay as they are, as the table of facts does not tell a pointer, whose zero Go keeps, from a plain field. So do values whose
 * shape no schema tells.
 * A list that Go always writes, such as the endpoints of a slice, is `null` there when it is empty; here it stays as it came, `[]` or
 * absent, which clients that know the schema read as well.
 */
import { setOwn } from './json.ts';
import type { JsonObject } from './object.ts';
import type { FieldSchema, ObjectSchema, Schema } from './schema.ts';

/** Whether the field is left out because of its value, which has the type that its schema says. */
export function isOmitted(field: FieldSchema, value: unknown): boolean {
  if (!field.omitEmpty) return false;
  switch (field.schema.type) {
    case 'list':
      // An empty list of managers asks to forget them all: it is read before it is stored.
      return (value as readonly unknown[]).length === 0 && field.name !== 'managedFields';
    case 'map':
      for (const _ in value as JsonObject) return false;
      return true;
    default:
      return false;
  }
}

/** The object without its empty lists and maps that are left out; what has none is shared with the given one, which is not changed. */
export function omitEmpty(object: JsonObject, schema: ObjectSchema): JsonObject {
  let target: JsonObject | undefined;
  for (const name of Object.keys(object)) {
    const value = object[name];
    const field = schema.fields.get(name);
    if (field === undefined || typeof value !== 'object' || value === null) continue;
    const kept = omitBelow(value, field.schema);
    const isGone = isOmitted(field, kept);
    if (kept === value && !isGone) continue;
    target ??= { ...object };
    if (isGone) delete target[name];
    else target[name] = kept;
  }
  return target ?? object;
}

function omitBelow(value: unknown, schema: Schema): unknown {
  if (typeof value !== 'object' || value === null) return value;
  switch (schema.type) {
    case 'object':
      return omitEmpty(value as JsonObject, schema);
    case 'list': {
      const list = value as readonly unknown[];
      const kept = list.map((item) => omitBelow(item, schema.of));
      return kept.some((item, index) => item !== list[index]) ? kept : list;
    }
    case 'map': {
      const map: JsonObject = {};
      let changed = false;
      for (const [key, item] of Object.entries(value)) {
        const kept = omitBelow(item, schema.of);
        changed ||= kept !== item;
        setOwn(map, key, kept);
      }
      return changed ? map : value;
    }
    default:
      return value;
  }
}
