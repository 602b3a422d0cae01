/**
 * Defaults that upstream declares on the types. Those it makes in code belong to the registry.
 * What there is to do for a type is worked out once: types without defaults anywhere below cost nothing.
 */
import { deepClone } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { FieldSchema, ObjectSchema, ScalarSchema, Schema } from '#pkg/apimachinery/schema.ts';
import { noFields } from '#pkg/apimachinery/write-unset.ts';

interface Plan {
  readonly defaults: readonly { readonly name: string; readonly value: unknown }[];
  /** Fields whose objects are made where they are absent. */
  readonly made: readonly string[];
  readonly children: readonly { readonly name: string; readonly schema: Schema }[];
}

const plans = new WeakMap<ObjectSchema, Plan>();

/**
 * Empty defaults that show: the field is a pointer in Go. Of other fields an empty default is the zero value, which is never
 * written out when the field may be left out.
 */
const visibleEmptyDefaults: ReadonlySet<string> = new Set(['io.k8s.api.core.v1.GRPCAction.service']);

function isVisible(owner: ObjectSchema, field: FieldSchema): boolean {
  if (field.default === undefined) return false;
  if (field.default !== '' && field.default !== 0) return true;
  return !field.omitEmpty || visibleEmptyDefaults.has(`${owner.name}.${field.name}`);
}

/** Objects that no pointer leads to in Go, on the way to which everything has defaults of its own. */
const madeNames: ReadonlySet<string> = new Set(['jobTemplate', 'spec', 'template']);

function isMade({ name, schema, unset }: FieldSchema): boolean {
  return madeNames.has(name) && schema.type === 'object' && unset !== undefined && unset !== null;
}

function planOf(schema: ObjectSchema): Plan {
  let plan = plans.get(schema);
  if (plan === undefined) {
    const fields = [...schema.fields.values()];
    plan = {
      defaults: fields.filter((f) => isVisible(schema, f)).map((f) => ({ name: f.name, value: f.default })),
      made: fields.filter(isMade).map((field) => field.name),
      children: fields
        .filter((field) => isMade(field) || hasDefaults(field.schema, new Set([schema])))
        .map((field) => ({ name: field.name, schema: field.schema })),
    };
    plans.set(schema, plan);
  }
  return plan;
}

/** Whether a default is declared anywhere below. A type that is met again on the way down (`seen`) adds nothing new to it. */
function hasDefaults(schema: Schema, seen: Set<Schema>): boolean {
  switch (schema.type) {
    case 'list':
    case 'map':
      return hasDefaults(schema.of, seen);
    case 'object': {
      if (seen.has(schema)) return false;
      seen.add(schema);
      for (const field of schema.fields.values()) {
        if (isVisible(schema, field) || hasDefaults(field.schema, seen)) return true;
      }
      return false;
    }
    default:
      schema satisfies ScalarSchema;
      return false;
  }
}

/**
 * Fills in declared defaults where a field is absent, in place, in objects that are present. A spec or template that Go's type always has is
 * made where it is absent, so that what is in it gets its defaults too. The fields in `kept` have theirs.
 */
export function applySchemaDefaults(
  draft: JsonObject,
  schema: ObjectSchema,
  kept: ReadonlySet<string> = noFields,
): void {
  const plan = planOf(schema);
  for (const { name, value } of plan.defaults) {
    if (draft[name] === undefined) draft[name] = typeof value === 'object' ? deepClone(value) : value;
  }
  for (const name of plan.made) draft[name] ??= {};
  for (const child of plan.children) {
    const value = draft[child.name];
    if (value !== undefined && !kept.has(child.name)) applyToValue(value, child.schema);
  }
}

function applyToValue(value: unknown, schema: Schema): void {
  if (typeof value !== 'object' || value === null) return;
  switch (schema.type) {
    case 'object':
      applySchemaDefaults(value as JsonObject, schema);
      break;
    case 'list':
      for (const item of value as readonly unknown[]) applyToValue(item, schema.of);
      break;
    case 'map':
      for (const key of Object.keys(value)) applyToValue((value as JsonObject)[key], schema.of);
      break;
    default:
      schema satisfies ScalarSchema;
  }
}
