/**
 * Keeps as many pods of a template as asked for; the loop of ReplicaSets and of ReplicationControllers.
 *
 * Invariant: while expectations of a key are open (pods asked for but not yet seen) no pod of it is created or deleted.
 * Upstream counterpart: `pkg/controller/replicaset`.
 */

import { isPodActive, isPodTerminating } from '#pkg/api/core/pod.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { compiledLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { controllerOf, objectKey } from '#pkg/apimachinery/object.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { Expectations } from '#pkg/client/expectations.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { claim } from '../common/adoption.ts';
import { forEachLimited, requestsInFlightMax } from '../common/concurrency.ts';
import { type ControllerContext, createLoop, type Loop } from '../common/controller.ts';
import { withoutNoughts } from '../common/counts.ts';
import { indexByController, orphanPods, podsOf } from '../common/pod.ts';
import { createPod, deletePod, type PodControlOptions } from '../common/pod-control.ts';
import { podsToDelete } from '../common/ranking.ts';
import { createInGrowingBatches } from '../common/slow-start.ts';
import type { ReplicaKind, ReplicaOwner } from './owner.ts';
import { replicaSetKind } from './owner.ts';
import { replicaStatus, type StatusInput } from './status.ts';

/** Most pods created or deleted in one reconcile, so that one large set does not starve the others. */
const burstMax = 500;
/** Sets worked on at the same time. */
const workers = 5;
const ownerIndex = 'controller';

/** The ReplicaSet controller. */
export function createReplicaSetController(context: ControllerContext): Component {
  return createReplicaController(context, replicaSetKind);
}

/** The controller of one kind that keeps replicas. */
export function createReplicaController(context: ControllerContext, kind: ReplicaKind): Component {
  return new ReplicaController(context, kind);
}

class ReplicaController implements Component {
  readonly #context: ControllerContext;
  readonly #kind: ReplicaKind;
  readonly #owners: Informer<ReplicaOwner>;
  readonly #pods: Informer<Pod>;
  readonly #expectations: Expectations;
  readonly #loop: Loop;
  readonly #events;

  constructor(context: ControllerContext, kind: ReplicaKind) {
    this.#context = context;
    this.#kind = kind;
    this.#events = context.recorder(kind.component);
    this.#expectations = new Expectations(context.clock);
    this.#owners = context.informers.informer(kind.ref);
    this.#pods = context.informers.informer(pods);
    this.#loop = createLoop(context, { name: kind.name, workers, reconcile: (key, s) => this.#reconcile(key, s) });
    indexByController(this.#pods);
    this.#owners.addIndex(ownerIndex, (owner) => [controllerOf(owner)?.uid ?? objectKey(owner)]);
    this.#owners.addHandler({
      added: (owner) => this.#loop.queue.add(objectKey(owner)),
      updated: (_, owner) => this.#loop.queue.add(objectKey(owner)),
      // Another of this name may follow at once: what was expected of the one that is gone will not come.
      deleted: (owner) => this.#expectations.forget(objectKey(owner)),
    });
    this.#pods.addHandler({
      added: (pod) => this.#podAdded(pod),
      updated: (previous, pod) => this.#podUpdated(previous, pod),
      deleted: (pod) => this.#podDeleted(pod),
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }

  /** The key of the set that controls a pod, if it is of this kind and still the same object. */
  #ownerKey(pod: Pod): string | undefined {
    const reference = controllerOf(pod);
    if (reference === undefined || reference.kind !== this.#kind.ref.kind) return undefined;
    const key = `${pod.metadata?.namespace}/${reference.name}`;
    return this.#owners.lister.get(key)?.metadata?.uid === reference.uid ? key : undefined;
  }

  #podAdded(pod: Pod): void {
    if (pod.metadata?.deletionTimestamp !== undefined) {
      this.#podDeleted(pod);
      return;
    }
    const key = this.#ownerKey(pod);
    if (key !== undefined) {
      this.#expectations.creationObserved(key);
      this.#loop.queue.add(key);
    } else if (controllerOf(pod) === undefined) this.#enqueueMatching(pod);
  }

  #podUpdated(previous: Pod, pod: Pod): void {
    if (pod.metadata?.deletionTimestamp !== undefined) this.#podDeleted(pod);
    const before = this.#ownerKey(previous);
    const after = this.#ownerKey(pod);
    if (before !== undefined && before !== after) this.#loop.queue.add(before);
    if (after !== undefined) this.#loop.queue.add(after);
    else if (controllerOf(pod) === undefined) this.#enqueueMatching(pod);
  }

  #podDeleted(pod: Pod): void {
    const key = this.#ownerKey(pod);
    if (key === undefined) return;
    this.#expectations.deletionObserved(key, objectKey(pod));
    this.#loop.queue.add(key);
  }

  /** An orphan may be adopted by any set whose selector it matches. */
  #enqueueMatching(pod: Pod): void {
    if (pod.metadata?.labels === undefined) return;
    for (const owner of this.#owners.lister.list(pod.metadata.namespace))
      if (this.#matcherOf(owner)(pod)) this.#loop.queue.add(objectKey(owner));
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const owner = this.#owners.lister.get(key);
    if (owner === undefined) return undefined;
    const mayAct = this.#expectations.satisfied(key);
    const active = await this.#claim(owner, signal);
    let failed: { readonly error: unknown } | undefined;
    if (mayAct && owner.metadata?.deletionTimestamp === undefined) {
      failed = await this.#manage(key, owner, active);
    }
    const nextAvailableMs = await this.#updateStatus({
      owner,
      active,
      terminating: this.#kind.countsTerminating ? this.#countTerminating(owner) : undefined,
      failure: failed === undefined ? undefined : failureOf(failed.error, active.length < (owner.spec?.replicas ?? 0)),
      nowMs: this.#context.clock.nowMs(),
    });
    if (failed !== undefined) throw failed.error;
    if (nextAvailableMs !== undefined) return { requeueAfterMs: nextAvailableMs };
    const expiresInMs = this.#expectations.expiresInMs(key);
    return expiresInMs > 0 ? { requeueAfterMs: expiresInMs } : undefined;
  }

  /** The active pods that the set controls, after adopting and releasing. */
  async #claim(owner: ReplicaOwner, signal: AbortSignal): Promise<readonly Pod[]> {
    const { uid = '', namespace = '' } = owner.metadata ?? {};
    const candidates = [...podsOf(this.#pods, uid), ...orphanPods(this.#pods, namespace)].filter(isPodActive);
    const { client } = this.#context;
    const matches = this.#matcherOf(owner);
    return claim(candidates, { client, ref: pods, owner, ownerRef: this.#kind.ref, matches, signal });
  }

  #countTerminating(owner: ReplicaOwner): number {
    const matches = this.#matcherOf(owner);
    return podsOf(this.#pods, owner.metadata?.uid ?? '').filter((pod) => isPodTerminating(pod) && matches(pod)).length;
  }

  /** Whether a pod is selected. A selector that is empty selects nothing: it would take every pod of the namespace. */
  #matcherOf(owner: ReplicaOwner): (pod: Pod) => boolean {
    const selector = compiledLabelSelector(this.#kind.selectorOf(owner));
    return (pod) => !selector.isEmpty && selector.matches(pod.metadata?.labels);
  }

  async #manage(
    key: string,
    owner: ReplicaOwner,
    active: readonly Pod[],
  ): Promise<{ readonly error: unknown } | undefined> {
    const { client, random } = this.#context;
    const control: PodControlOptions = {
      client,
      random,
      events: this.#events,
      owner,
      ownerRef: this.#kind.ref,
    };
    const missing = (owner.spec?.replicas ?? 1) - active.length;
    if (missing > 0) return this.#create(key, { count: Math.min(missing, burstMax), owner, control });
    if (missing < 0) {
      const options = { related: this.#related(owner), nowMs: this.#context.clock.nowMs() };
      return this.#delete(key, podsToDelete(active, Math.min(-missing, burstMax), options), control);
    }
    return undefined;
  }

  async #create(
    key: string,
    work: { readonly count: number; readonly owner: ReplicaOwner; readonly control: PodControlOptions },
  ): Promise<{ readonly error: unknown } | undefined> {
    this.#expectations.expectCreations(key, work.count);
    const { failed, notCreated } = await createInGrowingBatches(new Array<undefined>(work.count).fill(undefined), () =>
      createPod(work.owner.spec?.template, work.control),
    );
    for (let i = 0; i < notCreated; i++) this.#expectations.creationObserved(key);
    return failed;
  }

  async #delete(
    key: string,
    doomed: readonly Pod[],
    control: PodControlOptions,
  ): Promise<{ readonly error: unknown } | undefined> {
    this.#expectations.expectDeletions(key, doomed.map(objectKey));
    let failed: { readonly error: unknown } | undefined;
    await forEachLimited(doomed, requestsInFlightMax, async (pod) => {
      try {
        if (!(await deletePod(pod, control))) this.#expectations.deletionObserved(key, objectKey(pod));
      } catch (error) {
        this.#expectations.deletionObserved(key, objectKey(pod));
        failed ??= { error };
      }
    });
    return failed;
  }

  /** Active pods of all sets that share this one's controller. */
  #related(owner: ReplicaOwner): readonly Pod[] {
    const controller = controllerOf(owner);
    const siblings = controller === undefined ? [owner] : this.#owners.lister.byIndex(ownerIndex, controller.uid);
    return siblings.flatMap((sibling) => podsOf(this.#pods, sibling.metadata?.uid ?? '').filter(isPodActive));
  }

  async #updateStatus(input: StatusInput): Promise<number | undefined> {
    const { owner } = input;
    const { status, nextAvailableMs } = replicaStatus(input);
    if (deepEqual(comparable(owner.status), comparable(status))) return nextAvailableMs;
    const written = withoutNoughts(status, ['replicas', 'terminatingReplicas']);
    await this.#context.client
      .resource(this.#kind.ref)
      .update({ ...owner, status: written }, { subresource: 'status' });
    return nextAvailableMs;
  }
}

/** A status with absent counts as 0, as the server may keep either. */
function comparable(status: ReplicaOwner['status']): unknown {
  return {
    fullyLabeledReplicas: 0,
    readyReplicas: 0,
    availableReplicas: 0,
    conditions: [],
    ...status,
    replicas: status?.replicas ?? 0,
  };
}

function failureOf(error: unknown, isCreate: boolean): StatusInput['failure'] {
  const message = errorText(error);
  return { reason: isCreate ? 'FailedCreate' : 'FailedDelete', message };
}
