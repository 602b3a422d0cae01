/**
 * The schemas of an OpenAPI v3 document as types of expressions: references are followed, one that leads back to where it came from ends in an object without
 * fields. Pure. Source: apiserver `pkg/cel/openapi/resolver/refs.go` `PopulateRefs`, `pkg/cel/openapi/{adaptor,extensions}.go`.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { typeOfSchema } from './schema-types.ts';
import type { Type } from './types.ts';

const referencePrefix = '#/components/schemas/';

/** The type of the schema `name` of `schemas`, which are the document's `components.schemas`; undefined where there is none or it says no type. */
export function typeOfComponent(schemas: JsonObject, name: string): Type | undefined {
  const schema = schemas[name];
  return isObject(schema) ? typeOfSchema(whole(schema, schemas, [name]), false, name) : undefined;
}

/** A schema with what it refers to in its place. `above` are the names that led here. */
function whole(schema: JsonObject, schemas: JsonObject, above: readonly string[]): JsonObject {
  const name = referenceOf(schema);
  if (name !== undefined) {
    const named = schemas[name];
    if (!isObject(named) || above.includes(name)) return { type: 'object' };
    return whole(named, schemas, [...above, name]);
  }
  if (schema.format === 'int-or-string') return { 'x-kubernetes-int-or-string': true };
  // A quantity may be written as a number, and is read as a text.
  if (schema.type === undefined && firstOf(schema.oneOf)?.type === 'string') return { type: 'string' };
  const part = (one: unknown): unknown => (isObject(one) ? whole(one, schemas, above) : one);
  const { properties, items, additionalProperties } = schema;
  return {
    ...schema,
    ...(items === undefined ? {} : { items: part(items) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: part(additionalProperties) }),
    ...(isObject(properties)
      ? { properties: Object.fromEntries(Object.entries(properties).map(([key, one]) => [key, part(one)])) }
      : {}),
  };
}

/** What a schema refers to. One that has a description of its own has its reference in an `allOf`. */
function referenceOf(schema: JsonObject): string | undefined {
  const { allOf, $ref = Array.isArray(allOf) && allOf.length === 1 ? firstOf(allOf)?.$ref : undefined } = schema;
  return typeof $ref === 'string' && $ref.startsWith(referencePrefix) ? $ref.slice(referencePrefix.length) : undefined;
}

function firstOf(list: unknown): JsonObject | undefined {
  const first: unknown = Array.isArray(list) ? list[0] : undefined;
  return isObject(first) ? first : undefined;
}
