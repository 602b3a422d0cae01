/** Generated from the table of API facts by `npm run generate`; do not edit. */
import type { ListMeta as MetaV1ListMeta, ObjectMeta as MetaV1ObjectMeta } from '#pkg/apimachinery/object.ts';

export interface APIGroup {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'APIGroup';
  readonly name: string;
  readonly versions: readonly GroupVersionForDiscovery[];
  readonly preferredVersion?: GroupVersionForDiscovery;
  readonly serverAddressByClientCIDRs?: readonly ServerAddressByClientCIDR[];
}

export interface APIGroupList {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'APIGroupList';
  readonly groups: readonly APIGroup[];
}

export interface APIResource {
  readonly name: string;
  readonly singularName: string;
  readonly namespaced: boolean;
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly storageVersionHash?: string;
}

export interface APIResourceList {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'APIResourceList';
  readonly groupVersion: string;
  readonly resources: readonly APIResource[];
}

export interface APIVersions {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'APIVersions';
  readonly versions: readonly string[];
  readonly serverAddressByClientCIDRs: readonly ServerAddressByClientCIDR[];
}

export interface ApplyOptions {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'ApplyOptions';
  readonly dryRun?: readonly string[];
  readonly force: boolean;
  readonly fieldManager: string;
}

export interface Condition {
  readonly type: string;
  readonly status: "False" | "True" | "Unknown" | (string & {});
  readonly observedGeneration?: number;
  readonly lastTransitionTime: string | null;
  readonly reason: string;
  readonly message: string;
}

export interface CreateOptions {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'CreateOptions';
  readonly dryRun?: readonly string[];
  readonly fieldManager?: string;
  readonly fieldValidation?: string;
}

export interface DeleteOptions {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'DeleteOptions';
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: Preconditions;
  readonly orphanDependents?: boolean;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan" | (string & {});
  readonly dryRun?: readonly string[];
  readonly ignoreStoreReadErrorWithClusterBreakingPotential?: boolean;
}

export interface FieldSelectorRequirement {
  readonly key: string;
  readonly operator: "DoesNotExist" | "Exists" | "In" | "NotIn" | (string & {});
  readonly values?: readonly string[];
}

export interface GetOptions {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'GetOptions';
  readonly resourceVersion?: string;
}

export interface GroupResource {
  readonly group: string;
  readonly resource: string;
}

export interface GroupVersionForDiscovery {
  readonly groupVersion: string;
  readonly version: string;
}

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export interface GroupVersionResource {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly LabelSelectorRequirement[];
}

export interface LabelSelectorRequirement {
  readonly key: string;
  readonly operator: "DoesNotExist" | "Exists" | "In" | "NotIn" | (string & {});
  readonly values?: readonly string[];
}

export interface List {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'List';
  readonly metadata?: MetaV1ListMeta;
  readonly items: readonly Readonly<Record<string, unknown>>[];
}

export interface ListOptions {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'ListOptions';
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly watch?: boolean;
  readonly allowWatchBookmarks?: boolean;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: "Exact" | "NotOlderThan" | (string & {});
  readonly timeoutSeconds?: number;
  readonly limit?: number;
  readonly continue?: string;
  readonly sendInitialEvents?: boolean;
  readonly shardSelector?: string;
}

export interface PartialObjectMetadata {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'PartialObjectMetadata';
  readonly metadata?: MetaV1ObjectMeta;
}

export interface PartialObjectMetadataList {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'PartialObjectMetadataList';
  readonly metadata?: MetaV1ListMeta;
  readonly items: readonly PartialObjectMetadata[];
}

export interface PatchOptions {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'PatchOptions';
  readonly dryRun?: readonly string[];
  readonly force?: boolean;
  readonly fieldManager?: string;
  readonly fieldValidation?: string;
}

export interface Preconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}

export interface ServerAddressByClientCIDR {
  readonly clientCIDR: string;
  readonly serverAddress: string;
}

export interface ShardInfo {
  readonly selector: string;
}

export interface Status {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'Status';
  readonly metadata?: MetaV1ListMeta;
  readonly status?: string;
  readonly message?: string;
  readonly reason?: "" | "AlreadyExists" | "BadRequest" | "Conflict" | "Expired" | "Forbidden" | "Gone" | "InternalError" | "Invalid" | "MethodNotAllowed" | "NotAcceptable" | "NotFound" | "RequestEntityTooLarge" | "ServerTimeout" | "ServiceUnavailable" | "StorageReadError" | "Timeout" | "TooManyRequests" | "Unauthorized" | "UnsupportedMediaType" | (string & {});
  readonly details?: StatusDetails;
  readonly code?: number;
}

export interface StatusCause {
  readonly reason?: "FieldManagerConflict" | "FieldValueDuplicate" | "FieldValueForbidden" | "FieldValueInvalid" | "FieldValueNotFound" | "FieldValueNotSupported" | "FieldValueRequired" | "FieldValueTooLong" | "FieldValueTooMany" | "FieldValueTypeInvalid" | "InternalError" | "ResourceVersionTooLarge" | "UnexpectedServerResponse" | (string & {});
  readonly message?: string;
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

export interface Table {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'Table';
  readonly metadata?: MetaV1ListMeta;
  readonly columnDefinitions: readonly TableColumnDefinition[];
  readonly rows: readonly TableRow[];
}

export interface TableColumnDefinition {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

export interface TableOptions {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'TableOptions';
  readonly includeObject?: "Metadata" | "None" | "Object" | (string & {});
}

export interface TableRow {
  readonly cells: readonly unknown[];
  readonly conditions?: readonly TableRowCondition[];
  readonly object?: Readonly<Record<string, unknown>> | null;
}

export interface TableRowCondition {
  readonly type: "Completed" | (string & {});
  readonly status: "False" | "True" | "Unknown" | (string & {});
  readonly reason?: string;
  readonly message?: string;
}

export interface TypeMeta {
  readonly kind?: string;
  readonly apiVersion?: string;
}

export interface UpdateOptions {
  readonly apiVersion?: 'meta.k8s.io/v1';
  readonly kind?: 'UpdateOptions';
  readonly dryRun?: readonly string[];
  readonly fieldManager?: string;
  readonly fieldValidation?: string;
}
