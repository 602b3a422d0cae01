/**
 * Informers: a component's own copy of a resource, kept by list and watch. Contract only; `reflector.ts` fills the copy and
 * `shared-informers.ts` shares one copy among all who ask for the same resource.
 *
 * Laws:
 * 1. A lister's state is always one the server had, and moves forward only. Objects are shared: never change one. They carry `apiVersion` and `kind`.
 * 2. Handlers are called in order, synchronously after the lister holds the new state, once for every difference; after a gap (a new list) the
 *    difference is between the old copy and the new one, with `deleted` for what has gone.
 * 3. Handlers must not block or throw: they put a key on a queue and return.
 * 4. `hasSynced` turns true once, when the first list is in the lister and its handlers were called.
 * 5. A failed list or watch is tried again, with back-off from 0.8 s to 30 s and jitter; it never ends the informer.
 * 6. A resource that the server does not serve (404) is asked for in the same way until it does: whoever can do without it does not wait (`settled`).
 */
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';

/** Told of changes, in the order in which the API had them. Must not throw and must not wait. */
export interface EventHandler<T extends KubeObject> {
  added?(object: T): void;
  updated?(previous: T, object: T): void;
  deleted?(object: T): void;
}

/** The values under which an object is found, such as the name of its node; none to leave it out. */
export type IndexFunction<T extends KubeObject> = (object: T) => readonly string[];

/** Reads an informer's copy. What it gives is shared and must not be changed. */
export interface Lister<T extends KubeObject> {
  /** By `namespace/name`, or `name` for cluster-scoped resources. */
  get(key: string): T | undefined;
  /** Every object, or those of one namespace, in no particular order. */
  list(namespace?: string): readonly T[];
  /** Objects under `value` of an index added with `addIndex`. Throws for an index that was not added. */
  byIndex(index: string, value: string): readonly T[];
}

/** One resource's copy and its changes. */
export interface Informer<T extends KubeObject> {
  readonly lister: Lister<T>;
  /** May be called at any time; a handler added late first gets `added` for everything there is. */
  addHandler(handler: EventHandler<T>): void;
  /** Adds an index, also over what is already there. Adding a name twice keeps the first. */
  addIndex(name: string, index: IndexFunction<T>): void;
  hasSynced(): boolean;
}

/** Which part of a collection is copied; without any of it all. */
export interface InformerOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** All informers of one component. */
export interface Informers {
  /** The shared informer of a resource with these options: the same one for equal arguments. Starts with `run`, or at once when that was called. */
  informer<T extends KubeObject>(ref: ResourceRef<T>, options?: InformerOptions): Informer<T>;
  /** Resolves when every informer asked for so far has synced; false if `signal` was aborted before. */
  synced(signal: AbortSignal): Promise<boolean>;
  /** As `synced`, but an informer whose resource the server was found not to serve is not waited for. */
  settled(signal: AbortSignal): Promise<boolean>;
  /** These informers for one who asks for some of them: `synced` and `settled` of the part are about those alone. */
  part(): Informers;
  /**
   * Keeps all informers until aborted; resolves when the last has stopped. Called again while they are kept it only waits for its own signal:
   * who ran them first keeps them.
   */
  run(signal: AbortSignal): Promise<void>;
}
