/**
 * A resource definition made from data: names, and versions with structural schemas, as a CustomResourceDefinition has them. Types, lists and maps
 * and how they merge, defaults and unknown fields become the schema of each version, and what values may be its checks (`structural-values.ts`).
 * Pure.
 *
 * Unlike in built-in types a value of a wrong type is decoded, as upstream decodes custom resources without knowing their types, and then found
 * by the checks.
 * Source: `apiextensions.k8s.io/v1` `CustomResourceDefinitionSpec`, `JSONSchemaProps`; apiextensions-apiserver `apiserver/schema/structural.go`.
 */
import { typeSchema } from '#pkg/api/facts.ts';
import type { SubresourceInfo, Verb } from '#pkg/api/resources.ts';
import { applySchemaDefaults } from '#pkg/api/validation/defaults.ts';
import { convertAndCheck } from '#pkg/api/validation/structural.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { FieldSchema, ObjectSchema, Schema } from '#pkg/apimachinery/schema.ts';
import { internalError } from '#pkg/apimachinery/status-error.ts';
import type { Converter } from './converters/converter.ts';
import { type ConvertObjects, remoteVersion } from './converters/structural-remote.ts';
import type { ResourceDefinition, ResourceVersion } from './definition.ts';
import type { Strategy, TablePrinter } from './strategy.ts';
import { compileValues, type ObjectCheck } from './structural-values.ts';

/** A structural schema in the words of OpenAPI v3. */
export type StructuralSchema = JsonObject;

/** One version of a resource that is made from data. */
export interface StructuralVersion {
  readonly name: string;
  readonly served: boolean;
  /** Exactly one version is. */
  readonly storage: boolean;
  /** Of the whole object; what it says of `apiVersion`, `kind` and `metadata` does not count. */
  readonly schema: StructuralSchema;
  readonly converter?: Converter;
  /** Rules that this version has for itself. */
  readonly rules?: ResourceVersion['rules'];
  readonly subresources?: { readonly status?: object; readonly scale?: Strategy['scale'] };
  readonly table?: TablePrinter;
  readonly deprecated?: boolean;
  /** Default: that the version is deprecated. */
  readonly deprecationWarning?: string;
}

/** A resource that is made from data, as a CustomResourceDefinition describes it. */
export interface StructuralSpec {
  readonly group: string;
  readonly names: {
    readonly plural: string;
    readonly kind: string;
    /** Default: the kind in lower case. */
    readonly singular?: string;
    /** Default: the kind with `List`. */
    readonly listKind?: string;
    readonly shortNames?: readonly string[];
    readonly categories?: readonly string[];
  };
  readonly scope: 'Cluster' | 'Namespaced';
  readonly versions: readonly StructuralVersion[];
  /**
   * Objects may lie in the store as another state of the definition had them: they are pruned and given defaults at each read, and brought into the
   * version asked for, whichever stored them. Default false.
   */
  readonly readsAgain?: boolean;
  /**
   * Whether the checks of values are compiled with the definition, which throws then for a pattern that is none, as of schemas of users. Otherwise they are
   * with the first object: a start would take a tenth longer for kinds of which a cluster may never have one. Default false.
   */
  readonly compilesAtOnce?: boolean;
  /** Told why checks cannot be compiled that were to be with the first object: each write that they are for is refused. Default: nobody is. */
  readonly onUnusable?: (error: unknown) => void;
  /** Who converts the versions, where their fields differ and nobody here knows how. */
  readonly convert?: ConvertObjects;
  readonly rules?: ResourceDefinition['rules'];
}

const verbs: readonly Verb[] = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const readAndWrite: readonly Verb[] = ['get', 'patch', 'update'];

/** The definition that the data describes. */
export function structuralDefinition(spec: StructuralSpec): ResourceDefinition {
  const { group, names, scope, versions, rules = {} } = spec;
  const { kind, plural } = names;
  const own: NonNullable<ResourceDefinition['rules']> = {
    tracksGeneration: true,
    strategicMerge: false,
    ...rules,
    keeping: { keyName: `${group}/${plural}`, ...rules.keeping },
  };
  const compiled = versions.map((version) => ({ version, schema: rootSchema(version.schema) }));
  const byVersion = new Map(compiled.map(({ version, schema }) => [`${group}/${version.name}`, schema]));
  return {
    group,
    names: {
      plural,
      kind,
      singular: names.singular ?? kind.toLowerCase(),
      listKind: names.listKind ?? `${kind}List`,
      shortNames: names.shortNames ?? [],
      categories: names.categories ?? [],
    },
    namespaced: scope === 'Namespaced',
    versions: compiled.map(({ version, schema }) => versionOf(spec, version, { schema, byVersion })),
    rules: own,
  };
}

function storedOf({ versions }: StructuralSpec): StructuralVersion | undefined {
  return versions.find(({ storage }) => storage) ?? versions[0];
}

interface CompiledSchemas {
  /** That of the version. */
  readonly schema: ObjectSchema;
  readonly byVersion: ReadonlyMap<string, ObjectSchema>;
}

function versionOf(
  spec: StructuralSpec,
  version: StructuralVersion,
  { schema: compiled, byVersion }: CompiledSchemas,
): ResourceVersion {
  const { group, names } = spec;
  const own = { group, version: version.name, kind: names.kind, verbs: readAndWrite };
  const type = [...group.split('.').toReversed(), version.name, names.kind].join('.');
  const { schema, table, subresources = {} } = version;
  const converter =
    spec.convert === undefined
      ? (version.converter ?? (spec.readsAgain ? readingAgain(spec, version, compiled) : undefined))
      : undefined;
  const { scale } = subresources;
  const rules = scale === undefined ? version.rules : { ...version.rules, scale };
  const named: SubresourceInfo[] = [];
  if (subresources.status !== undefined) named.push({ name: 'status', ...own });
  if (subresources.scale !== undefined) {
    named.push({ name: 'scale', group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: readAndWrite });
  }
  const warning = version.deprecated
    ? (version.deprecationWarning ?? `${group}/${version.name} ${names.kind} is deprecated`)
    : undefined;
  return {
    name: version.name,
    served: version.served,
    stored: version.storage,
    type,
    listType: `${type}List`,
    schema: compiled,
    published: schema,
    checkValues: spec.compilesAtOnce === true ? compileValues(schema) : compiledWhenUsed(schema, spec.onUnusable),
    verbs,
    subresources: named,
    ...(converter === undefined ? {} : { converter }),
    ...(spec.convert === undefined
      ? {}
      : {
          remote: remoteVersion(`${group}/${version.name}`, {
            schemas: byVersion,
            stored: `${group}/${storedOf(spec)?.name}`,
            convert: spec.convert,
          }),
        }),
    ...(rules === undefined ? {} : { rules }),
    ...(table === undefined ? {} : { table }),
    ...(warning === undefined ? {} : { warning }),
  };
}

/** Source: what cannot be followed is refused as in apiextensions-apiserver `customresource_handler.go`, though there reads are too. */
function compiledWhenUsed(schema: StructuralSchema, onUnusable: StructuralSpec['onUnusable'] = () => {}): ObjectCheck {
  let check: ObjectCheck | undefined;
  return (...visit) => {
    try {
      check ??= compileValues(schema);
    } catch (error) {
      onUnusable(error);
      throw internalError(new Error('error resolving resource', { cause: error }));
    }
    return check(...visit);
  };
}

/** Takes objects as they lie in the store, whichever state of the definition they are from. */
function readingAgain(spec: StructuralSpec, { name }: StructuralVersion, schema: ObjectSchema): Converter {
  const [served, stored] = [name, storedOf(spec)?.name].map((version) => `${spec.group}/${version}`);
  return {
    toStored: (draft) => ({ ...draft, apiVersion: stored }),
    fromStored(object) {
      const read = convertAndCheck(object, schema, { strict: 'Ignore' }).object;
      applySchemaDefaults(read, schema);
      return { ...read, apiVersion: served } as KubeObject;
    },
  };
}

/** The schema of an object, with the fields that every object has. They are compiled when somebody first asks: a start knows many kinds of which it has no object. */
function rootSchema(schema: StructuralSchema): ObjectSchema {
  let fields: ObjectSchema['fields'] | undefined;
  return {
    type: 'object',
    get fields() {
      fields ??= new Map([...objectSchema(schema).fields, ...commonFields()]);
      return fields;
    },
    preserveUnknown: schema['x-kubernetes-preserve-unknown-fields'] === true,
    atomic: schema['x-kubernetes-map-type'] === 'atomic',
  };
}

function commonFields(): ObjectSchema['fields'] {
  return typeSchema('io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata').fields;
}

function objectSchema(schema: StructuralSchema): ObjectSchema {
  const properties = Object.entries(schema.properties ?? {});
  const fields = properties.map(([name, property]) => [name, fieldSchema(name, property)] as const);
  const embedded = schema['x-kubernetes-embedded-resource'] === true ? commonFields() : [];
  return {
    type: 'object',
    fields: new Map([...fields, ...embedded]),
    preserveUnknown: schema['x-kubernetes-preserve-unknown-fields'] === true,
    atomic: schema['x-kubernetes-map-type'] === 'atomic',
    isLoose: true,
  };
}

/** Required ones are looked for by the checks: here, other than in Go's types, an empty string is a value. */
function fieldSchema(name: string, property: StructuralSchema): FieldSchema {
  const mergeKey = property['x-kubernetes-patch-merge-key'];
  return {
    name,
    schema: valueSchema(property),
    zero: undefined,
    unset: undefined,
    required: false,
    // An empty default shows.
    omitEmpty: false,
    isPointer: true,
    isNullable: property.nullable === true,
    // Of resources of this server alone: definitions of users have no such fields, and no strategic merge.
    patchStrategies: property['x-kubernetes-patch-strategy'] === 'merge' ? ['merge'] : [],
    immutable: false,
    patchMergeKey: typeof mergeKey === 'string' ? mergeKey : undefined,
    default: property.default,
    minimum: undefined,
    maximum: undefined,
    maxItems: undefined,
    format: undefined,
    protobuf: undefined,
  };
}

function valueSchema(schema: StructuralSchema): Schema {
  switch (schema.type) {
    case 'object': {
      if (schema.properties !== undefined) return objectSchema(schema);
      const { additionalProperties: of } = schema;
      const atomic = schema['x-kubernetes-map-type'] === 'atomic';
      if (isObject(of)) return { type: 'map', of: valueSchema(of), atomic, isLoose: true };
      if (of === true) return { type: 'map', of: { type: 'any' }, atomic, isLoose: true };
      return objectSchema(schema);
    }
    case 'array':
      return {
        type: 'list',
        of: isObject(schema.items) ? valueSchema(schema.items) : { type: 'any' },
        listType: (schema['x-kubernetes-list-type'] as 'atomic' | 'map' | 'set' | undefined) ?? 'atomic',
        mapKeys: (schema['x-kubernetes-list-map-keys'] as readonly string[] | undefined) ?? [],
        isLoose: true,
      };
    default:
      return { type: 'any' };
  }
}

/** Where a scale finds its numbers, from paths such as `.spec.replicas`. Source: `CustomResourceSubresourceScale`. */
export function scaleAt(paths: {
  readonly specReplicasPath: string;
  readonly statusReplicasPath: string;
  readonly labelSelectorPath?: string;
}): NonNullable<Strategy['scale']> {
  const steps = (path: string): readonly string[] => path.split('.').filter((step) => step !== '');
  const selectorPath = steps(paths.labelSelectorPath ?? '');
  return {
    specReplicasPath: steps(paths.specReplicasPath),
    statusReplicasPath: steps(paths.statusReplicasPath),
    selector(object: KubeObject) {
      let found: unknown = selectorPath.length === 0 ? undefined : object;
      for (const step of selectorPath) found = isObject(found) ? found[step] : undefined;
      return typeof found === 'string' ? found : '';
    },
  };
}
