/**
 * Keeps pods that have names of their own, one after the other. Names are the guard against making a pod twice: there is no more than one pod of
 * a number, whatever the state of this controller's copies. Upstream counterpart: `pkg/controller/statefulset`.
 */
import type { ControllerRevision, StatefulSet } from '#pkg/api/types/apps-v1.ts';
import type { PersistentVolumeClaim, Pod } from '#pkg/api/types/core-v1.ts';
import { controllerRevisions, persistentVolumeClaims, pods, statefulSets } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { compiledLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { controllerOf, objectKey } from '#pkg/apimachinery/object.ts';
import type { Informer } from '#pkg/client/informer.ts';
import { isNamespaceTerminating } from '#pkg/client/refusals.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { claim, followOwned } from '../common/adoption.ts';
import { type ControllerContext, createLoop, type Loop } from '../common/controller.ts';
import { withoutNoughts } from '../common/counts.ts';
import { FailedPods } from '../common/failed-pods.ts';
import { LastWrites } from '../common/last-writes.ts';
import { indexByController, orphanPods, podsOf } from '../common/pod.ts';
import { claimRevisions, indexRevisions, pruneRevisions } from '../common/revisions.ts';
import { type Revisions, revisionsOf } from './history.ts';
import { ordinalOf, revisionOf } from './identity.ts';
import { type StatusInput, statefulStatus } from './status.ts';
import { makeStep, type StepResult } from './update.ts';

/** Sets worked on at the same time. */
const workers = 5;
/** Longest time that a failed pod is left where it is: as long as a container that crashes waits. (Upstream makes it anew at once, again and again.) */
const failedDelayMsMax = 5 * 60_000;

/** The StatefulSet controller. */
export function createStatefulSetController(context: ControllerContext): Component {
  return new StatefulSetController(context);
}

class StatefulSetController implements Component {
  readonly #context: ControllerContext;
  readonly #events;
  readonly #sets: Informer<StatefulSet>;
  readonly #revisions: Informer<ControllerRevision>;
  readonly #pods: Informer<Pod>;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #failedPods = new FailedPods(failedDelayMsMax);
  readonly #writes = new LastWrites();
  readonly #loop: Loop;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#events = context.recorder('statefulset-controller');
    this.#sets = context.informers.informer(statefulSets);
    this.#revisions = context.informers.informer(controllerRevisions);
    this.#pods = context.informers.informer(pods);
    this.#claims = context.informers.informer(persistentVolumeClaims);
    this.#loop = createLoop(context, { name: 'statefulset', workers, reconcile: (key, s) => this.#reconcile(key, s) });
    indexByController(this.#pods);
    indexRevisions(this.#revisions);
    this.#sets.addHandler({
      added: (set) => this.#loop.queue.add(objectKey(set)),
      updated: (_, set) => this.#loop.queue.add(objectKey(set)),
      deleted: (set) => this.#forget(set),
    });
    followOwned(this.#pods, (pod) => this.#enqueueOwner(pod));
    // A pod may wait for the claim of an earlier one to be gone.
    this.#claims.addHandler({ deleted: (gone) => this.#claimDeleted(gone) });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }

  #forget(set: StatefulSet): void {
    this.#writes.forget(objectKey(set));
    this.#failedPods.forget(set.metadata?.uid ?? '');
  }

  /** The set of a pod, or of an orphan every set that may take it. */
  #enqueueOwner(pod: Pod): void {
    const reference = controllerOf(pod);
    const namespace = pod.metadata?.namespace ?? '';
    if (reference !== undefined) {
      const key = `${namespace}/${reference.name}`;
      const isSame = this.#sets.lister.get(key)?.metadata?.uid === reference.uid;
      if (reference.kind === 'StatefulSet' && isSame) this.#loop.queue.add(key);
      return;
    }
    for (const set of this.#sets.lister.list(namespace)) {
      if (isMember(pod, set)) this.#loop.queue.add(objectKey(set));
    }
  }

  #claimDeleted({ metadata }: PersistentVolumeClaim): void {
    for (const set of this.#sets.lister.list(metadata?.namespace ?? '')) {
      const prefixes = (set.spec?.volumeClaimTemplates ?? []).map(
        (one) => `${one.metadata?.name}-${set.metadata?.name}-`,
      );
      if (prefixes.some((prefix) => metadata?.name?.startsWith(prefix))) this.#loop.queue.add(objectKey(set));
    }
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const set = this.#sets.lister.get(key);
    if (set === undefined || this.#writes.isBehind(key, set)) return undefined;
    const { client } = this.#context;
    const owner = { client, owner: set, ownerRef: statefulSets, signal };
    const selector = compiledLabelSelector(set.spec?.selector);
    const matches = ({ metadata }: ControllerRevision): boolean => selector.matches(metadata?.labels);
    const known = await claimRevisions(this.#revisions, { ...owner, matches });
    const { uid = '', namespace = '' } = set.metadata ?? {};
    const candidates = [...podsOf(this.#pods, uid), ...orphanPods(this.#pods, namespace)];
    const claimed = await claim(candidates, { ...owner, ref: pods, matches: (pod) => isMember(pod, set) });
    const revisions = await revisionsOf(client, set, known);
    const input = { set, pods: claimed, revisions, nowMs: this.#context.clock.nowMs() };
    const { step, failed } = await this.#step(input);
    const availableMs = await this.#writeStatus(key, { ...input, updating: step.updating });
    if (failed !== undefined) throw failed.error;
    await this.#prune(input, known);
    const due = [availableMs, step.dueMs].filter((ms) => ms !== undefined);
    return due.length === 0 ? undefined : { requeueAfterMs: Math.min(...due) };
  }

  async #step(
    input: Omit<StatusInput, 'updating'>,
  ): Promise<{ readonly step: StepResult; readonly failed?: { readonly error: unknown } }> {
    const none: StepResult = { updating: new Set(), dueMs: undefined };
    if (input.set.metadata?.deletionTimestamp !== undefined) return { step: none };
    const { client } = this.#context;
    const context = { client, events: this.#events, claims: this.#claims.lister, failedPods: this.#failedPods };
    try {
      return { step: await makeStep(context, input) };
    } catch (error) {
      return isNamespaceTerminating(error) ? { step: none } : { step: none, failed: { error } };
    }
  }

  /** Milliseconds until a pod becomes available by time alone. */
  async #writeStatus(key: string, input: StatusInput): Promise<number | undefined> {
    const { set } = input;
    const { status, nextAvailableMs } = statefulStatus(input);
    const written = withoutNoughts(status, ['replicas', 'availableReplicas', 'collisionCount']);
    if (!deepEqual(set.status, written)) {
      const answer = await this.#context.client
        .resource(statefulSets)
        .update({ ...set, status: written }, { subresource: 'status' });
      this.#writes.wrote(key, answer);
      if (this.#sets.lister.get(key) === undefined) this.#writes.forget(key);
    }
    return nextAvailableMs;
  }

  async #prune(
    {
      set,
      pods: claimed,
      revisions,
    }: { readonly set: StatefulSet; readonly pods: readonly Pod[]; readonly revisions: Revisions },
    known: readonly ControllerRevision[],
  ): Promise<void> {
    const keep = set.spec?.revisionHistoryLimit ?? 10;
    const live = new Set([
      revisions.current.metadata?.name,
      revisions.update.metadata?.name,
      ...claimed.map(revisionOf),
    ]);
    const isLive = ({ metadata }: ControllerRevision): boolean => live.has(metadata?.name);
    await pruneRevisions(this.#context.client, known, { keep, isLive });
  }
}

/** Whether a pod is selected and has a name of the set's. */
function isMember(pod: Pod, set: StatefulSet): boolean {
  const selector = compiledLabelSelector(set.spec?.selector);
  return !selector.isEmpty && selector.matches(pod.metadata?.labels) && ordinalOf(pod, set) !== undefined;
}
