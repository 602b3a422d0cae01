/** The shapes every API object shares, and the names of kinds and resources. Wire forms: times are RFC 3339 strings. */

/** A reference from a dependent to what owns it. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** Which fields one manager owns, as server-side apply keeps them. */
export interface ManagedFieldsEntry {
  readonly manager?: string;
  readonly operation?: 'Apply' | 'Update';
  readonly apiVersion?: string;
  readonly time?: string;
  readonly fieldsType?: 'FieldsV1';
  readonly fieldsV1?: Readonly<Record<string, unknown>>;
  readonly subresource?: string;
}

/** Metadata of an object. Source: API reference, `ObjectMeta` v1. */
export interface ObjectMeta {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly selfLink?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
  readonly managedFields?: readonly ManagedFieldsEntry[];
}

/** Metadata of a list. */
export interface ListMeta {
  readonly resourceVersion?: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
  readonly selfLink?: string;
}

/** Any API object. Objects that a cache or the server hands out are shared: never change one, make a changed copy. */
export type KubeObject = {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ObjectMeta;
};

/** A list of objects as the server returns it. Items of typed lists carry no `apiVersion` and `kind` of their own. */
export interface KubeList<T extends KubeObject = KubeObject> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ListMeta;
  readonly items: readonly T[];
}

/** An untyped JSON object whose fields are not known beforehand. */
export type JsonObject = { [key: string]: unknown };

/** A group and one of its versions. */
export interface GroupVersion {
  /** `''` for the core group. */
  readonly group: string;
  readonly version: string;
}

/** What an object says it is by `apiVersion` and `kind`. */
export interface GroupVersionKind extends GroupVersion {
  readonly kind: string;
}

/** A collection, as paths name it. */
export interface GroupVersionResource extends GroupVersion {
  /** Plural, lower case. */
  readonly resource: string;
}

/**
 * Names one resource of the API and, in the type system, the shape of its objects: what a typed client, an informer and a
 * controller are given. The constants for built-in resources are generated (`#pkg/api/types/refs.ts`).
 */
export interface ResourceRef<T extends KubeObject = KubeObject> extends GroupVersionResource {
  readonly kind: string;
  readonly namespaced: boolean;
  /** Carries `T` for the compiler; never present. */
  readonly object?: T;
}

/** `v1` for the core group, `group/version` for others: the form of `apiVersion`. */
export function apiVersionOf(gv: GroupVersion): string {
  return gv.group === '' ? gv.version : `${gv.group}/${gv.version}`;
}

/** The inverse of `apiVersionOf`; undefined when it has more than one slash or an empty part. */
export function parseApiVersion(apiVersion: string): GroupVersion | undefined {
  const [first = '', second, ...more] = apiVersion.split('/');
  if (first === '' || second === '' || more.length > 0) return undefined;
  return second === undefined ? { group: '', version: first } : { group: first, version: second };
}

/** `namespace/name`, or `name` for a cluster-scoped object: the key of caches, queues and log lines. */
export function objectKey(object: KubeObject): string {
  const name = object.metadata?.name ?? '';
  const namespace = object.metadata?.namespace;
  return namespace ? `${namespace}/${name}` : name;
}

/** The parts of an `objectKey`; `namespace` is `''` for a cluster-scoped object. */
export function splitKey(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { namespace: '', name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The owner reference that has `controller: true`, of which there is at most one. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((reference) => reference.controller === true);
}
