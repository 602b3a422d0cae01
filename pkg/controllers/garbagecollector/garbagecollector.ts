/**
 * Deletes what has no owner left, in the way its owner's deletion asked for: in the background, in the foreground (dependents first) or not
 * at all (orphans). The graph only says where to look; each decision is made on what the server says at that moment.
 * Upstream counterpart: `pkg/controller/garbagecollector`.
 */
import { leases, nodes } from '#pkg/api/types/refs.ts';
import { apiVersionOf, type KubeObject, type OwnerReference, type ResourceRef } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { listInPages } from '#pkg/client/list-pages.ts';
import type { Component } from '#pkg/component/component.ts';
import { forEachLimited, requestsInFlightMax } from '../common/concurrency.ts';
import { type ControllerContext, createLoop, type Loop } from '../common/controller.ts';
import { foregroundFinalizer, type GraphNode, OwnerGraph, orphanFinalizer } from './graph.ts';
import { Monitors } from './monitors.ts';

/** Objects looked at at the same time. */
const workers = 10;
/** Owners remembered as absent, by where they were looked for, so that a thousand pods of one deleted set ask for it once. */
const absentOwnersMax = 500;

/**
 * How long an owner that was named may stay unseen before the server is asked for it: as long as the watch of an owner that was just made may be behind that of its dependents, or,
 * while not every resource is watched, longer than that takes, so that a start with thousands of objects does not ask for each of their owners.
 */
const verifyDelayMs = { synced: 100, starting: 5_000 } as const;

type OwnerState = 'solid' | 'dangling' | 'waiting' | 'unresolvable';

/** The garbage collector. */
export function createGarbageCollector(context: ControllerContext): Component {
  return new GarbageCollector(context);
}

class GarbageCollector implements Component {
  readonly #context: ControllerContext;
  readonly #graph: OwnerGraph;
  readonly #monitors: Monitors;
  readonly #deleting: Loop;
  readonly #orphaning: Loop;
  readonly #verifying: Loop;
  readonly #leases: Loop;
  readonly #absentOwners = new Set<string>();
  readonly #events;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#events = context.recorder('garbage-collector-controller');
    this.#deleting = createLoop(context, {
      name: 'garbagecollector',
      workers,
      reconcile: async (uid, signal) => {
        await this.#attemptToDelete(uid, signal);
        return undefined;
      },
    });
    this.#orphaning = createLoop(context, {
      name: 'garbagecollector-orphan',
      workers,
      reconcile: async (uid, signal) => {
        await this.#attemptToOrphan(uid, signal);
        return undefined;
      },
    });
    this.#verifying = createLoop(context, {
      name: 'garbagecollector-verify',
      workers: 1,
      reconcile: async (uid) => {
        if (this.#graph.hasUnseenOwner(uid)) this.#deleting.queue.add(uid);
        return undefined;
      },
    });
    this.#leases = createLoop(context, {
      name: 'garbagecollector-leases',
      workers: 1,
      reconcile: async (uid, signal) => {
        await this.#observeLeases(uid, signal);
        return undefined;
      },
    });
    this.#graph = new OwnerGraph({
      attemptToDelete: (uid) => this.#deleting.queue.add(uid),
      verifyOwners: (uid) =>
        this.#verifying.queue.addAfter(uid, verifyDelayMs[this.#monitors.areSynced ? 'synced' : 'starting']),
      misplacedOwner: (node, owner) => this.#sayMisplaced(node, owner),
      removed: (node) => {
        if (node.ref?.resource === nodes.resource && node.ref.group === nodes.group) this.#leases.queue.add(node.uid);
      },
      attemptToOrphan: (uid) => this.#orphaning.queue.add(uid),
    });
    this.#monitors = new Monitors(context, this.#graph);
  }

  async run(signal: AbortSignal): Promise<void> {
    const loops = [this.#deleting, this.#orphaning, this.#verifying, this.#leases].map((loop) => loop.run(signal));
    await Promise.all([this.#monitors.run(signal), ...loops]);
  }

  async #attemptToDelete(uid: string, signal: AbortSignal): Promise<void> {
    const node = this.#graph.get(uid);
    if (node?.ref === undefined) return;
    if (node.isBeingDeleted && !node.isDeletingDependents) return;
    const latest = await this.#get(node.ref, node);
    if (latest?.metadata?.uid !== uid) {
      this.#graph.remove(uid);
      return;
    }
    if (node.isDeletingDependents) return this.#finishForeground(node, latest);
    const owners = latest.metadata.ownerReferences ?? [];
    if (owners.length === 0) return;
    const states = new Map<OwnerState, OwnerReference[]>();
    for (const owner of owners) {
      const state = await this.#stateOf(owner, { node, signal });
      states.set(state, [...(states.get(state) ?? []), owner]);
    }
    const solid = [...(states.get('solid') ?? []), ...(states.get('unresolvable') ?? [])];
    const waiting = states.get('waiting') ?? [];
    if (solid.length > 0) {
      if (solid.length < owners.length) await this.#setOwners(node.ref, latest, solid);
      return;
    }
    if (waiting.length > 0 && node.dependents.size > 0) return this.#deleteInForeground(node, latest);
    const finalizers = latest.metadata.finalizers ?? [];
    const policy = finalizers.includes(orphanFinalizer)
      ? 'Orphan'
      : finalizers.includes(foregroundFinalizer)
        ? 'Foreground'
        : 'Background';
    await this.#delete(node.ref, latest, policy);
  }

  /** What the server says of one owner of an object. */
  async #stateOf(
    owner: OwnerReference,
    dependent: { readonly node: GraphNode; readonly signal: AbortSignal },
  ): Promise<OwnerState> {
    const ref = await this.#monitors.resourceOf(owner, dependent.signal);
    if (ref === undefined) throw new Error(`Cannot look up owner ${owner.kind} of ${owner.apiVersion}: not served`);
    // What has no namespace cannot be owned by what has one: there is no telling which it means, so nothing is done.
    if (ref.namespaced && dependent.node.namespace === '') return 'unresolvable';
    const namespace = ref.namespaced ? dependent.node.namespace : '';
    // The uid alone will not do: an owner that is absent where one dependent looks for it may be there for others.
    const place = [owner.apiVersion, owner.kind, namespace, owner.name, owner.uid].join('\0');
    if (this.#absentOwners.has(place)) return 'dangling';
    const found = await this.#get(ref, { name: owner.name, namespace });
    if (found?.metadata?.uid !== owner.uid) {
      this.#rememberAbsent(place);
      return 'dangling';
    }
    const isGoing = found.metadata.deletionTimestamp !== undefined;
    return isGoing && found.metadata.finalizers?.includes(foregroundFinalizer) ? 'waiting' : 'solid';
  }

  /** Lets an owner go once no dependent blocks it; until then sees to the dependents. */
  async #finishForeground(node: GraphNode, latest: KubeObject): Promise<void> {
    const blocking: GraphNode[] = [];
    for (const uid of node.dependents) {
      const dependent = this.#graph.get(uid);
      const reference = dependent?.owners.find((owner) => owner.uid === node.uid);
      if (dependent !== undefined && reference?.blockOwnerDeletion === true) blocking.push(dependent);
    }
    if (blocking.length === 0) return this.#removeFinalizer(node.ref!, latest, foregroundFinalizer);
    for (const dependent of blocking) if (!dependent.isDeletingDependents) this.#deleting.queue.add(dependent.uid);
  }

  async #deleteInForeground(node: GraphNode, latest: KubeObject): Promise<void> {
    const isCircular = [...node.dependents].some((uid) => this.#graph.get(uid)?.isDeletingDependents);
    let current = latest;
    if (isCircular) {
      // Two that wait for each other would wait for ever: this one stops blocking its owners.
      const owners = (latest.metadata?.ownerReferences ?? []).map((owner) => ({ ...owner, blockOwnerDeletion: false }));
      current = await this.#setOwners(node.ref!, latest, owners);
    }
    await this.#delete(node.ref!, current, 'Foreground');
  }

  /** Sees to what is not watched: a node's leases go with it. */
  async #observeLeases(owner: string, signal: AbortSignal): Promise<void> {
    const { items } = await listInPages(this.#context.client.resource(leases), { resourceVersion: '0', signal });
    for (const lease of items)
      if (lease.metadata?.ownerReferences?.some(({ uid }) => uid === owner)) this.#graph.observe(leases, lease);
  }

  async #attemptToOrphan(uid: string, signal: AbortSignal): Promise<void> {
    const node = this.#graph.get(uid);
    if (node?.ref === undefined) return;
    await forEachLimited([...node.dependents].sort(), requestsInFlightMax, (dependent) => {
      signal.throwIfAborted();
      return this.#disown(dependent, uid);
    });
    const owner = await this.#get(node.ref, node);
    if (owner?.metadata?.uid === uid) await this.#removeFinalizer(node.ref, owner, orphanFinalizer);
  }

  /** Takes an owner from a dependent's references. */
  async #disown(uid: string, ownerUid: string): Promise<void> {
    const dependent = this.#graph.get(uid);
    if (dependent?.ref === undefined) return;
    const latest = await this.#get(dependent.ref, dependent);
    if (latest?.metadata?.uid !== uid) return;
    const owners = latest.metadata.ownerReferences ?? [];
    const others = owners.filter((owner) => owner.uid !== ownerUid);
    if (others.length < owners.length) await this.#setOwners(dependent.ref, latest, others);
  }

  async #get(ref: ResourceRef, what: { name: string; namespace: string }): Promise<KubeObject | undefined> {
    try {
      return await this.#context.client.resource(ref).get(what.name, { namespace: what.namespace });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** At the version that was judged: who got an owner since is not deleted but looked at again. */
  async #delete(ref: ResourceRef, object: KubeObject, policy: 'Background' | 'Foreground' | 'Orphan'): Promise<void> {
    const { name = '', namespace = '', uid = '', resourceVersion = '' } = object.metadata ?? {};
    try {
      await this.#context.client
        .resource(ref)
        .delete(name, { namespace, propagationPolicy: policy, preconditions: { uid, resourceVersion } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** A merge patch at one version: a change in between is a conflict, which the queue tries again. */
  #setOwners(ref: ResourceRef, object: KubeObject, ownerReferences: readonly OwnerReference[]): Promise<KubeObject> {
    const { name = '', namespace = '', resourceVersion, uid } = object.metadata ?? {};
    const patch = {
      metadata: { uid, resourceVersion, ownerReferences: ownerReferences.length === 0 ? null : ownerReferences },
    };
    return this.#context.client.resource(ref).patch(name, patch, { namespace, type: 'merge' });
  }

  async #removeFinalizer(ref: ResourceRef, object: KubeObject, finalizer: string): Promise<void> {
    const { name = '', namespace = '', resourceVersion, uid, finalizers = [] } = object.metadata ?? {};
    if (!finalizers.includes(finalizer)) return;
    const left = finalizers.filter((entry) => entry !== finalizer);
    const patch = { metadata: { uid, resourceVersion, finalizers: left.length === 0 ? null : left } };
    try {
      await this.#context.client.resource(ref).patch(name, patch, { namespace, type: 'merge' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  #sayMisplaced({ uid, name, namespace, ref }: GraphNode, owner: OwnerReference): void {
    if (ref === undefined) return;
    const dependent = { apiVersion: apiVersionOf(ref), kind: ref.kind, metadata: { name, namespace, uid } };
    const identity = `[${owner.apiVersion}/${owner.kind}, namespace: ${namespace}, name: ${owner.name}, uid: ${owner.uid}]`;
    const message = `ownerRef ${identity} does not exist in namespace "${namespace}"`;
    this.#events.record(dependent, { type: 'Warning', reason: 'OwnerRefInvalidNamespace', message });
  }

  #rememberAbsent(place: string): void {
    this.#absentOwners.add(place);
    if (this.#absentOwners.size <= absentOwnersMax) return;
    for (const oldest of this.#absentOwners) {
      this.#absentOwners.delete(oldest);
      return;
    }
  }
}
