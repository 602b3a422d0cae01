/**
 * Rules for the schemas of custom resources: no part that the server could not follow, and a type everywhere, so that the schema
 * alone tells how objects are built. Source: upstream apiextensions `ValidateCustomResourceDefinitionOpenAPISchema`, `schema/validation.go`.
 */
import { at, child, type FieldPath, forbiddenField, invalid, required } from '#pkg/apimachinery/field-error.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { compilePattern } from '#pkg/cel/linear-pattern.ts';
import { objectAt, objectsAt, stringAt } from '../draft.ts';
import type { Collector } from '../validation/collector.ts';

const unsupported = ['id', 'additionalItems', 'patternProperties', 'definitions', 'dependencies', '$ref'];

type Level = 'field' | 'item' | 'root';

const missingType: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};

interface Part {
  readonly schema: JsonObject;
  readonly path: FieldPath;
  readonly level: Level;
}

/** The schemas directly inside one that describe values of their own. */
function partsOf({ schema, path }: Part): readonly Part[] {
  const properties = Object.entries(objectAt(schema, 'properties') ?? {}).map(([name, inner]) => ({
    inner,
    path: at(child(path, 'properties'), name),
    level: 'field' as const,
  }));
  const items = { inner: schema.items, path: child(path, 'items'), level: 'item' as const };
  const others = {
    inner: schema.additionalProperties,
    path: child(path, 'additionalProperties'),
    level: 'field' as const,
  };
  return [...properties, items, others].flatMap(({ inner, ...part }) =>
    isObject(inner) ? [{ schema: inner, ...part }] : [],
  );
}

/** Refuses a schema that is not structural. What it may not contain comes first; types are looked at when there is nothing of it. */
export function checkSchema(into: Collector, schema: JsonObject, path: FieldPath): void {
  const before = into.errors.length;
  checkParts(into, { schema, path, level: 'root' });
  if (into.errors.length === before) checkTypes(into, { schema, path, level: 'root' });
}

function checkParts(into: Collector, part: Part): void {
  const { schema, path } = part;
  for (const field of unsupported) into.unset(child(path, field), schema[field], `${field} is not supported`);
  if (schema.type === 'null') {
    const detail = 'type cannot be set to null, use nullable as an alternative';
    into.add(forbiddenField(child(path, 'type'), detail));
  }
  if (Array.isArray(schema.items)) {
    into.add(forbiddenField(child(path, 'items'), 'items must be a schema object and not an array'));
  }
  if (schema.uniqueItems === true) {
    const detail = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic';
    into.add(forbiddenField(child(path, 'uniqueItems'), detail));
  }
  if (typeof schema.pattern === 'string') checkPattern(into, schema.pattern, child(path, 'pattern'));
  const hasProperties = Object.keys(objectAt(schema, 'properties') ?? {}).length > 0;
  if (hasProperties && (schema.additionalProperties === false || isObject(schema.additionalProperties))) {
    const detail = 'additionalProperties and properties are mutual exclusive';
    into.add(forbiddenField(child(path, 'additionalProperties'), detail));
  }
  for (const inner of partsOf(part)) checkParts(into, inner);
  for (const list of ['allOf', 'oneOf', 'anyOf']) {
    for (const [index, inner] of objectsAt(schema, list).entries()) {
      checkParts(into, { schema: inner, path: at(child(path, list), index), level: 'field' });
    }
  }
  const not = objectAt(schema, 'not');
  if (not !== undefined) checkParts(into, { schema: not, path: child(path, 'not'), level: 'field' });
}

function checkPattern(into: Collector, pattern: string, path: FieldPath): void {
  try {
    compilePattern(pattern);
  } catch (error) {
    into.add(invalid(path, pattern, `must be a valid regular expression, but isn't: ${errorText(error)}`));
  }
}

function checkTypes(into: Collector, part: Part): void {
  const { schema, path, level } = part;
  const type = stringAt(schema, 'type');
  const isOpen =
    schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true;
  if (type === '' && !isOpen) into.add(required(child(path, 'type'), missingType[level]));
  if (level === 'root' && type !== '' && type !== 'object') {
    into.add(invalid(child(path, 'type'), type, 'must be object at the root'));
  }
  if (type === 'array' && !isObject(schema.items)) into.add(required(child(path, 'items'), 'must be specified'));
  for (const inner of partsOf(part)) checkTypes(into, inner);
}
