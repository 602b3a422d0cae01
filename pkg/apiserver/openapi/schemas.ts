/**
 * OpenAPI schemas of types, made of their compiled form. The two versions of OpenAPI differ in how a reference carries a
 * description and in how alternatives are written; everything else is one.
 * Source: the published OpenAPI of Kubernetes; extensions `x-kubernetes-*`.
 */
import { typeFacts, typeSchema } from '#pkg/api/facts.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { FieldSchema, ObjectSchema, ScalarSchema, ScalarType, Schema } from '#pkg/apimachinery/schema.ts';
import type { ServedInfo } from '../definition.ts';
import type { Descriptions } from './descriptions.ts';
import { enumOf, enumOfField, enumText, unionExtension } from './enums.ts';
import { kindsOf } from './kinds.ts';
import { keepsUnknown, publishedV2 } from './published-v2.ts';

/** Which of the two OpenAPI documents. */
export type OpenApiVersion = 'v2' | 'v3';

/** A built-in kind, of whose words for what every kind has those of custom kinds are made. */
const describedKind = 'io.k8s.api.core.v1.ConfigMap';
/** Source: apiextensions-apiserver `controller/openapi/builder` `buildListSchema`. */
const conventions = 'https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
/** The metadata of every list. */
export const listMetaType = `${meta}.ListMeta`;
const quantity = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
const intOrString = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';
/** A body that says what changes, in any of the ways of patching. */
export const patchType = `${meta}.Patch`;
/** An event of a watch. */
export const watchEventType = `${meta}.WatchEvent`;
/** What `/version` answers. */
export const versionInfoType = 'io.k8s.apimachinery.pkg.version.Info';
const rawExtension = 'io.k8s.apimachinery.pkg.runtime.RawExtension';

/** Scalars that are named types of their own in the published documents. */
const namedScalars: Partial<Record<ScalarType, string>> = {
  time: `${meta}.Time`,
  microTime: `${meta}.MicroTime`,
  duration: `${meta}.Duration`,
  quantity,
  intOrString,
  rawObject: rawExtension,
};

const apiextensions = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1';
const schemaProps = `${apiextensions}.JSONSchemaProps`;

const fieldsV1 = `${meta}.FieldsV1`;
const managedFieldsEntry = `${meta}.ManagedFieldsEntry`;

/** Fields of schemas in definitions of custom resources that take values of several types: each has a named type in the documents. */
const schemaPropsTypes: Readonly<Record<string, string>> = {
  additionalItems: `${schemaProps}OrBool`,
  additionalProperties: `${schemaProps}OrBool`,
  default: `${apiextensions}.JSON`,
  dependencies: `${schemaProps}OrStringArray`,
  enum: `${apiextensions}.JSON`,
  example: `${apiextensions}.JSON`,
  items: `${schemaProps}OrArray`,
};

/** By type and field: what the table of facts leaves open, but has a name. */
const openTypes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [schemaProps]: schemaPropsTypes,
  [managedFieldsEntry]: { fieldsV1 },
};

const plainScalars: Partial<Record<ScalarType, JsonObject>> = {
  string: { type: 'string' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  boolean: { type: 'boolean' },
  double: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
  any: {},
};

const scalarDefinitions: Readonly<Record<string, Readonly<Record<OpenApiVersion, JsonObject>>>> = {
  [`${meta}.Time`]: same({ type: 'string', format: 'date-time' }),
  [`${meta}.MicroTime`]: same({ type: 'string', format: 'date-time' }),
  [`${meta}.Duration`]: same({ type: 'string' }),
  [quantity]: { v2: { type: 'string' }, v3: { oneOf: [{ type: 'string' }, { type: 'number' }] } },
  [intOrString]: {
    v2: { type: 'string', format: 'int-or-string' },
    v3: { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
  },
  [rawExtension]: same({ type: 'object' }),
  [fieldsV1]: same({ type: 'object' }),
  [patchType]: same({ type: 'object' }),
  [watchEventType]: {
    v2: watchEvent({ $ref: `#/definitions/${rawExtension}` }),
    v3: watchEvent({ $ref: `#/components/schemas/${rawExtension}` }),
  },
  [versionInfoType]: same({
    type: 'object',
    required: [
      'major',
      'minor',
      'gitVersion',
      'gitCommit',
      'gitTreeState',
      'buildDate',
      'goVersion',
      'compiler',
      'platform',
    ],
    properties: Object.fromEntries(
      [
        ...['buildDate', 'compiler', 'emulationMajor', 'emulationMinor', 'gitCommit', 'gitTreeState', 'gitVersion'],
        ...['goVersion', 'major', 'minCompatibilityMajor', 'minCompatibilityMinor', 'minor', 'platform'],
      ].map((name) => [name, { type: 'string' }]),
    ),
  }),
  [`${apiextensions}.JSON`]: same({ description: 'Any JSON value.' }),
  [`${schemaProps}OrArray`]: same({ description: 'A schema, or a list of them.' }),
  [`${schemaProps}OrBool`]: same({ description: 'A schema, or true or false.' }),
  [`${schemaProps}OrStringArray`]: same({ description: 'A schema, or a list of names of properties.' }),
};

function watchEvent(object: JsonObject): JsonObject {
  return { type: 'object', required: ['type', 'object'], properties: { object, type: { type: 'string' } } };
}

/** Types that the table of facts does not have, with what they are made of. */
export const typesBeside: readonly string[] = [patchType, watchEventType, rawExtension];

function same(definition: JsonObject): Readonly<Record<OpenApiVersion, JsonObject>> {
  return { v2: definition, v3: definition };
}

/** Names of all types that are part of these ones, themselves included, and of these schemas. */
export function reachableTypes(typeNames: Iterable<string>, schemas: readonly ObjectSchema[] = []): readonly string[] {
  const found = new Set<string>();
  const visit = (schema: Schema): void => {
    if (schema.type === 'list' || schema.type === 'map') visit(schema.of);
    else if (schema.type === 'object') visitObject(schema);
    else if (namedScalars[schema.type] !== undefined) found.add(namedScalars[schema.type]!);
  };
  const visitObject = (schema: ObjectSchema): void => {
    if (schema.name !== undefined) {
      if (found.has(schema.name)) return;
      found.add(schema.name);
    }
    for (const name of Object.values(openTypes[schema.name ?? ''] ?? {})) found.add(name);
    for (const field of schema.fields.values()) visit(field.schema);
  };
  for (const name of typeNames) if (Object.hasOwn(typeFacts, name)) visitObject(typeSchema(name));
  for (const schema of schemas) visitObject(schema);
  return [...found].sort();
}

/** Lists of which upstream does not say how they are merged, as nobody merges them. */
function isUnmarked(typeName: string, { name }: FieldSchema): boolean {
  return (name === 'items' && typeName.endsWith('List')) || (name === 'verbs' && typeName === `${meta}.APIResource`);
}

/** Makes the schemas of one version of OpenAPI. Descriptions have to be loaded before. */
export class SchemaWriter {
  readonly #version: OpenApiVersion;
  readonly #descriptions: Descriptions;

  constructor(version: OpenApiVersion, descriptions: Descriptions) {
    this.#version = version;
    this.#descriptions = descriptions;
  }

  /** A reference to a named type. */
  ref(typeName: string): JsonObject {
    const folder = this.#version === 'v2' ? '#/definitions' : '#/components/schemas';
    return { $ref: `${folder}/${typeName}` };
  }

  /** The schema of a named type. */
  definition(typeName: string): JsonObject {
    const scalar = scalarDefinitions[typeName];
    const { text } = this.#descriptions.of(typeName);
    const kinds = kindsOf(typeName);
    const described = {
      ...(text === '' ? {} : { description: text }),
      ...(kinds.length === 0 ? {} : { 'x-kubernetes-group-version-kind': kinds }),
    };
    if (scalar !== undefined) return { ...described, ...scalar[this.#version] };
    const schema = typeSchema(typeName);
    const properties: JsonObject = {};
    const required: string[] = [];
    for (const field of schema.fields.values()) {
      properties[field.name] = this.#property(typeName, field);
      if (field.required) required.push(field.name);
    }
    return {
      ...described,
      type: 'object',
      ...(required.length === 0 ? {} : { required }),
      ...(schema.fields.size === 0 ? {} : { properties }),
      ...unionExtension(typeName),
      ...(schema.atomic ? { 'x-kubernetes-map-type': 'atomic' } : {}),
    };
  }

  /** The type of a resource that is none of the table of facts, and that of its list. */
  ownDefinitions(info: ServedInfo): readonly (readonly [string, JsonObject])[] {
    const { group, version, kind, listKind, type, listType, schema } = info;
    const published =
      this.#version === 'v2' && info.published !== undefined ? publishedV2(info.published) : info.published;
    const kindOf = (name: string): JsonObject => ({
      'x-kubernetes-group-version-kind': [{ group, kind: name, version }],
    });
    const ownProperties = this.#inline(schema).properties as JsonObject;
    const { apiVersion, kind: kindProperty } = ownProperties;
    const metadata = this.#described(describedKind, 'metadata', ownProperties.metadata);
    const properties = {
      ...((published?.properties as JsonObject | undefined) ?? ownProperties),
      apiVersion,
      kind: kindProperty,
      metadata,
    };
    // One that says nothing of its fields, said nothing of them on purpose.
    const isOpen = published !== info.published && keepsUnknown(info.published);
    const own = { type: 'object', ...published, ...(isOpen ? {} : { properties }), ...kindOf(kind) };
    if (listType === undefined) return [[type, own]];
    const items = { type: 'array', items: this.#item({ ...schema, name: type }) };
    const listMetadata = this.#described(`${describedKind}List`, 'metadata', this.#reference(listMetaType));
    const list = {
      description: `${listKind} is a list of ${kind}`,
      type: 'object',
      required: ['items'],
      properties: {
        apiVersion,
        items: { description: `List of ${info.resource}. More info: ${conventions}`, ...items },
        kind: kindProperty,
        metadata: listMetadata,
      },
      ...kindOf(listKind),
    };
    return [
      [type, own],
      [listType, list],
    ];
  }

  /** A field that every kind has, with the words that built-in ones have for it. */
  #described(typeName: string, field: string, value: unknown): JsonObject {
    const description = this.#descriptions.of(typeName).fields.get(field);
    return { ...(description === undefined ? {} : { description }), ...(isObject(value) ? value : {}) };
  }

  #reference(typeName: string): JsonObject {
    return this.#version === 'v3' ? { allOf: [this.ref(typeName)] } : this.ref(typeName);
  }

  /** An object whose type has no name. */
  #inline(schema: ObjectSchema): JsonObject {
    const properties = Object.fromEntries(
      [...schema.fields.values()].map((field) => [field.name, this.#property('', field)]),
    );
    return {
      type: 'object',
      ...(schema.fields.size === 0 ? {} : { properties }),
      ...(schema.preserveUnknown ? { 'x-kubernetes-preserve-unknown-fields': true } : {}),
    };
  }

  #property(typeName: string, field: FieldSchema): JsonObject {
    const values = enumOfField(typeName, field);
    const text = this.#description(typeName, field.name);
    const described = values === undefined ? text : `${text === '' ? '' : `${text}\n\n`}${enumText(values)}`;
    const value = this.#value(field.schema, openTypes[typeName]?.[field.name]);
    const initial = this.#defaultOf(field);
    const body = '$ref' in value && this.#version === 'v3' ? { allOf: [value] } : value;
    return {
      ...(described === '' ? {} : { description: described }),
      ...body,
      ...(values === undefined ? {} : { enum: values }),
      ...(initial === undefined ? {} : { default: initial }),
      ...this.#extensions(typeName, field),
    };
  }

  #description(typeName: string, field: string): string {
    const own = this.#descriptions.of(typeName).fields.get(field);
    if (own !== undefined) return own;
    // Every kind has these two, described with the type they are inherited from.
    return field === 'apiVersion' || field === 'kind'
      ? (this.#descriptions.of(`${meta}.DeleteOptions`).fields.get(field) ?? '')
      : '';
  }

  /** OpenAPI v2 shows none. Source: kube-openapi `handler.PruneDefaults`. */
  #defaultOf(field: FieldSchema): unknown {
    if (this.#version === 'v2') return undefined;
    if (field.default !== undefined) return field.default;
    return field.required && field.schema.type === 'object' ? {} : undefined;
  }

  /** `anyType` is the name of what the schema leaves open. */
  #value(schema: Schema, anyType?: string): JsonObject {
    switch (schema.type) {
      case 'list':
        return { type: 'array', items: this.#item(schema.of, anyType) };
      case 'map':
        return { type: 'object', additionalProperties: this.#item(schema.of, anyType) };
      case 'object':
        return schema.name === undefined ? this.#inline(schema) : this.ref(schema.name);
      default: {
        schema satisfies ScalarSchema;
        const named = anyType ?? namedScalars[schema.type];
        return named === undefined ? { ...plainScalars[schema.type] } : this.ref(named);
      }
    }
  }

  #item(schema: Schema, anyType?: string): JsonObject {
    const plain = this.#value(schema, anyType);
    const values = enumOf(schema);
    const value = values === undefined ? plain : { ...plain, enum: values };
    if (!('$ref' in value) || this.#version === 'v2') return value;
    return schema.type === 'any' ? { allOf: [value] } : { allOf: [value], default: {} };
  }

  #extensions(typeName: string, field: FieldSchema): JsonObject {
    const { schema } = field;
    const fact = typeFacts[typeName]?.fields.find(({ name }) => name === field.name);
    const isGranular = fact?.mapType === 'granular' || fact?.structType === 'granular';
    return {
      ...(schema.type === 'list' && !isUnmarked(typeName, field) ? { 'x-kubernetes-list-type': schema.listType } : {}),
      ...(schema.type === 'list' && schema.listType === 'map'
        ? { 'x-kubernetes-list-map-keys': [...schema.mapKeys] }
        : {}),
      ...(schema.type === 'map' && schema.atomic ? { 'x-kubernetes-map-type': 'atomic' } : {}),
      ...(isGranular ? { 'x-kubernetes-map-type': 'granular' } : {}),
      ...(field.patchMergeKey === undefined ? {} : { 'x-kubernetes-patch-merge-key': field.patchMergeKey }),
      ...(field.patchStrategies.length === 0 ? {} : { 'x-kubernetes-patch-strategy': field.patchStrategies.join(',') }),
    };
  }
}
