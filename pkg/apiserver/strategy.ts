/**
 * The rules of one resource: what the API server needs to know of it beyond its names and schemas, which `definition.ts` adds. The contract
 * between the generic engine (this layer), which knows no kind, and `pkg/registry/<group>/`, where each resource has its rules and one
 * table lists them all. A resource without any is served by the engine alone: schema validation, metadata rules, name and age columns.
 *
 * Order of a create: decode -> defaults -> admission -> prepareForCreate -> validateCreate -> begin -> store.
 * Order of an update: decode or patch -> defaults -> admission -> prepareForUpdate -> validateUpdate -> begin -> store, all
 * of it again from the newest state when a patch loses a race.
 * Order of a deletion: admission -> gracefulDeletion -> pendingFinalizers -> prepareForDelete and store, or begin and removal.
 *
 * Laws: a rule does no I/O but through the reader it is given; what it is told of a request ends with the request. Rules know the stored
 * version; other versions reach them through their converters (`versions`).
 *
 * `Draft` objects belong to the request and are changed in place; `old` objects are shared and never are.
 * Upstream counterpart: `registry/rest` create and update strategies, `printers`.
 */
import type { Verb } from '#pkg/api/resources.ts';
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import type { FieldError } from '#pkg/apimachinery/field-error.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type {
  GroupVersionKind,
  GroupVersionResource,
  JsonObject,
  KubeObject,
  ResourceRef,
} from '#pkg/apimachinery/object.ts';
import type { Awaitable } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Metrics } from '#pkg/base/metrics.ts';
import type { Random } from '#pkg/base/random.ts';
import type { AuditNotes } from './audit/audit-notes.ts';
import type { Converter } from './converters/converter.ts';
import type { Scope } from './endpoints/scope.ts';
import type { FollowSink } from './follow-sink.ts';
import type { KeepingRules } from './keeping-rules.ts';
import type { UserInfo } from './user-info.ts';

/**
 * An object that is stored, shared and not to be changed. `T` is its type; of rules whose type is not known here, which have `JsonObject`, only
 * what all objects have.
 */
export type Stored<T> = string extends keyof T ? KubeObject : Given<T>;

/** What rules may look at beside the objects. */
export interface StrategyContext {
  readonly user: UserInfo;
  readonly clock: Clock;
  /** What waits for others goes by, so that a request is answered while `clock` stands still. */
  readonly networkClock: Clock;
  readonly random: Random;
  readonly dryRun: boolean;
  /** The spec is known to pass all rules about it, and without a warning (`SpecRules`). */
  readonly isSpecGood?: boolean;
  /** Absent where the request is not audited. */
  readonly audit?: AuditNotes | undefined;
  /** Adds a `Warning` header to the answer. */
  warn(message: string): void;
}

/** Answers one authorized request; may throw StatusError. Where something is written it calls admission itself. */
export type Handler = (scope: Scope) => Promise<ApiResponse> | ApiResponse;

/** A resource of which nothing is kept: its objects are worked out when somebody asks. Objects need no `kind` and no `apiVersion`. */
export interface ComputedResource {
  /** Undefined where there is none. */
  get(scope: Scope, name: { readonly namespace: string; readonly name: string }): Promise<KubeObject | undefined>;
  /** All of a namespace (`''`: of all), in any order. Those that do not match need not be there. */
  list(
    scope: Scope,
    wanted: { readonly namespace: string; matches(object: KubeObject): boolean },
  ): Promise<readonly KubeObject[]>;
  /** What an object that is not there is said to be one of, with its namespace in its name. Default: the resource. */
  readonly notFoundAs?: string;
}

/**
 * The first sort of subresource: it reads and writes the object itself (`status`, `approval`, `ephemeralcontainers`, `resize`). The engine answers
 * get, update, patch and apply; these are its rules. (`scale` is read and written too, in a form of its own: see `Strategy.scale`.)
 */
export interface SubresourceStrategy<T = JsonObject> {
  /** What may be done with it. Only for one that the version does not have anyway. */
  readonly verbs?: readonly Verb[];
  /** Fields of the metadata that come from `old`. For `status` only, which otherwise takes labels, annotations and the like as sent. */
  readonly keepsMetadata?: readonly string[];
  /** Restores what this subresource may not change. With `status`, everything but the metadata and the status comes from `old` already. */
  prepareForUpdate?(draft: Draft<T>, old: Stored<T>, context: StrategyContext): void;
  validateUpdate?(draft: Draft<T>, old: Stored<T>, context: StrategyContext): readonly FieldError[];
}

/** The second sort: what is posted to it is something else than the object, and is acted upon (`binding`, `eviction`). */
export interface CreateSubresource {
  /** What bodies are. */
  readonly kind: GroupVersionKind;
  readonly create: Handler;
}

/**
 * The third sort: a connection to what the object stands for (`log`, `exec`, `proxy`). Laws: the engine neither reads the body nor limits the
 * time; requests take no place in flight and have no deadline; the answer may have any body, `upgrade` and `stream` among them, and its
 * handler ends it when `scope.request.signal` or `scope.core.stopping` is aborted.
 */
export interface ConnectSubresource {
  /** What discovery says that bodies are: the options of the connection. */
  readonly kind: GroupVersionKind;
  readonly verbs: readonly Verb[];
  /** Whether paths go on below it, as its target likes. Default false. */
  readonly takesPath?: boolean;
  /** The kind whose fields are its parameters. Default: `kind`. */
  readonly options?: GroupVersionKind;
  /** Answers all of the verbs. Absent: 501, a clear word that this server does not do it. */
  readonly connect?: Handler;
}

/** What one version of a resource has of its own. */
export interface VersionRules {
  /** For a version whose fields differ from those of the stored one, of which the `apiVersion` is given. */
  readonly converter?: Converter;
  readonly stored?: string;
  /** Clients are warned at every request: since when, and what to use instead. Source: the kinds' `APILifecycleDeprecated`. */
  readonly deprecated?: { readonly since: string; readonly instead?: string };
}

/** A column of `kubectl get`. `priority` 0 is always shown, 1 only with `-o wide`. Source: meta/v1 `TableColumnDefinition`. */
export interface TableColumn {
  readonly name: string;
  readonly type: 'boolean' | 'date' | 'integer' | 'number' | 'string';
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
}

/** A cell of a table. */
export type TableCell = bigint | boolean | null | number | string;

/** Prints objects of one kind, of the type `T`. The first column is the name; times since are relative to `nowMs`. */
export interface TablePrinter<T = KubeObject> {
  readonly columns: readonly TableColumn[];
  cells(object: T, nowMs: number): readonly TableCell[];
  /** Marks a row as finished, as upstream does for pods that have ended. */
  conditions?(
    object: T,
  ): readonly { readonly type: string; readonly status: string; readonly reason?: string; readonly message?: string }[];
}

/** Something reserved for a write, such as a cluster IP: kept when the write succeeds, given back when it does not. The answer waits for both; neither rejects. */
export interface Reservation {
  commit(): Promise<void> | void;
  rollback(): Promise<void> | void;
}

/** Reads other resources of the same server, past authorization; for checks and allocation across objects. At once where nothing has to be waited for. */
export interface RegistryReader {
  get(
    resource: { readonly group: string; readonly resource: string },
    namespace: string,
    name: string,
  ): Awaitable<KubeObject | undefined>;
  list(
    resource: { readonly group: string; readonly resource: string },
    namespace?: string,
  ): Awaitable<readonly KubeObject[]>;
  /** The resource of a kind; undefined where none is served. */
  ofKind(
    kind: GroupVersionKind,
  ): { readonly group: string; readonly resource: string; readonly namespaced: boolean } | undefined;
  /** The resource of a request in the other versions that have its objects, in the order in which they are served. */
  equivalents(request: AdmissionSubject): readonly AdmissionSubject[];
  /** An object of one of these in another of them, which may share parts with it. Rejects with a StatusError. */
  inVersion(object: JsonObject, from: AdmissionSubject, to: AdmissionSubject): Promise<JsonObject> | JsonObject;
  /** What decoding makes of an object that somebody else than the client has changed, with its defaults. Throws a StatusError. */
  remade(request: AdmissionAttributes, object: JsonObject): JsonObject;
  /** Lays an apply configuration over an object. Throws an `Error` for one that does not fit. */
  merged(request: AdmissionAttributes, object: JsonObject, configuration: JsonObject): JsonObject;
}

/** Changes them too, for what the server itself keeps count of. */
export interface RegistryWriter extends RegistryReader {
  /** Puts `draft`, of the stored version, in the place of `old`; undefined where somebody else has changed or deleted it since. */
  swap(
    resource: { readonly group: string; readonly resource: string },
    old: KubeObject,
    draft: JsonObject,
  ): Promise<KubeObject | undefined>;
}

/** All objects of the resource that `ref` names, of one namespace or of all. */
export function readAll<T extends KubeObject>(
  reader: RegistryReader,
  ref: ResourceRef<T>,
  namespace?: string,
): Awaitable<readonly T[]>;
export function readAll(reader: RegistryReader, ref: ResourceRef, within?: string): Awaitable<readonly KubeObject[]> {
  return reader.list(ref, within);
}

/** The object of the resource that `ref` names, undefined where there is none. `namespace` is `''` for one that is in none. */
export function readOne<T extends KubeObject>(
  reader: RegistryReader,
  ref: ResourceRef<T>,
  key: { readonly namespace: string; readonly name: string },
): Awaitable<T | undefined>;
export function readOne(
  reader: RegistryReader,
  ref: ResourceRef,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): Awaitable<KubeObject | undefined> {
  return reader.get(ref, namespace, name);
}

/**
 * What is known of a resource whose rules are about the spec: `setDefaults` fills in what is missing of it and neither looks at nor changes anything
 * else, and `validate`, `validateCreate`, the warnings of `prepareForCreate` (see `isSpecGood`) and the required fields of the schema are about
 * nothing else, but in objects that stand apart. So a spec that is stored is not looked at again while an update leaves it as it is, nor is a new one
 * that has the text of one that passed.
 */
export interface SpecRules<T = JsonObject> {
  /** Whether the rules look at more than the spec of this object: then they are asked each time. */
  standsApart(draft: Draft<T>): boolean;
  /** A name in the spec that admission has chosen at random: specs that differ in it alone are equally good. Only one that is well formed. */
  randomName?(draft: Draft<T>): string | undefined;
}

/** The rules of one resource; whatever is left out is as the engine does it. */
export interface Strategy<T = JsonObject> {
  /** Plural name and group of the resource this belongs to, in all of its versions. */
  readonly group: string;
  readonly resource: string;
  /** By the name of a version. */
  readonly versions?: Readonly<Record<string, VersionRules>>;
  /** The group whose resource of the same name keeps the objects, where that is another one. Default: its own. */
  readonly storedInGroup?: string;
  /** Nothing is kept: what is created is a question, and this answers it. */
  readonly answer?: Handler;
  /** Nothing is kept: what is read, by `get` and `list` alone, is worked out. */
  readonly computed?: ComputedResource;

  /** How names are checked. Default `dns1123Subdomain`; `pathSegment` for RBAC objects and others that allow more. */
  readonly nameRule?: 'dns1035Label' | 'dns1123Label' | 'dns1123Subdomain' | 'pathSegment';
  /** PUT on a name that does not exist creates it. Default false. */
  readonly createOnUpdate?: boolean;
  /** A patch whose way of merging lists stands in the types. Default true; false where there are no such types. */
  readonly strategicMerge?: boolean;
  /** An update without a resourceVersion overwrites. Default true. */
  readonly unconditionalUpdate?: boolean;
  /**
   * Whether there is a `metadata.generation`, which changes of the spec raise, or which stays as it was made. Default: for kinds that have
   * a `spec` and a `status`.
   */
  readonly tracksGeneration?: boolean | 'constant';

  /** Absent: the rules may look at anything. */
  readonly specRules?: SpecRules<T>;
  /** Fills in what the client left out; applied on every decode, so it must be idempotent and cheap. Schema defaults come first. */
  setDefaults?(draft: Draft<T>): void;
  /** Resets what a client may not set on create (status, for one: default, where there is a status subresource). */
  prepareForCreate?(draft: Draft<T>, context: StrategyContext): void;
  prepareForUpdate?(draft: Draft<T>, old: Stored<T>, context: StrategyContext): void;
  /** Rules beyond the schema, for create and as a part of update. */
  validate?(draft: Draft<T>, context: StrategyContext): readonly FieldError[];
  /** Rules that hold only for new objects; runs besides `validate`. */
  validateCreate?(draft: Draft<T>, context: StrategyContext): readonly FieldError[];
  /** Rules about the change, such as immutable fields; runs besides `validate`. */
  validateUpdate?(draft: Draft<T>, old: Stored<T>, context: StrategyContext): readonly FieldError[];
  /** Reserves or allocates before the write; may change the draft and may throw StatusError. `old` is undefined on create, `draft` on delete. */
  begin?(
    draft: Draft<T> | undefined,
    old: Stored<T> | undefined,
    context: StrategyContext,
    reader: RegistryReader,
  ): Promise<Reservation | undefined>;

  /** Fields beyond `metadata.name` and `metadata.namespace` that field selectors may use, with the value each has in `object`. */
  selectableFields?(object: Stored<T>): Readonly<Record<string, string>>;
  /** One of the selectable fields, where that costs less than all of them: what watches are grouped by is asked of every write. Undefined: look at all. */
  selectableField?(object: Stored<T>, field: string): string | undefined;
  /**
   * Every selectable field that is not empty, or each of these, is a string that stands in the object as it is, so that an object whose text does not
   * have it need not be looked at; one that is named here stands there under the last part of its name. Default false.
   */
  readonly selectsVerbatim?: boolean | readonly string[];
  /** Seconds of grace for a deletion: undefined deletes at once. `requested` is what the client asked for. Pods have one. */
  gracefulDeletion?(object: Stored<T>, requested: number | undefined): number | undefined;
  /**
   * What becomes of dependents when a deletion does not say: `orphan` leaves them alone, `background` (the default) deletes them
   * afterwards. `none`: there are never dependents, so no deletion waits for them.
   */
  readonly dependents?: 'background' | 'none' | 'orphan';
  /** What whoever leaves that to the server is warned of. */
  readonly dependentsWarning?: string;
  /** A deletion answers the object rather than a Status. Default false. Source: `registry.Store.ReturnDeletedObject`. */
  readonly returnsDeleted?: boolean;
  /** Finalizers outside of the metadata that a deletion waits for. Default none. */
  pendingFinalizers?(object: Stored<T>): number;
  /** A new object brings its status, although that is a subresource. Default false. */
  readonly createsWithStatus?: boolean;
  /** Changes the draft at the moment a graceful deletion begins. */
  prepareForDelete?(draft: Draft<T>): void;

  /** How the objects are kept. Default: in the store and the watch cache, until they are deleted. */
  readonly keeping?: KeepingRules;

  /** Subresources of the three sorts, by name. A name has one sort. */
  readonly subresources?: Readonly<Record<string, SubresourceStrategy<T>>>;
  readonly creates?: Readonly<Record<string, CreateSubresource>>;
  readonly connects?: Readonly<Record<string, ConnectSubresource>>;
  /** Where `scale` finds its values. Only for resources with that subresource. */
  readonly scale?: {
    readonly specReplicasPath: readonly string[];
    readonly statusReplicasPath: readonly string[];
    /** The selector as text, for the HPA. */
    selector(object: Stored<T>): string;
  };
  readonly table?: TablePrinter<Stored<T>>;
  /** Objects made with the storage of the resource itself at start-up (namespaces, priority classes, the kubernetes Service). */
  readonly bootstrap?: readonly Given<T>[];
  /** What one of them has that is made now, beside its draft: `timestamp` is the time of its creation. */
  completeBootstrap?(draft: Draft<T>, timestamp: string): void;
  /** What one of those that is there from an earlier start should be instead; undefined when it is good as it is. */
  reconcileBootstrap?(there: Stored<T>, wanted: Given<T>): Given<T> | undefined;
}

/** All that `Strategy` has of a resource but its name. */
export type Rules<T> = Omit<Strategy<T>, 'group' | 'resource'>;

/**
 * The rules of the resource that `ref` names, whose objects have the type that it carries. Here that type is forgotten, as the engine holds rules
 * of all types: it gives them nothing but objects that were decoded as what `ref` names, in the stored version.
 */
export function rulesOf<Ref extends ResourceRef>(ref: Ref, rules: Rules<NonNullable<Ref['object']>>): Strategy;
export function rulesOf({ group, resource }: ResourceRef, rules: Rules<JsonObject>): Strategy {
  return { group, resource, ...rules };
}

/** One admission plugin. Mutating ones run first, in the order of the table, then validating ones, then those that reserve. */
export interface AdmissionPlugin {
  readonly name: string;
  /** What it is told of from the start of the server on, synchronously with the watch cache. */
  readonly follows?: readonly {
    readonly resource: { readonly group: string; readonly resource: string };
    readonly sink: FollowSink;
  }[];
  handles(attributes: AdmissionAttributes, user: UserInfo): boolean;
  /** Is given the server's counts, before it is asked anything, where it has some of its own. */
  countIn?(metrics: Metrics): void;
  /** May change the draft; refuses by throwing a StatusError (usually Forbidden). */
  admit?(attributes: AdmissionAttributes, context: StrategyContext, reader: RegistryReader): Promise<void> | void;
  /** Must not change anything; refuses by throwing a StatusError. */
  validate?(attributes: AdmissionAttributes, context: StrategyContext, reader: RegistryReader): Promise<void> | void;
  /** After all checks: takes what the write will use, which is kept if it succeeds. Refuses by throwing a StatusError. */
  reserve?(
    attributes: AdmissionAttributes,
    context: StrategyContext,
    registry: RegistryWriter,
  ): Promise<Reservation | undefined>;
}

/** What a request is for, in one of the versions that there are of it. */
export interface AdmissionSubject extends GroupVersionResource {
  readonly kind: string;
}

/** The request that plugins are asked about. `T` is the type of its objects: see `about`. */
export interface AdmissionAttributes<T = JsonObject> extends AdmissionSubject {
  readonly operation: 'CONNECT' | 'CREATE' | 'DELETE' | 'UPDATE';
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** Undefined for DELETE. */
  readonly draft: Draft<T> | undefined;
  readonly old: Stored<T> | undefined;
}

/**
 * The request as one about what `ref` names, and undefined where it is about something else: with `subresource` about that of it. Of a subresource
 * that takes bodies of another kind, such as a pod's `binding`, `ref` has that kind and its type.
 */
export function about<T extends KubeObject>(
  attributes: AdmissionAttributes,
  ref: ResourceRef<T>,
  subresource?: string,
): AdmissionAttributes<T> | undefined;
export function about(
  attributes: AdmissionAttributes,
  { group, resource, kind }: ResourceRef,
  subresource = '',
): AdmissionAttributes | undefined {
  if (attributes.resource !== resource || attributes.group !== group) return undefined;
  return attributes.subresource === subresource && attributes.kind === kind ? attributes : undefined;
}
