/**
 * Keeps one pod of a template on every node that is fit for it, and rolls them from template to template.
 *
 * Invariant: while expectations of a key are open (pods asked for but not yet seen) no pod of it is created or deleted.
 * Upstream counterpart: `pkg/controller/daemon`.
 */
import type { ControllerRevision, DaemonSet, DaemonSetStatus } from '#pkg/api/types/apps-v1.ts';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { controllerRevisions, daemonSets, nodes, pods } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { compiledLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { controllerOf, objectKey } from '#pkg/apimachinery/object.ts';
import { Expectations } from '#pkg/client/expectations.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { claim } from '../common/adoption.ts';
import { forEachLimited, requestsInFlightMax } from '../common/concurrency.ts';
import { type ControllerContext, createLoop, type Loop } from '../common/controller.ts';
import { withoutNoughts } from '../common/counts.ts';
import { FailedPods } from '../common/failed-pods.ts';
import { LastWrites } from '../common/last-writes.ts';
import { indexByController, orphanPods, podsOf } from '../common/pod.ts';
import { createPod, deletePod } from '../common/pod-control.ts';
import { claimRevisions, indexRevisions } from '../common/revisions.ts';
import { createInGrowingBatches } from '../common/slow-start.ts';
import { type History, historyOf, pruneHistory } from './history.ts';
import { placer, templatesFor } from './placement.ts';
import { groupByNode, type Plan, type PlanInput, planNodes, planUpdate } from './plan.ts';
import { daemonStatus } from './status.ts';

/** Sets worked on at the same time. */
const workers = 2;
/** Most pods created, and most deleted, in one go. Source: upstream `BurstReplicas`. */
const burstMax = 250;
/** Longest time that a failed daemon is left where it is. Source: upstream `BackoffGCInterval`'s back-off, 15 minutes. */
const failedDelayMsMax = 15 * 60_000;

/** The DaemonSet controller. */
export function createDaemonSetController(context: ControllerContext): Component {
  return new DaemonSetController(context);
}

class DaemonSetController implements Component {
  readonly #context: ControllerContext;
  readonly #events;
  readonly #sets: Informer<DaemonSet>;
  readonly #revisions: Informer<ControllerRevision>;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #expectations: Expectations;
  readonly #failedPods = new FailedPods(failedDelayMsMax);
  readonly #writes = new LastWrites();
  readonly #loop: Loop;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#events = context.recorder('daemonset-controller');
    this.#expectations = new Expectations(context.clock);
    this.#sets = context.informers.informer(daemonSets);
    this.#revisions = context.informers.informer(controllerRevisions);
    this.#pods = context.informers.informer(pods);
    this.#nodes = context.informers.informer(nodes);
    this.#loop = createLoop(context, { name: 'daemonset', workers, reconcile: (key, s) => this.#reconcile(key, s) });
    indexByController(this.#pods);
    indexRevisions(this.#revisions);
    this.#sets.addHandler({
      added: (set) => this.#loop.queue.add(objectKey(set)),
      updated: (_, set) => this.#loop.queue.add(objectKey(set)),
      deleted: (set) => this.#forget(set),
    });
    this.#revisions.addHandler({
      added: (revision) => this.#enqueueOwner(revision),
      updated: (_, revision) => this.#enqueueOwner(revision),
      deleted: (revision) => this.#enqueueOwner(revision),
    });
    this.#pods.addHandler({
      added: (pod) => this.#podAdded(pod),
      updated: (previous, pod) => this.#podUpdated(previous, pod),
      deleted: (pod) => this.#podDeleted(pod),
    });
    this.#nodes.addHandler({
      added: (node) => this.#nodeChanged(undefined, node),
      updated: (previous, node) => this.#nodeChanged(previous, node),
      deleted: (node) => this.#nodeChanged(node, undefined),
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }

  #forget(set: DaemonSet): void {
    this.#expectations.forget(objectKey(set));
    this.#writes.forget(objectKey(set));
    this.#failedPods.forget(set.metadata?.uid ?? '');
  }

  #ownerKey(object: ControllerRevision | Pod): string | undefined {
    const reference = controllerOf(object);
    if (reference?.kind !== 'DaemonSet') return undefined;
    const key = `${object.metadata?.namespace}/${reference.name}`;
    return this.#sets.lister.get(key)?.metadata?.uid === reference.uid ? key : undefined;
  }

  /** The owner, or of an orphan every set that may take it. */
  #enqueueOwner(object: ControllerRevision | Pod): void {
    const key = this.#ownerKey(object);
    if (key !== undefined) this.#loop.queue.add(key);
    if (controllerOf(object) !== undefined || object.metadata?.labels === undefined) return;
    for (const set of this.#sets.lister.list(object.metadata.namespace)) {
      if (matcherOf(set)(object)) this.#loop.queue.add(objectKey(set));
    }
  }

  #podAdded(pod: Pod): void {
    if (pod.metadata?.deletionTimestamp !== undefined) {
      this.#podDeleted(pod);
      return;
    }
    const key = this.#ownerKey(pod);
    if (key !== undefined) this.#expectations.creationObserved(key);
    this.#enqueueOwner(pod);
  }

  #podUpdated(previous: Pod, pod: Pod): void {
    if (pod.metadata?.deletionTimestamp !== undefined) this.#podDeleted(pod);
    const before = this.#ownerKey(previous);
    if (before !== undefined && before !== this.#ownerKey(pod)) this.#loop.queue.add(before);
    this.#enqueueOwner(pod);
  }

  #podDeleted(pod: Pod): void {
    const key = this.#ownerKey(pod);
    if (key === undefined) return;
    this.#expectations.deletionObserved(key, objectKey(pod));
    this.#loop.queue.add(key);
  }

  /** Only labels and taints decide; a node tells of its state much more often. */
  #nodeChanged(previous: Node | undefined, node: Node | undefined): void {
    const sets = this.#sets.lister.list();
    if (sets.length === 0) return;
    const isSame =
      previous !== undefined &&
      node !== undefined &&
      deepEqual(previous.metadata?.labels, node.metadata?.labels) &&
      deepEqual(previous.spec?.taints, node.spec?.taints);
    if (isSame) return;
    for (const set of sets) {
      const place = placer(set);
      const before = previous === undefined ? undefined : place(previous);
      const after = node === undefined ? undefined : place(node);
      const isChanged = before?.runs !== after?.runs || before?.stays !== after?.stays;
      if (isChanged && (before?.stays || after?.stays || before?.runs || after?.runs))
        this.#loop.queue.add(objectKey(set));
    }
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const set = this.#sets.lister.get(key);
    if (set === undefined || set.metadata?.deletionTimestamp !== undefined) return undefined;
    if (this.#writes.isBehind(key, set)) return undefined;
    if (compiledLabelSelector(set.spec?.selector).isEmpty) {
      const message = 'This daemon set is selecting all pods. A non-empty selector is required.';
      this.#events.record(set, { type: 'Warning', reason: 'SelectingAll', message });
      return undefined;
    }
    const { client } = this.#context;
    const owner = { client, owner: set, ownerRef: daemonSets, matches: matcherOf(set), signal };
    const revisions = await claimRevisions(this.#revisions, owner);
    const { uid = '', namespace = '' } = set.metadata ?? {};
    const candidates = [...podsOf(this.#pods, uid), ...orphanPods(this.#pods, namespace)];
    const claimed = await claim(candidates, { ...owner, ref: pods });
    const historyInput = { client, set, revisions, pods: claimed };
    const history = await historyOf(historyInput);
    const input: PlanInput = {
      set,
      nodes: this.#nodes.lister.list(),
      placementOn: placer(set),
      podsByNode: groupByNode(claimed),
      hash: history.hash,
      nowMs: this.#context.clock.nowMs(),
    };
    const isSeen = this.#expectations.satisfied(key);
    const due = new Due();
    const failed = isSeen ? await this.#act(key, input, due) : undefined;
    if (isSeen && failed === undefined) await pruneHistory(historyInput, history);
    due.in(await this.#writeStatus(key, input, { history, isSeen }));
    if (failed !== undefined) throw failed.error;
    const expiresInMs = this.#expectations.expiresInMs(key);
    if (expiresInMs > 0) due.in(expiresInMs);
    return due.ms === undefined ? undefined : { requeueAfterMs: due.ms };
  }

  async #act(key: string, input: PlanInput, due: Due): Promise<{ readonly error: unknown } | undefined> {
    const plan = planNodes(input, (pod, node) => this.#hasEnded(input, { pod, node, due }));
    // What comes of this brings the next look: an update judges by pods as they are then.
    if (plan.create.length + plan.remove.length > 0) return this.#carryOut(key, input, plan);
    if (input.set.spec?.updateStrategy?.type !== 'RollingUpdate') return undefined;
    return this.#carryOut(key, input, planUpdate(input));
  }

  #hasEnded({ set, nowMs }: PlanInput, at: { readonly pod: Pod; readonly node: string; readonly due: Due }): boolean {
    const { name, namespace } = at.pod.metadata ?? {};
    if (at.pod.status?.phase === 'Succeeded') {
      const message = `Found succeeded daemon pod ${namespace}/${name} on node ${at.node}, will try to delete it`;
      this.#events.record(set, { type: 'Normal', reason: 'SucceededDaemonPod', message });
      return true;
    }
    const backoff = { uid: set.metadata?.uid ?? '', generation: set.status?.observedGeneration ?? 0, place: at.node };
    const waitMs = this.#failedPods.waitMs(backoff, nowMs);
    if (waitMs > 0) {
      at.due.in(waitMs);
      return false;
    }
    const message = `Found failed daemon pod ${namespace}/${name} on node ${at.node}, will try to kill it`;
    this.#events.record(set, { type: 'Warning', reason: 'FailedDaemonPod', message });
    return true;
  }

  async #carryOut(key: string, { set, hash }: PlanInput, plan: Plan): Promise<{ readonly error: unknown } | undefined> {
    const create = plan.create.slice(0, burstMax);
    const remove = plan.remove.slice(0, burstMax);
    if (create.length + remove.length === 0) return undefined;
    this.#expectations.expect(key, create.length, remove.map(objectKey));
    const { client, random } = this.#context;
    const control = { client, random, events: this.#events, owner: set, ownerRef: daemonSets };
    const templateFor = templatesFor(set, hash);
    const creations = await createInGrowingBatches(create, (node) => createPod(templateFor(node), control));
    for (let i = 0; i < creations.notCreated; i++) this.#expectations.creationObserved(key);
    let { failed } = creations;
    await forEachLimited(remove, requestsInFlightMax, async (pod) => {
      try {
        if (!(await deletePod(pod, control))) this.#expectations.deletionObserved(key, objectKey(pod));
      } catch (error) {
        this.#expectations.deletionObserved(key, objectKey(pod));
        failed ??= { error };
      }
    });
    return failed;
  }

  /** Milliseconds until a pod becomes available by time alone. */
  async #writeStatus(
    key: string,
    input: PlanInput,
    { history, isSeen }: { readonly history: History; readonly isSeen: boolean },
  ): Promise<number | undefined> {
    const { set } = input;
    const { status: numbers, nextAvailableMs } = daemonStatus(input, history.collisionCount);
    const observedGeneration = isSeen ? set.metadata?.generation : set.status?.observedGeneration;
    const status = { ...numbers, ...(observedGeneration === undefined ? {} : { observedGeneration }) };
    if (!deepEqual(comparable(set.status), comparable(status))) {
      const written = withoutNoughts(status, always);
      const answer = await this.#context.client
        .resource(daemonSets)
        .update({ ...set, status: written }, { subresource: 'status' });
      this.#writes.wrote(key, answer);
      if (this.#sets.lister.get(key) === undefined) this.#writes.forget(key);
    }
    return nextAvailableMs;
  }
}

/** Numbers that are written also when they are nought. */
const always = ['currentNumberScheduled', 'desiredNumberScheduled', 'numberMisscheduled', 'numberReady'] as const;

function comparable(status: DaemonSetStatus | undefined): unknown {
  return { updatedNumberScheduled: 0, numberAvailable: 0, numberUnavailable: 0, observedGeneration: 0, ...status };
}

function matcherOf({ spec }: DaemonSet): (object: ControllerRevision | Pod) => boolean {
  const selector = compiledLabelSelector(spec?.selector);
  return ({ metadata }) => !selector.isEmpty && selector.matches(metadata?.labels);
}

/** The earliest of several times to come. */
class Due {
  ms: number | undefined;

  in(ms: number | undefined): void {
    if (ms !== undefined) this.ms = Math.min(this.ms ?? ms, ms);
  }
}
