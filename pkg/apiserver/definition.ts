/**
 * A resource as the server takes it up: one object that holds all there is to know of it. Built-in ones are made of the table of API facts and the
 * rules in `pkg/registry/<group>/` (`built-in.ts`); others come from data, while the server runs (`structural-definition.ts`).
 *
 * Laws: a definition is never changed; another state of a resource is another definition. Exactly one version is stored, unless `storedAs` names
 * one of another resource. What is stored stays when a definition is removed, and is served again by the next one of the same name.
 * Upstream counterpart: `registry.Store` with its `APIGroupInfo`; `CustomResourceDefinitionSpec`.
 */
import type { ResourceInfo, SubresourceInfo, Verb } from '#pkg/api/resources.ts';
import type { GroupVersionKind, JsonObject } from '#pkg/apimachinery/object.ts';
import type { ObjectSchema } from '#pkg/apimachinery/schema.ts';
import type { Converter } from './converters/converter.ts';
import type { RemoteVersion } from './converters/remote-version.ts';
import type { Rules, Strategy, TablePrinter } from './strategy.ts';
import type { ObjectCheck } from './structural-values.ts';

/** What a resource is called. Within a group nothing else may have one of these names. */
export interface ResourceNames {
  /** In paths: lower case. */
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  /** Usually the kind with `List`. */
  readonly listKind: string;
  readonly shortNames: readonly string[];
  /** Groups of resources that clients ask for together, such as `all`. */
  readonly categories: readonly string[];
}

/** One version of a resource. */
export interface ResourceVersion {
  readonly name: string;
  /** A version that is not served may still be the stored one. */
  readonly served: boolean;
  readonly stored: boolean;
  /** The name of the type in OpenAPI, and that of its list where there is one. */
  readonly type: string;
  readonly listType?: string;
  readonly schema: ObjectSchema;
  /** The schema as it is published, where that says more than `schema` does. */
  readonly published?: JsonObject;
  /** What is wrong with the values of an object of this version. Default: the rules alone say. */
  readonly checkValues?: ObjectCheck;
  readonly verbs: readonly Verb[];
  /** `status`, `scale` and whatever else the rules have something to say of; those that the rules name as created or connected to come by themselves. */
  readonly subresources: readonly SubresourceInfo[];
  /**
   * To the stored version and back. Absent: only the `apiVersion` differs. The stored version has one where what lies in the store may not be as it
   * would be written today.
   */
  readonly converter?: Converter;
  /** How somebody else brings objects from what is stored and back, in place of a `converter`. */
  readonly remote?: RemoteVersion;
  /** Rules that this version has for itself, in its own form, in place of those of the resource. */
  readonly rules?: Partial<Rules<JsonObject>>;
  /** What clients are warned of at every request. */
  readonly warning?: string;
  /** How this version is printed. Default: as the rules say, through the converter. */
  readonly table?: TablePrinter;
}

/** A version of another resource that keeps the objects of this one. */
export interface StoredAs extends GroupVersionKind {
  readonly schema: ObjectSchema;
}

/** All there is to know of one resource. */
export interface ResourceDefinition {
  readonly group: string;
  readonly names: ResourceNames;
  /** Scope: whether objects belong to a namespace or to the cluster. */
  readonly namespaced: boolean;
  readonly versions: readonly ResourceVersion[];
  readonly storedAs?: StoredAs;
  /** Default: none but the engine's own. */
  readonly rules?: Omit<Strategy, 'group' | 'resource'>;
}

/** What documents are made of: one served version of a definition. */
export interface ServedInfo extends ResourceInfo {
  readonly listKind: string;
  readonly listType: string | undefined;
  readonly storedAs: GroupVersionKind;
  readonly schema: ObjectSchema;
  readonly published: JsonObject | undefined;
  /** A deletion answers the object rather than a Status. */
  readonly returnsDeleted: boolean;
  /** Subresources that are connections, by name: the kind whose fields are the parameters, and whether paths go on below. */
  readonly connections: Readonly<Record<string, { readonly options: GroupVersionKind; readonly takesPath: boolean }>>;
}

/** A definition that cannot be taken up: a bug of whoever made it, or names that are taken. */
export class DefinitionError extends Error {
  override readonly name = 'DefinitionError';
}
