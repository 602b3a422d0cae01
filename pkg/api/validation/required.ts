/**
 * Required fields: present, and not empty where they are strings, lists or maps. Numbers and booleans are never missing, as their
 * zero value is what Go's decoder gives an absent one; rules on their values are the registry's.
 *
 * `metadata` and `status` are left out: metadata has its own rules, and a status is checked by its strategy, if at all.
 */
import { at, child, type FieldError, type FieldPath, required } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { ObjectSchema, ScalarSchema, Schema } from '#pkg/apimachinery/schema.ts';

interface Plan {
  readonly required: readonly { readonly name: string; readonly schema: Schema; readonly isPointer?: boolean }[];
  readonly children: readonly { readonly name: string; readonly schema: Schema }[];
}

/**
 * Fields that the published schema calls required (clients always write them) while upstream's validation accepts them empty.
 * Sources: `pkg/apis/...validation/validation.go`.
 */
const mayBeEmpty: ReadonlySet<string> = new Set([
  'io.k8s.api.batch.v1.PodFailurePolicy.rules',
  'io.k8s.api.batch.v1.PodFailurePolicyOnExitCodesRequirement.values',
  'io.k8s.api.core.v1.Binding.target',
  'io.k8s.api.core.v1.Event.involvedObject',
  'io.k8s.api.core.v1.HTTPHeader.value',
  'io.k8s.api.core.v1.LimitRangeSpec.limits',
  'io.k8s.api.core.v1.PreferredSchedulingTerm.preference',
  'io.k8s.api.core.v1.ScaleIOPersistentVolumeSource.secretRef',
  'io.k8s.api.core.v1.ScaleIOVolumeSource.secretRef',
  'io.k8s.api.core.v1.Sysctl.value',
  'io.k8s.api.events.v1.Event.eventTime',
  'io.k8s.api.events.v1.EventSeries.lastObservedTime',
  'io.k8s.api.storage.v1.CSINodeSpec.drivers',
  'io.k8s.api.storage.v1.TokenRequest.audience',
]);

const plans = new WeakMap<ObjectSchema, Plan>();
const skipped: ReadonlySet<string> = new Set(['metadata', 'status']);
const never: ReadonlySet<string> = new Set(['int32', 'int64', 'double', 'boolean', 'any', 'intOrString']);

/** The name that a type has, or will have, in its first stable version. */
function stableName(schema: ObjectSchema): string {
  return (schema.name ?? '').replace(/\.v1(?:alpha|beta)\d+\./, '.v1.');
}

function planOf(schema: ObjectSchema): Plan {
  let plan = plans.get(schema);
  if (plan === undefined) {
    const fields = [...schema.fields.values()].filter((field) => !skipped.has(field.name));
    const isRequired = new Set(
      fields.filter(
        (field) =>
          field.required && !never.has(field.schema.type) && !mayBeEmpty.has(`${stableName(schema)}.${field.name}`),
      ),
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
    if (field.required && !never.has(field.schema.type)) return true;
    if (hasRequired(field.schema, seen)) return true;
  }
  return false;
}

/** What is missing in `draft`, in the order of the schema. */
export function validateRequired(draft: Readonly<JsonObject>, schema: ObjectSchema): FieldError[] {
  const errors: FieldError[] = [];
  checkObject(draft, schema, '', errors);
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
