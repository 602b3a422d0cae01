/**
 * Required fields: present, and not empty where they are strings, lists or maps. Numbers and booleans are never missing, as their
 * zero value is what Go's decoder gives an absent one; rules on their values are the registry's.
 *
 * `metadata` and `status` are left out: metadata has its own rules, and a status is checked by its strategy, if at all.
 */
import { at, child, type FieldError, type FieldPath, required, untyped } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { ObjectSchema, ScalarSchema, Schema } from '#pkg/apimachinery/schema.ts';
import { canBeMissing, mustBeSet } from '../must-be-set.ts';

interface Plan {
  readonly required: readonly { readonly name: string; readonly schema: Schema; readonly isPointer?: boolean }[];
  readonly children: readonly { readonly name: string; readonly schema: Schema }[];
}

const plans = new WeakMap<ObjectSchema, Plan>();
const skipped: ReadonlySet<string> = new Set(['metadata', 'status']);

function planOf(schema: ObjectSchema): Plan {
  let plan = plans.get(schema);
  if (plan === undefined) {
    const fields = [...schema.fields.values()].filter((field) => !skipped.has(field.name));
    const isRequired = new Set(
      fields.filter((field) => mustBeSet(schema.name ?? '', { ...field, type: field.schema.type })),
    );
    plan = {
      required: [...isRequired],
      children: fields.filter((field) => !isRequired.has(field) && hasRequired(field.schema, new Set([schema]))),
    };
    plans.set(schema, plan);
  }
  return plan;
}

/** Whether anything below is required. A type that is met again on the way down (`seen`) adds nothing new to it. */
function hasRequired(schema: Schema, seen: Set<Schema>): boolean {
  if (schema.type === 'list' || schema.type === 'map') return hasRequired(schema.of, seen);
  if (schema.type !== 'object' || seen.has(schema)) return false;
  seen.add(schema);
  for (const field of schema.fields.values()) {
    if (skipped.has(field.name)) continue;
    if (field.required && canBeMissing(field.schema.type)) return true;
    if (hasRequired(field.schema, seen)) return true;
  }
  return false;
}

/** What is missing in `draft`, in the order of the schema. */
export function validateRequired(draft: Readonly<JsonObject>, schema: ObjectSchema): FieldError[] {
  const errors: FieldError[] = [];
  checkObject(draft, schema, untyped(''), errors);
  return errors;
}

function checkObject(value: Readonly<JsonObject>, schema: ObjectSchema, path: FieldPath, errors: FieldError[]): void {
  const plan = planOf(schema);
  for (const field of plan.required) {
    const found = value[field.name];
    if (found === undefined && field.schema.type === 'object' && field.isPointer !== true) {
      checkAbsent(field.schema, child(path, field.name), errors);
    } else if (isEmpty(found)) {
      errors.push(required(child(path, field.name)));
    } else {
      checkValue(found, field.schema, child(path, field.name), errors);
    }
  }
  for (const field of plan.children) {
    // A spec is no pointer in Go: where it is absent there is an empty one.
    const found = value[field.name] ?? (field.name === 'spec' ? {} : undefined);
    if (found !== undefined) checkValue(found, field.schema, child(path, field.name), errors);
  }
}

/** An absent object: Go has an empty one in its place, so what is missing in that is reported, else the object itself. */
function checkAbsent(schema: ObjectSchema, path: FieldPath, errors: FieldError[]): void {
  const before = errors.length;
  checkObject({}, schema, path, errors);
  if (errors.length === before) errors.push(required(path));
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);
}

function checkValue(value: unknown, schema: Schema, path: FieldPath, errors: FieldError[]): void {
  if (typeof value !== 'object' || value === null) return;
  switch (schema.type) {
    case 'object':
      checkObject(value as JsonObject, schema, path, errors);
      break;
    case 'list':
      for (let i = 0; i < (value as readonly unknown[]).length; i++) {
        checkValue((value as readonly unknown[])[i], schema.of, at(path, i), errors);
      }
      break;
    case 'map':
      for (const key of Object.keys(value)) checkValue((value as JsonObject)[key], schema.of, at(path, key), errors);
      break;
    default:
      schema satisfies ScalarSchema;
  }
}
