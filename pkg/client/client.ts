/**
 * The typed client that every component uses, over a transport that is either the network or the API server's own function.
 * Components depend on the interfaces here; `rest-client.ts` implements them.
 *
 * Laws: methods reject with `StatusError` for whatever the server refuses and for a server that cannot be reached
 * (`ServiceUnavailable`); with the signal's reason when aborted. Objects returned are shared and must not be changed.
 */
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { JsonObject, KubeList, KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';

/** Sends a request and returns the answer once its headers are there. */
export interface Transport {
  readonly request: ApiHandler;
  /** Whether the server is in this very process: then there is no connection that could be lost unnoticed. */
  readonly isLocal?: true;
}

/** What every call takes: a signal that ends it. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** `namespace` is required for namespaced resources and absent for others. */
export interface ObjectOptions extends CallOptions {
  readonly namespace?: string;
}

/** What a read of one object takes. */
export interface GetOptions extends ObjectOptions {
  readonly resourceVersion?: string;
  readonly subresource?: string;
}

/** What a list takes, as the query parameters of the API say it. */
export interface ListOptions extends CallOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan';
}

/** What a watch takes, as the query parameters of the API say it. */
export interface WatchCallOptions extends ListOptions {
  readonly allowWatchBookmarks?: boolean;
  readonly sendInitialEvents?: boolean;
  /** The server ends the watch after this time. */
  readonly timeoutSeconds?: number;
}

/** What a write takes, as the query parameters of the API say it. */
export interface WriteOptions extends CallOptions {
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
  /** Writes to a subresource such as `status`. */
  readonly subresource?: string;
}

/** What a patch takes; `type` is the patch's media type in a word. */
export interface PatchOptions extends WriteOptions {
  readonly namespace?: string;
  readonly type: 'apply' | 'json' | 'merge' | 'strategic';
  /** Apply only: takes over fields that other managers own. */
  readonly force?: boolean;
}

/** What a deletion takes; without a period the object's own counts. */
export interface DeleteOptions extends ObjectOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: boolean;
}

/** A change, or a mark of how far an unchanged watch has come. */
export type ClientWatchEvent<T extends KubeObject> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string; readonly initialEventsEnd: boolean };

/** The verbs on one resource. The namespace of a write is that of the object. */
export interface ResourceClient<T extends KubeObject> {
  get(name: string, options?: GetOptions): Promise<T>;
  list(options?: ListOptions): Promise<KubeList<T>>;
  /**
   * Events as they come, in batches of those that were ready together. Ends when the server ends the watch; throws `StatusError` for an ERROR event
   * (`Expired`: list again) and when the connection is lost.
   */
  watch(options?: WatchCallOptions): AsyncIterable<readonly ClientWatchEvent<T>[]>;
  create(object: T, options?: WriteOptions): Promise<T>;
  /** Replaces the object; fails with Conflict when `metadata.resourceVersion` is set and not current. */
  update(object: T, options?: WriteOptions): Promise<T>;
  patch(name: string, patch: JsonObject | readonly JsonObject[], options: PatchOptions): Promise<T>;
  /** Resolves when the deletion is accepted: the object may still be there, with a deletionTimestamp. */
  delete(name: string, options?: DeleteOptions): Promise<void>;
  deleteCollection(options?: ListOptions & Omit<DeleteOptions, 'namespace'>): Promise<void>;
  /** Creates a subresource of `name`, such as `binding` or `eviction`, whose kind is another than the resource's. */
  createSubresource(name: string, subresource: string, body: KubeObject, options?: ObjectOptions): Promise<KubeObject>;
}

/** The API as a component sees it, in the name that its transport has. */
export interface Client {
  /** The same client, whose calls end when `signal` is aborted, but for those that are given a signal of their own. */
  until(signal: AbortSignal): Client;
  /** The client of one resource; cheap, keeps nothing. */
  resource<T extends KubeObject>(ref: ResourceRef<T>): ResourceClient<T>;
  /** For what is not a resource: `/version`, discovery, logs. */
  readonly transport: Transport;
}
