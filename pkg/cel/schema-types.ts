/**
 * Structural schemas as types of expressions, and JSON as values of these types. What a schema says nothing of does not exist for expressions. Pure.
 * Source: apiserver `pkg/cel/common/{schemas,valuesunstructured}.go`, `pkg/cel/{types,escaping,limits}.go`.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { fromJson, objectSource } from './json-values.ts';
import { parseSpan, parseTimestamp } from './times.ts';
import {
  boolType,
  bytesType,
  doubleType,
  durationType,
  dynType,
  intType,
  listOf,
  mapOf,
  objectType,
  stringType,
  type Type,
  type TypeField,
  timestampType,
} from './types.ts';
import { EvaluationError, type ListMerge, ListValue, MapValue, type Value } from './values.ts';

/** Largest request. Source: apiserver `apis/cel/config.go` `MaxRequestSizeBytes`. */
const requestBytesMax = 3 * 1024 * 1024;

const reserved = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

const escapes: Readonly<Record<string, string>> = {
  __: '__underscores__',
  '.': '__dot__',
  '-': '__dash__',
  '/': '__slash__',
};

/** How expressions name a field; undefined for one that they cannot name. */
export function escapeName(name: string): string | undefined {
  if (!/^[a-zA-Z_.\-/][a-zA-Z0-9_.\-/]*$/.test(name)) return undefined;
  if (reserved.has(name)) return `__${name}__`;
  return name.replace(/__|[-./]/g, (part) => escapes[part] ?? part);
}

function numberAt(schema: JsonObject, name: string): number | undefined {
  const value = schema[name];
  return typeof value === 'number' ? Math.max(0, value) : undefined;
}

function textAt(schema: JsonObject, name: string): string {
  const value = schema[name];
  return typeof value === 'string' ? value : '';
}

function schemaAt(schema: JsonObject, name: string): JsonObject | undefined {
  const value = schema[name];
  return isObject(value) ? value : undefined;
}

/** The properties of a schema that are schemas. */
function propertiesOf(schema: JsonObject): readonly (readonly [string, JsonObject])[] {
  return Object.entries(schemaAt(schema, 'properties') ?? {}).flatMap(([name, one]) =>
    isObject(one) ? [[name, one] as const] : [],
  );
}

function isEmbedded(schema: JsonObject): boolean {
  return schema['x-kubernetes-embedded-resource'] === true;
}

const textSchema: JsonObject = { type: 'string' };

/** A schema with what expressions see of every object: its kind, its version and its name. */
function asResource(schema: JsonObject): JsonObject {
  const metadata = { type: 'object', properties: { name: textSchema, generateName: textSchema } };
  return {
    ...schema,
    properties: { ...schemaAt(schema, 'properties'), apiVersion: textSchema, kind: textSchema, metadata },
  };
}

/** The type of the values of a schema; undefined where it does not say one. Objects are named after where they are. */
export function typeOfSchema(given: JsonObject, isResource: boolean, name = 'selfType'): Type | undefined {
  if (given['x-kubernetes-int-or-string'] === true) {
    const length = numberAt(given, 'maxLength');
    return { ...dynType, minBytes: 1, maxElements: length === undefined ? requestBytesMax - 2 : length * 4 };
  }
  const schema = isResource ? asResource(given) : given;
  switch (schema.type) {
    case 'array':
      return listTypeOf(schema, name);
    case 'object':
      return isObject(schema.additionalProperties) ? mapTypeOf(schema, name) : objectTypeOf(schema, name);
    case 'string':
      return textTypeOf(schema);
    case 'boolean':
      return boolType;
    case 'number':
      return doubleType;
    case 'integer':
      return intType;
    default:
      return undefined;
  }
}

function listTypeOf(schema: JsonObject, name: string): Type | undefined {
  const items = schemaAt(schema, 'items');
  const of = items === undefined ? undefined : typeOfSchema(items, isEmbedded(items), `${name}.@idx`);
  if (of === undefined) return undefined;
  const most = numberAt(schema, 'maxItems') ?? Math.trunc((requestBytesMax - 2) / ((of.minBytes ?? 0) + 1));
  return listOf(of, most);
}

function mapTypeOf(schema: JsonObject, name: string): Type | undefined {
  const values = schemaAt(schema, 'additionalProperties') ?? {};
  const of = typeOfSchema(values, isEmbedded(values), `${name}.@elem`);
  if (of === undefined) return undefined;
  const most = numberAt(schema, 'maxProperties') ?? Math.trunc((requestBytesMax - 2) / ((of.minBytes ?? 0) + 6));
  return mapOf({ ...stringType, minBytes: 2, maxElements: requestBytesMax }, of, most);
}

function objectTypeOf(schema: JsonObject, name: string): Type {
  const required = new Set(Array.isArray(schema.required) ? schema.required : []);
  const fields = new Map<string, TypeField>();
  // At least the braces.
  let minBytes = 2;
  for (const [field, property] of propertiesOf(schema)) {
    const type = typeOfSchema(property, isEmbedded(property), `${name}.${field}`);
    if (type === undefined) continue;
    const escaped = escapeName(field);
    if (escaped !== undefined) fields.set(escaped, { type, name: field });
    if (required.has(field) && property.default === undefined) minBytes += field.length + (type.minBytes ?? 0) + 4;
  }
  return objectType(name, fields, { minBytes });
}

/** The bytes that a text of a format has at most and at least. Source: apiserver `pkg/cel/limits.go`. */
function textTypeOf(schema: JsonObject): Type {
  const length = numberAt(schema, 'maxLength');
  switch (textAt(schema, 'format')) {
    case 'byte':
      return { ...bytesType, minBytes: 2, maxElements: length ?? requestBytesMax - 2 };
    case 'duration':
      return { ...durationType, minBytes: 3, maxElements: 32 };
    case 'date':
      return { ...timestampType, minBytes: 12, maxElements: 12 };
    case 'date-time':
      return { ...timestampType, minBytes: 21, maxElements: 32 };
    default:
      return { ...stringType, minBytes: 2, maxElements: length === undefined ? enumLength(schema) : length * 4 };
  }
}

function enumLength({ enum: allowed }: JsonObject): number {
  if (!Array.isArray(allowed) || allowed.length === 0) return requestBytesMax - 2;
  return Math.max(0, ...allowed.map((one) => (typeof one === 'string' ? Buffer.byteLength(one) : 0)));
}

/** Makes values of JSON that fits a schema. */
export type Adapt = (raw: unknown) => Value;

/** How values of a schema are made. What does not fit it is an error for whoever looks at it. */
export function adapterOf(given: JsonObject, isResource: boolean): Adapt {
  if (given['x-kubernetes-int-or-string'] === true) return nullable(given, fromJson);
  const schema = isResource ? asResource(given) : given;
  return nullable(schema, plainAdapter(schema));
}

function nullable(schema: JsonObject, adapt: Adapt): Adapt {
  return (raw) => {
    if (raw !== null && raw !== undefined) return adapt(raw);
    if (schema.nullable === true) return null;
    throw new EvaluationError('invalid data, got null for schema with nullable=false');
  };
}

function plainAdapter(schema: JsonObject): Adapt {
  switch (schema.type) {
    case 'array':
      return listAdapter(schema);
    case 'object':
      return objectAdapter(schema);
    case 'string':
      return textAdapter(textAt(schema, 'format'));
    case 'number':
      return (raw) => (typeof raw === 'number' || typeof raw === 'bigint' ? Number(raw) : fromJson(raw));
    default:
      return fromJson;
  }
}

function listAdapter(schema: JsonObject): Adapt {
  const items = schemaAt(schema, 'items');
  const adapt = items === undefined ? fromJson : adapterOf(items, isEmbedded(items));
  const type = textAt(schema, 'x-kubernetes-list-type');
  const keys = schema['x-kubernetes-list-map-keys'];
  const merge: ListMerge = {
    type: type === 'map' || type === 'set' ? type : 'atomic',
    keys: Array.isArray(keys) ? keys.map((key) => escapeName(String(key)) ?? String(key)) : [],
  };
  return (raw) => {
    if (!Array.isArray(raw)) return fromJson(raw);
    return new ListValue(raw.length, (index) => adapt(raw[index]), merge);
  };
}

function objectAdapter(schema: JsonObject): Adapt {
  const values = schemaAt(schema, 'additionalProperties');
  if (values !== undefined) {
    const adapt = adapterOf(values, isEmbedded(values));
    return (raw) => (isObject(raw) ? new MapValue(objectSource(raw, adapt)) : fromJson(raw));
  }
  const fields = new Map<string, { readonly name: string; readonly adapt: Adapt }>();
  for (const [name, property] of propertiesOf(schema)) {
    const escaped = escapeName(name);
    if (escaped !== undefined) fields.set(escaped, { name, adapt: adapterOf(property, isEmbedded(property)) });
  }
  const type = objectTypeOf(schema, 'object');
  return (raw) => (isObject(raw) ? new MapValue(fieldsSource(raw, fields), type) : fromJson(raw));
}

function fieldsSource(
  raw: JsonObject,
  fields: ReadonlyMap<string, { readonly name: string; readonly adapt: Adapt }>,
): MapValue['source'] {
  const present = (): readonly string[] =>
    [...fields].flatMap(([escaped, { name }]) => (Object.hasOwn(raw, name) ? [escaped] : []));
  return {
    get size() {
      return present().length;
    },
    find(key) {
      const field = typeof key === 'string' ? fields.get(key) : undefined;
      if (field === undefined || !Object.hasOwn(raw, field.name)) return undefined;
      const value = raw[field.name];
      return value === undefined ? undefined : field.adapt(value);
    },
    keys: present,
  };
}

function textAdapter(format: string): Adapt {
  const read = (make: (text: string) => Value | undefined): Adapt => {
    return (raw) => {
      if (typeof raw !== 'string') return fromJson(raw);
      const value = make(raw);
      if (value === undefined) throw new EvaluationError(`Invalid ${format} formatted string ${raw}`);
      return value;
    };
  };
  switch (format) {
    case 'byte':
      return read((text) => Uint8Array.from(Buffer.from(text, 'base64')));
    case 'duration':
      return read(parseSpan);
    case 'date':
      return read((text) => parseTimestamp(`${text}T00:00:00Z`));
    case 'date-time':
      return read(parseTimestamp);
    default:
      return fromJson;
  }
}
