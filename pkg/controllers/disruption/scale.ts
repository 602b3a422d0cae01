/**
 * How many pods a workload is to have, as its budget counts them: by the controller of the pods, through a replica set by its Deployment, and of a
 * kind that is not built in by its `scale`. Upstream counterpart: `disruption.go` finders.
 */
import type { Deployment, ReplicaSet, StatefulSet } from '#pkg/api/types/apps-v1.ts';
import type { Pod, ReplicationController } from '#pkg/api/types/core-v1.ts';
import { deployments, replicaSets, replicationControllers, statefulSets } from '#pkg/api/types/refs.ts';
import { controllerOf, type OwnerReference, parseApiVersion } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';
import { discoverResources } from '#pkg/client/discovery.ts';
import type { Informer, Informers } from '#pkg/client/informer.ts';

/** What a budget counts with. */
export interface ExpectedScale {
  readonly count: number;
  /** Pods that no controller keeps. */
  readonly unmanaged: readonly Pod[];
}

type Scaled = Deployment | ReplicaSet | ReplicationController | StatefulSet;

/** Looks up scales. Throws, in words for an event, where the controller of a pod has none. */
export class Scales {
  readonly #client: Client;
  readonly #informers: Readonly<Record<string, Informer<Scaled>>>;

  constructor(client: Client, informers: Informers) {
    this.#client = client;
    this.#informers = {
      'apps/Deployment': informers.informer(deployments),
      'apps/ReplicaSet': informers.informer(replicaSets),
      'apps/StatefulSet': informers.informer(statefulSets),
      '/ReplicationController': informers.informer(replicationControllers),
    };
  }

  /** The pods that the controllers of these are to have in all. */
  async of(pods: readonly Pod[], signal: AbortSignal): Promise<ExpectedScale> {
    const unmanaged: Pod[] = [];
    const scales = new Map<string, number>();
    const asked = new Set<string>();
    for (const pod of pods) {
      const owner = controllerOf(pod);
      if (owner === undefined) unmanaged.push(pod);
      else if (!asked.has(owner.uid)) {
        asked.add(owner.uid);
        const namespace = pod.metadata?.namespace ?? '';
        const found = await this.#scaleOf(owner, { namespace, signal });
        if (found === undefined) throw new Error(`found no controllers for pod "${pod.metadata?.name}"`);
        scales.set(found.uid, found.replicas);
      }
    }
    return { count: [...scales.values()].reduce((sum, replicas) => sum + replicas, 0), unmanaged };
  }

  async #scaleOf(
    owner: OwnerReference,
    where: { readonly namespace: string; readonly signal: AbortSignal },
  ): Promise<{ readonly uid: string; readonly replicas: number } | undefined> {
    const { group = '' } = parseApiVersion(owner.apiVersion) ?? {};
    const informer = this.#informers[`${group}/${owner.kind}`];
    if (informer === undefined) return this.#askForScale(owner, { ...where, group });
    const object = informer.lister.get(`${where.namespace}/${owner.name}`);
    if (object?.metadata?.uid !== owner.uid) return undefined;
    const above = owner.kind === 'ReplicaSet' ? controllerOf(object) : undefined;
    if (above?.kind === 'Deployment') return this.#scaleOf(above, where);
    return { uid: owner.uid, replicas: object.spec?.replicas ?? 1 };
  }

  async #askForScale(
    owner: OwnerReference,
    { group, namespace, signal }: { readonly group: string; readonly namespace: string; readonly signal: AbortSignal },
  ): Promise<{ readonly uid: string; readonly replicas: number } | undefined> {
    const { resources } = await discoverResources(this.#client, signal);
    const found = resources.find(({ ref }) => ref.group === group && ref.kind === owner.kind);
    if (found === undefined) return undefined;
    try {
      const options = { namespace, subresource: 'scale', signal };
      const scale = (await this.#client.resource(found.ref).get(owner.name, options)) as Scaled;
      return scale.metadata?.uid === owner.uid ? { uid: owner.uid, replicas: scale.spec?.replicas ?? 0 } : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}
