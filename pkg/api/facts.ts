/**
 * The table of API facts and its compiled form. `data/kubernetes-api.json` lists every type and kind of Kubernetes 1.36 with
 * JSON and protobuf names, patch and merge rules, defaults and allowed values; nothing else in the project repeats them.
 *
 * What a field that nobody set looks like follows from three marks, all read from the Go declarations: `pointer` (the field is a pointer,
 * so that a zero value was set by someone; a field without the mark holds its value, and its zero is the same as absent), `omitempty`
 * (left out of JSON when it is nil, zero or empty, which an object that is no pointer never is) and `omitzero` (left out even then). In protobuf
 * a field without `pointer` is always on the wire, unless it is a list, a map or bytes.
 *
 * Schemas are compiled on first use and kept: a process pays only for the kinds it meets.
 */
import {
  emptyCollection,
  type FieldSchema,
  type ListSchema,
  type ObjectSchema,
  type ScalarType,
  type Schema,
} from '#pkg/apimachinery/schema.ts';
import table from './data/kubernetes-api.json' with { type: 'json' };
import { mustBeSet } from './must-be-set.ts';

/** What a field holds: a named type, many of something, or a value. */
type HeldFact =
  | { readonly t: 'ref'; readonly ref: string }
  | { readonly t: 'list' | 'map'; readonly of: FieldFact }
  | { readonly t: ValueFact };

/** Values that are none of the table's own types. */
type ValueFact = keyof typeof scalarTypes;

/** One field of a type, as the table has it. */
export type FieldFact = FieldProperties & HeldFact;

interface FieldProperties {
  readonly name?: string;
  readonly inline?: boolean;
  readonly required?: boolean;
  readonly omitempty?: boolean;
  readonly omitzero?: boolean;
  /** A pointer in Go. Absent on inline members, and on those of a type that is one of several JSON forms. */
  readonly pointer?: boolean;
  readonly pb?: number;
  readonly wire?: string;
  readonly values?: string;
  readonly default?: string;
  readonly listType?: 'atomic' | 'set' | 'map';
  readonly listMapKeys?: readonly string[];
  readonly mapType?: string;
  readonly structType?: string;
  readonly patchStrategy?: string;
  readonly patchMergeKey?: string;
  readonly featureGate?: string;
  readonly format?: string;
  readonly minimum?: string;
  readonly maximum?: string;
  readonly maxItems?: string;
  readonly immutable?: boolean;
}

/** One type: its fields in the order of its declaration; of a union exactly one is set. */
export interface TypeFact {
  readonly fields: readonly FieldFact[];
  readonly union?: boolean;
}

/** One kind in one version, and how it is served. */
export interface KindFact {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Name in `typeFacts`. */
  readonly type: string;
  /** Present on kinds that are a resource of their own. */
  readonly client?: boolean;
  readonly namespaced?: boolean;
  readonly status?: boolean;
  readonly subresources?: readonly string[];
  readonly onlyVerbs?: readonly string[];
  readonly noVerbs?: boolean;
  /** Release such as `1.16` in which it came. */
  readonly introduced?: string;
  readonly deprecated?: string;
}

interface Table {
  readonly version: string;
  readonly kinds: Readonly<Record<string, KindFact>>;
  readonly values: Readonly<Record<string, readonly string[]>>;
  readonly types: Readonly<Record<string, TypeFact>>;
}

const facts = table as unknown as Table;

/** The release the table describes, such as `1.36.4`. */
export const kubernetesVersion: string = facts.version;

/** All kinds, keyed `group/version/Kind` (`/v1/Pod` for the core group). */
export const kindFacts: Readonly<Record<string, KindFact>> = facts.kinds;

/** All types by full name. */
export const typeFacts: Readonly<Record<string, TypeFact>> = facts.types;

/** Known values of string types by full name. */
export const valueFacts: Readonly<Record<string, readonly string[]>> = facts.values;

/** The fact of one kind, or undefined. */
export function kindFact(gvk: { group: string; version: string; kind: string }): KindFact | undefined {
  const key = `${gvk.group}/${gvk.version}/${gvk.kind}`;
  return Object.hasOwn(facts.kinds, key) ? facts.kinds[key] : undefined;
}

/** The fields of a named type. Throws for a name the table does not have. */
export function typeFact(name: string): TypeFact {
  const fact = Object.hasOwn(facts.types, name) ? facts.types[name] : undefined;
  if (fact === undefined) throw new Error(`Cannot compile type ${name} as the API table has no such type`);
  return fact;
}

const compiled = new Map<string, ObjectSchema>();

/** The compiled schema of a named type such as `io.k8s.api.core.v1.Pod`. Throws for a name the table does not have. */
export function typeSchema(name: string): ObjectSchema {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const schema = lazyObject(name, typeFact(name));
  compiled.set(name, schema);
  return schema;
}

function lazyObject(name: string, fact: TypeFact): ObjectSchema {
  let fields: ReadonlyMap<string, FieldSchema> | undefined;
  return {
    type: 'object',
    name,
    preserveUnknown: false,
    atomic: atomicTypes.has(name),
    get fields() {
      fields ??= new Map(flatten(fact).map((field) => [field.name ?? '', compileField(name, field)]));
      return fields;
    },
  };
}

/**
 * Types that upstream marks `structType: atomic` on the type rather than on a field, so that the table of fields does not
 * show it. Source: the `x-kubernetes-map-type: atomic` extensions of the published OpenAPI.
 */
const atomicTypes: ReadonlySet<string> = new Set([
  'io.k8s.api.autoscaling.v1.CrossVersionObjectReference',
  'io.k8s.api.core.v1.ConfigMapKeySelector',
  'io.k8s.api.core.v1.EndpointAddress',
  'io.k8s.api.core.v1.EndpointPort',
  'io.k8s.api.core.v1.FileKeySelector',
  'io.k8s.api.core.v1.LocalObjectReference',
  'io.k8s.api.core.v1.NodeSelector',
  'io.k8s.api.core.v1.NodeSelectorTerm',
  'io.k8s.api.core.v1.ObjectFieldSelector',
  'io.k8s.api.core.v1.ObjectReference',
  'io.k8s.api.core.v1.ResourceFieldSelector',
  'io.k8s.api.core.v1.ScopeSelector',
  'io.k8s.api.core.v1.SecretKeySelector',
  'io.k8s.api.core.v1.SecretReference',
  'io.k8s.api.core.v1.TopologySelectorTerm',
  'io.k8s.api.core.v1.TypedLocalObjectReference',
  'io.k8s.api.admissionregistration.v1.MatchResources',
  'io.k8s.api.admissionregistration.v1.NamedRuleWithOperations',
  'io.k8s.api.admissionregistration.v1.ParamKind',
  'io.k8s.api.admissionregistration.v1.ParamRef',
  'io.k8s.api.admissionregistration.v1.Variable',
  'io.k8s.api.admissionregistration.v1alpha1.MatchResources',
  'io.k8s.api.admissionregistration.v1alpha1.NamedRuleWithOperations',
  'io.k8s.api.admissionregistration.v1alpha1.ParamKind',
  'io.k8s.api.admissionregistration.v1alpha1.ParamRef',
  'io.k8s.api.admissionregistration.v1beta1.MatchResources',
  'io.k8s.api.admissionregistration.v1beta1.NamedRuleWithOperations',
  'io.k8s.api.admissionregistration.v1beta1.ParamKind',
  'io.k8s.api.admissionregistration.v1beta1.ParamRef',
  'io.k8s.api.admissionregistration.v1beta1.Variable',
  'io.k8s.api.discovery.v1.EndpointPort',
  'io.k8s.api.networking.v1.ServiceBackendPort',
  'io.k8s.api.rbac.v1.RoleRef',
  'io.k8s.api.rbac.v1.Subject',
  'io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector',
  'io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference',
]);

/** The fields of a type with those of its inline members in their place. */
function flatten(fact: TypeFact): readonly FieldFact[] {
  return fact.fields.flatMap((field) => (field.inline && field.t === 'ref' ? flatten(typeFact(field.ref)) : [field]));
}

/** Whether a type is one of several JSON forms (an object or a list, say): its members have no JSON name. */
export function isAnyJson(fact: TypeFact): boolean {
  return fact.fields.some((field) => field.name === '');
}

/** Every field has every property, so that all have one shape: walks over objects look at fields more often than at anything else. */
function compileField(owner: string, fact: FieldFact): FieldSchema {
  const schema = compileValue(fact);
  const { zero, unset } = zeroOf(fact);
  return {
    name: fact.name ?? '',
    schema,
    zero,
    unset,
    required: fact.required === true,
    mustBeSet: isNeverUnset(owner, fact),
    omitEmpty: fact.omitempty === true,
    isPointer: fact.pointer === true,
    patchStrategies: (fact.patchStrategy?.split(',') ?? []) as FieldSchema['patchStrategies'],
    immutable: fact.immutable === true,
    patchMergeKey: fact.patchMergeKey,
    default: fact.default === undefined ? undefined : decodeDefault(fact.default, schema),
    minimum: numberOf(fact.minimum),
    maximum: numberOf(fact.maximum),
    maxItems: numberOf(fact.maxItems),
    format: fact.format,
    protobuf: fact.pb,
  };
}

/** Whether no accepted object of the type `owner` is without the field. */
export function isNeverUnset(owner: string, { name = '', required = false, t: type }: FieldFact): boolean {
  return mustBeSet(owner, { name, required, type });
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

/**
 * What the zero value of a field is to readers, and what is written in its place: see `FieldSchema`.
 * Source: Go `encoding/json`, the declarations of the types.
 */
export function zeroOf(fact: FieldFact): Pick<FieldSchema, 'unset' | 'zero'> {
  const isLeftOut = fact.omitempty === true;
  if (fact.pointer === true) return isLeftOut ? {} : { unset: null };
  if (fact.omitzero === true) return {};
  switch (fact.t) {
    case 'string':
      return isLeftOut ? { zero: '' } : { zero: '', unset: '' };
    case 'int32':
    case 'int64':
    case 'double':
      return isLeftOut ? { zero: 0 } : { zero: 0, unset: 0 };
    case 'boolean':
      return isLeftOut ? { zero: false } : { zero: false, unset: false };
    case 'list':
    case 'map':
      return isLeftOut ? { zero: emptyCollection } : { zero: emptyCollection, unset: null };
    case 'bytes':
    case 'byte':
      return isLeftOut ? { zero: '' } : { unset: null };
    // What follows are structs in Go, or encode themselves: never left out.
    case 'ref':
      return { unset: {} };
    case 'intOrString':
      return { zero: 0, unset: 0 };
    case 'quantity':
      return { unset: '0' };
    case 'duration':
      return { unset: '0s' };
    case 'time':
    case 'microtime':
    case 'json':
    case 'rawExtension':
    case 'fieldsV1':
      return { unset: null };
  }
}

/** Defaults that name a constant rather than a value. */
const namedDefaults: Readonly<Record<string, string>> = {
  'ref(AzureDataDiskCachingReadWrite)': 'ReadWrite',
  'ref(AzureSharedBlobDisk)': 'Shared',
};

function decodeDefault(text: string, schema: Schema): unknown {
  switch (schema.type) {
    case 'int32':
    case 'int64':
    case 'double':
      return Number(text);
    case 'boolean':
      return text === 'true';
    case 'any':
    case 'bytes':
    case 'duration':
    case 'intOrString':
    case 'list':
    case 'map':
    case 'microTime':
    case 'object':
    case 'quantity':
    case 'rawObject':
    case 'string':
    case 'time':
      return namedDefaults[text] ?? text;
  }
}

const scalarTypes = {
  string: 'string',
  int32: 'int32',
  int64: 'int64',
  boolean: 'boolean',
  double: 'double',
  bytes: 'bytes',
  byte: 'bytes',
  time: 'time',
  microtime: 'microTime',
  duration: 'duration',
  quantity: 'quantity',
  intOrString: 'intOrString',
  json: 'any',
  rawExtension: 'rawObject',
  fieldsV1: 'rawObject',
} as const satisfies Readonly<Record<string, ScalarType>>;

function compileValue(fact: FieldFact): Schema {
  if (fact.t === 'ref') {
    if (isAnyJson(typeFact(fact.ref))) return { type: 'any' };
    const schema = typeSchema(fact.ref);
    return fact.structType === 'granular' && schema.atomic ? lazyGranular(schema) : schema;
  }
  if (fact.t === 'map') return { type: 'map', of: compileValue(fact.of), atomic: fact.mapType === 'atomic' };
  if (fact.t === 'list') {
    const mapKeys = fact.listType === 'map' ? (fact.listMapKeys ?? []) : [];
    return { type: 'list', of: compileValue(fact.of), listType: listTypeOf(fact), mapKeys };
  }
  const type: ScalarType = scalarTypes[fact.t];
  return fact.values === undefined ? { type } : { type, name: fact.values, values: facts.values[fact.values] ?? [] };
}

function listTypeOf(fact: FieldFact): ListSchema['listType'] {
  return fact.listType ?? 'atomic';
}

/** The same object, but merged field by field. */
function lazyGranular(schema: ObjectSchema): ObjectSchema {
  return {
    type: 'object',
    ...(schema.name === undefined ? {} : { name: schema.name }),
    preserveUnknown: false,
    atomic: false,
    get fields() {
      return schema.fields;
    },
  };
}
