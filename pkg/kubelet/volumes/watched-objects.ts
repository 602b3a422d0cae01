/**
 * ConfigMaps and Secrets that running pods mount, each watched by itself while any pod uses it: a node may read only
 * what its pods refer to. Upstream counterpart: kubelet `util/manager/watch_based_manager.go`.
 */
import type { ConfigMap, Secret } from '#pkg/api/types/core-v1.ts';
import { configMaps, secrets } from '#pkg/api/types/refs.ts';
import type { ResourceRef } from '#pkg/apimachinery/object.ts';
import { Deferred } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import { runReflector } from '#pkg/client/reflector.ts';

/** The kinds that pods mount. */
export type WatchedKind = 'configmap' | 'secret';

/** By which client objects are watched, and who hears of them. */
export interface WatchedObjectsDeps {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** An object that this pod uses has changed. */
  onChange(podUid: string): void;
}

interface Entry {
  readonly users: Set<string>;
  readonly stop: AbortController;
  readonly first: Deferred;
  object: ConfigMap | Secret | undefined;
}

/** The objects of one node. */
export class WatchedObjects {
  readonly #deps: WatchedObjectsDeps;
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(deps: WatchedObjectsDeps) {
    this.#deps = deps;
  }

  /** The object as last seen, once it was looked for; undefined when it does not exist. The pod uses it from now on. */
  async use(
    podUid: string,
    kind: WatchedKind,
    key: { readonly namespace: string; readonly name: string },
  ): Promise<ConfigMap | Secret | undefined> {
    const id = `${kind}/${key.namespace}/${key.name}`;
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = { users: new Set(), stop: new AbortController(), first: new Deferred(), object: undefined };
      this.#entries.set(id, entry);
      if (this.#closed) entry.first.resolve();
      else this.#watch(kind === 'configmap' ? configMaps : secrets, key, entry);
    }
    entry.users.add(podUid);
    await entry.first.promise;
    return entry.object;
  }

  /** The pod uses nothing any more. */
  release(podUid: string): void {
    for (const [id, entry] of this.#entries) {
      if (!entry.users.delete(podUid) || entry.users.size > 0) continue;
      this.#entries.delete(id);
      entry.stop.abort();
      entry.first.resolve();
    }
  }

  /** Ends all watches; resolves when the last has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const entry of this.#entries.values()) {
      entry.stop.abort();
      entry.first.resolve();
    }
    this.#entries.clear();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #watch(
    ref: ResourceRef<ConfigMap> | ResourceRef<Secret>,
    key: { namespace: string; name: string },
    entry: Entry,
  ): void {
    const { client, clock, random, log, onChange } = this.#deps;
    const apply = (object: ConfigMap | Secret | undefined): void => {
      const changed = entry.object?.metadata?.resourceVersion !== object?.metadata?.resourceVersion;
      entry.object = object;
      entry.first.resolve();
      if (changed) for (const podUid of entry.users) onChange(podUid);
    };
    const running = runReflector<ConfigMap | Secret>(
      {
        resource: client.resource<ConfigMap | Secret>(ref),
        select: { namespace: key.namespace, fieldSelector: `metadata.name=${key.name}` },
        clock,
        random,
        log,
        isLocal: client.transport.isLocal,
        sink: {
          replace: (objects) => apply(objects.find(({ metadata }) => metadata?.name === key.name)),
          set: (object) => {
            if (object.metadata?.name === key.name) apply(object);
          },
          delete: (object) => {
            if (object.metadata?.name === key.name) apply(undefined);
          },
        },
      },
      entry.stop.signal,
    ).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}
