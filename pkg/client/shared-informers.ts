/**
 * All informers of one component: one copy of a resource, one watch, however many ask for it. The laws are in `informer.ts`.
 * Upstream counterpart: client-go `informers` and `tools/cache/shared_informer.go`.
 */

import { setMaxListeners } from 'node:events';
import { isObject } from '#pkg/apimachinery/json.ts';
import {
  apiVersionOf,
  type JsonObject,
  type KubeObject,
  objectKey,
  type ResourceRef,
} from '#pkg/apimachinery/object.ts';
import { aborted, Deferred } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import { CacheStore } from './cache-store.ts';
import type { Client } from './client.ts';
import type { EventHandler, IndexFunction, Informer, InformerOptions, Informers, Lister } from './informer.ts';
import { type ReflectorSink, runReflector } from './reflector.ts';
import { SharedValues } from './shared-values.ts';

/** What informers are made with. */
export interface InformersOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /**
   * Objects that come over a network are kept without their managed fields, a third of what they take, and share what they say alike with each other and with the
   * state before. Default: they are kept as they come. In the server's process they are shared with it. Source: kube-controller-manager's `CreateControllerContext`, whose informers trim them.
   */
  readonly isLean?: boolean;
}

/** Informers over `client`; nothing is listed before `run`. Objects in listers always carry `apiVersion` and `kind`. */
export function createInformers(options: InformersOptions): Informers {
  return new SharedInformers(options);
}

class SharedInformers implements Informers {
  readonly #options: InformersOptions;
  readonly #informers = new Map<string, SharedInformer<KubeObject>>();
  readonly #running = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;

  constructor(options: InformersOptions) {
    this.#options = options;
  }

  informer<T extends KubeObject>(ref: ResourceRef<T>, select: InformerOptions = {}): Informer<T> {
    return this.#shared(ref, select) as unknown as Informer<T>;
  }

  #shared(ref: ResourceRef, select: InformerOptions): SharedInformer<KubeObject> {
    const key = JSON.stringify([
      ref.group,
      ref.version,
      ref.resource,
      select.namespace ?? '',
      select.labelSelector ?? '',
      select.fieldSelector ?? '',
    ]);
    let informer = this.#informers.get(key);
    if (informer === undefined) {
      informer = new SharedInformer<KubeObject>(this.#options, { ref, select });
      this.#informers.set(key, informer);
      if (this.#signal !== undefined) this.#start(informer, this.#signal);
    }
    return informer;
  }

  synced(signal: AbortSignal): Promise<boolean> {
    return allOf(this.#informers.values(), (informer) => informer.synced, signal);
  }

  settled(signal: AbortSignal): Promise<boolean> {
    return allOf(this.#informers.values(), (informer) => informer.settled, signal);
  }

  part(): Informers {
    const asked = new Set<SharedInformer<KubeObject>>();
    return {
      informer: (ref, select = {}) => {
        asked.add(this.#shared(ref, select));
        return this.informer(ref, select);
      },
      synced: (signal) => allOf(asked, (informer) => informer.synced, signal),
      settled: (signal) => allOf(asked, (informer) => informer.settled, signal),
      part: () => this.part(),
      run: (signal) => this.run(signal),
    };
  }

  async run(signal: AbortSignal): Promise<void> {
    // Whoever runs them first keeps them; another who runs them, such as a manager inside a component that does, only waits.
    if (this.#signal !== undefined) return aborted(signal);
    this.#signal = signal;
    // Every watch listens for the end.
    setMaxListeners(0, signal);
    for (const informer of this.#informers.values()) this.#start(informer, signal);
    await aborted(signal);
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #start(informer: SharedInformer<KubeObject>, signal: AbortSignal): void {
    const running: Promise<void> = informer.run(signal).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}

/** Waits for something of each informer; false if `signal` was aborted before. */
async function allOf(
  informers: Iterable<SharedInformer<KubeObject>>,
  what: (informer: SharedInformer<KubeObject>) => Deferred,
  signal: AbortSignal,
): Promise<boolean> {
  const all = Promise.all(Array.from(informers, (informer) => what(informer).promise));
  await Promise.race([all, aborted(signal)]);
  return !signal.aborted;
}

class SharedInformer<T extends KubeObject> implements Informer<T>, ReflectorSink<T> {
  readonly synced = new Deferred();
  /** Whether it has synced or has nothing to follow. */
  readonly settled = new Deferred();
  readonly #store = new CacheStore<T>();
  readonly #handlers: EventHandler<T>[] = [];
  readonly #options: InformersOptions;
  readonly #ref: ResourceRef<T>;
  readonly #select: InformerOptions;
  readonly #log: Logger;
  readonly #apiVersion: string;
  /** Absent where objects are kept as they come. */
  readonly #shared: SharedValues | undefined;
  #hasSynced = false;

  constructor(options: InformersOptions, what: { readonly ref: ResourceRef<T>; readonly select: InformerOptions }) {
    this.#options = options;
    this.#ref = what.ref;
    this.#select = what.select;
    this.#log = options.log.with({ resource: what.ref.resource });
    this.#apiVersion = apiVersionOf(what.ref);
    const isLean = options.isLean === true && options.client.transport.isLocal !== true;
    this.#shared = isLean ? new SharedValues() : undefined;
  }

  get lister(): Lister<T> {
    return this.#store;
  }

  hasSynced(): boolean {
    return this.#hasSynced;
  }

  addIndex(name: string, index: IndexFunction<T>): void {
    this.#store.addIndex(name, index);
  }

  addHandler(handler: EventHandler<T>): void {
    this.#handlers.push(handler);
    for (const object of this.#store.list()) this.#call(() => handler.added?.(object));
  }

  run(signal: AbortSignal): Promise<void> {
    const { client, clock, random } = this.#options;
    const resource = client.resource(this.#ref);
    const { isLocal } = client.transport;
    const options = { resource, select: this.#select, sink: this, clock, random, log: this.#log, isLocal };
    return runReflector(options, signal);
  }

  replace(objects: readonly T[]): void {
    const gone = new Set(this.#store.keys());
    for (const object of objects) gone.delete(objectKey(object));
    for (const key of gone) this.#remove(key, undefined);
    for (const object of objects) this.set(object);
    if (this.#hasSynced) return;
    this.#hasSynced = true;
    this.synced.resolve();
    this.settled.resolve();
  }

  absent(): void {
    this.settled.resolve();
  }

  set(received: T): void {
    const key = objectKey(received);
    const known = this.#store.get(key);
    const isSame =
      known !== undefined &&
      known.metadata?.uid === received.metadata?.uid &&
      known.metadata?.resourceVersion === received.metadata?.resourceVersion;
    if (isSame) return;
    const object = this.#completed(received, known);
    if (known !== undefined && known.metadata?.uid !== object.metadata?.uid) {
      // The name was given to another object while nobody watched: the old one is gone.
      this.#remove(key, undefined);
    }
    const previous = this.#store.set(object, key);
    for (const handler of this.#handlers) this.#tell(handler, previous, object);
  }

  /** The object as it is kept: of what came over a network, with what its spec has in common with the state before, which somebody may still hold, and with others. */
  #completed(received: T, known: T | undefined): T {
    const object =
      received.kind === undefined ? { ...received, apiVersion: this.#apiVersion, kind: this.#ref.kind } : received;
    const shared = this.#shared;
    if (shared === undefined) return object;
    const { managedFields: _, ...metadata } = object.metadata ?? {};
    const lean = { ...object, metadata };
    const [spec, before] = [specOf(object), known && specOf(known)];
    return spec === undefined ? lean : { ...lean, spec: shared.of(spec, before) };
  }

  /** As `#call`, without a function for each change. */
  #tell(handler: EventHandler<T>, previous: T | undefined, object: T): void {
    try {
      if (previous === undefined) handler.added?.(object);
      else handler.updated?.(previous, object);
    } catch (error) {
      this.#log.error('Event handler failed', { error });
    }
  }

  delete(object: T): void {
    this.#remove(objectKey(object), object);
  }

  /** `last` is the final state as the server told it; without it, handlers get the last state that was known. */
  #remove(key: string, last: T | undefined): void {
    const previous = this.#store.delete(key);
    if (previous === undefined) return;
    const object =
      last === undefined
        ? previous
        : last.kind === undefined
          ? { ...last, apiVersion: this.#apiVersion, kind: this.#ref.kind }
          : last;
    for (const handler of this.#handlers) this.#call(() => handler.deleted?.(object));
  }

  /** A handler's bug must not stop the others nor the watch. */
  #call(handler: () => void): void {
    try {
      handler();
    } catch (error) {
      this.#log.error('Event handler failed', { error });
    }
  }
}

function specOf(object: KubeObject): JsonObject | undefined {
  return 'spec' in object && isObject(object.spec) ? object.spec : undefined;
}
