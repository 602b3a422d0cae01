/** Deletes what is in a namespace, kind by kind, and counts what is left. Upstream counterpart: `namespaced_resources_deleter.go`. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { isNotFound, reasonOf } from '#pkg/apimachinery/status-error.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Client } from '#pkg/client/client.ts';
import { type DiscoveredResource, discoverResources, groupResource } from '#pkg/client/discovery.ts';
import { listInPages } from '#pkg/client/list-pages.ts';

/** What one round has left. */
export interface ContentReport {
  /** Groups whose resources are not known: something may be left in them. */
  readonly undiscovered: readonly string[];
  /** What could not be deleted, and why. */
  readonly failures: readonly string[];
  /** Objects left by resource, such as `pods` (with its group, as `deployments.apps`). */
  readonly remaining: ReadonlyMap<string, number>;
  /** Objects held back by each finalizer. */
  readonly finalizers: ReadonlyMap<string, number>;
  /** Whether what is left are pods in their grace period. */
  readonly isGraceful: boolean;
}

/** Kinds whose deletecollection must not be asked: they are made anew, or are views of others. */
const skipped: ReadonlySet<string> = new Set(['bindings', 'localsubjectaccessreviews.authorization.k8s.io']);

/** One pass: asks for everything to be deleted, pods first and alone, and reports what is still there. */
export async function deleteContent(client: Client, namespace: string, signal: AbortSignal): Promise<ContentReport> {
  const discovery = await discoverResources(client, signal);
  const kinds = discovery.resources.filter(
    ({ ref, verbs }) =>
      ref.namespaced && verbs.includes('list') && verbs.includes('delete') && !skipped.has(groupResource(ref)),
  );
  const pass = new Pass(client, namespace, signal);
  const pods = kinds.find(({ ref }) => groupResource(ref) === 'pods');
  if (pods !== undefined) await pass.empty(pods);
  // Pods may need their Secrets, ConfigMaps and Services until they have ended.
  const podsAreGone = !pass.remaining.has('pods') && pass.failures.length === 0;
  if (podsAreGone) for (const kind of kinds) if (kind !== pods) await pass.empty(kind);
  return {
    undiscovered: discovery.failures.map(({ groupVersion, error }) => `${groupVersion}: ${errorText(error)}`),
    failures: pass.failures,
    remaining: pass.remaining,
    finalizers: pass.finalizers,
    isGraceful: pass.isGraceful,
  };
}

class Pass {
  readonly remaining = new Map<string, number>();
  readonly finalizers = new Map<string, number>();
  readonly failures: string[] = [];
  isGraceful = false;
  readonly #client: Client;
  readonly #namespace: string;
  readonly #signal: AbortSignal;

  constructor(client: Client, namespace: string, signal: AbortSignal) {
    this.#client = client;
    this.#namespace = namespace;
    this.#signal = signal;
  }

  async empty(kind: DiscoveredResource): Promise<void> {
    try {
      if ((await this.#list(kind)).length === 0) return;
      await this.#deleteAll(kind);
      this.#count(kind, await this.#list(kind));
    } catch (error) {
      this.#signal.throwIfAborted();
      // A resource that went since it was discovered, with its objects.
      if (isNotFound(error)) return;
      this.failures.push(errorText(error));
    }
  }

  async #list(kind: DiscoveredResource): Promise<readonly KubeObject[]> {
    const { items } = await listInPages(this.#client.resource(kind.ref), {
      namespace: this.#namespace,
      signal: this.#signal,
    });
    return items;
  }

  async #deleteAll(kind: DiscoveredResource): Promise<void> {
    const resource = this.#client.resource(kind.ref);
    const options = { namespace: this.#namespace, propagationPolicy: 'Background', signal: this.#signal } as const;
    if (kind.verbs.includes('deletecollection')) {
      try {
        await resource.deleteCollection(options);
        return;
      } catch (error) {
        if (reasonOf(error) !== 'MethodNotAllowed') throw error;
      }
    }
    for (const object of await this.#list(kind)) {
      if (object.metadata?.deletionTimestamp !== undefined) continue;
      try {
        await resource.delete(object.metadata?.name ?? '', options);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  }

  #count(kind: DiscoveredResource, left: readonly KubeObject[]): void {
    if (left.length === 0) return;
    const name = groupResource(kind.ref);
    this.remaining.set(name, left.length);
    if (name === 'pods') this.isGraceful = true;
    for (const object of left)
      for (const finalizer of object.metadata?.finalizers ?? [])
        this.finalizers.set(finalizer, (this.finalizers.get(finalizer) ?? 0) + 1);
  }
}
