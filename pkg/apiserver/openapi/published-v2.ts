/**
 * The schema of a custom kind as OpenAPI v2 can say it, and as kubectl, which validates by it, can bear it. Pure.
 * Source: apiextensions-apiserver `controller/openapi/v2` `ToStructuralOpenAPIV2`, `builder` `buildKubeNative`; kube-openapi `PruneDefaults`.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';

/** What v2 has no words for, or shows not. */
const dropped: readonly string[] = ['allOf', 'anyOf', 'default', 'not', 'nullable', 'oneOf'];

/** The schema of a whole object. One that keeps unknown fields is said to be an object and nothing else: kubectl would refuse fields beside those named. */
export function publishedV2(schema: JsonObject): JsonObject {
  return keepsUnknown(schema) ? { type: 'object' } : converted(schema);
}

/** Whether an object may have fields that its schema does not name. */
export function keepsUnknown(schema: JsonObject | undefined): boolean {
  return schema?.['x-kubernetes-preserve-unknown-fields'] === true;
}

function converted(schema: JsonObject): JsonObject {
  const out: JsonObject = Object.fromEntries(Object.entries(schema).filter(([name]) => !dropped.includes(name)));
  const isOpen = schema.nullable === true || keepsUnknown(schema);
  if (isOpen) {
    delete out.items;
    delete out.properties;
  }
  const { items, properties, additionalProperties, required } = out;
  if (isObject(items)) out.items = converted(items);
  if (isObject(properties)) {
    const entries = Object.entries(properties);
    out.properties = Object.fromEntries(entries.map(([name, one]) => [name, isObject(one) ? converted(one) : one]));
    const nullable = new Set(entries.filter(([, one]) => isObject(one) && one.nullable === true).map(([name]) => name));
    if (Array.isArray(required) && nullable.size > 0)
      setRequired(
        out,
        required.filter((name) => !nullable.has(name)),
      );
  }
  if (isObject(additionalProperties)) {
    out.additionalProperties = converted(additionalProperties);
    if (additionalProperties.nullable === true) setRequired(out, []);
  }
  const isUntyped =
    schema.nullable === true ||
    (out.items === undefined && out.type === 'array') ||
    (keepsUnknown(schema) && out.type === 'object');
  if (isUntyped) delete out.type;
  return out;
}

function setRequired(schema: JsonObject, required: readonly unknown[]): void {
  if (required.length === 0) delete schema.required;
  else schema.required = required;
}
