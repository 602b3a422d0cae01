/**
 * One step of a stateful set towards what it is to be: pods come in order of their numbers and go in the opposite order, each when those before
 * it work; with the policy Parallel they do not wait for each other. Upstream counterpart: `stateful_set_control.go` `updateStatefulSet`.
 */
import type { StatefulSet } from '#pkg/api/types/apps-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods as podsRef } from '#pkg/api/types/refs.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { isNamespaceTerminating } from '#pkg/client/refusals.ts';
import type { FailedPods } from '../common/failed-pods.ts';
import { availableInMs } from '../common/pod.ts';
import { scaled } from '../common/rounding.ts';
import { createInGrowingBatches } from '../common/slow-start.ts';
import { type ClaimsContext, hasStaleClaim, makeClaims, ownClaims } from './claims.ts';
import { type Revisions, templateOf } from './history.ts';
import { isInRange, newPod, ordinalOf, podName, replicasOf, revisionOf, startOf, withIdentity } from './identity.ts';
import { isHealthy } from './status.ts';

/** What a step looks at. */
export interface StepInput {
  readonly set: StatefulSet;
  /** All pods of the set. */
  readonly pods: readonly Pod[];
  readonly revisions: Revisions;
  readonly nowMs: number;
}

/** Whether to go on with the next pod. */
type Outcome = 'go' | 'stop';

/** By which client pods and claims are made, and which pods have failed lately. */
export interface StepContext extends ClaimsContext {
  readonly failedPods: FailedPods;
}

/** What a step has done, and when the next is due by time alone. */
export interface StepResult {
  /** Pods that were deleted so that they are updated. */
  readonly updating: ReadonlySet<Pod>;
  /** Milliseconds until a failed pod may be made anew. */
  readonly dueMs: number | undefined;
}

/** Makes the step. Rejects with the first refusal. */
export async function makeStep(context: StepContext, input: StepInput): Promise<StepResult> {
  const step = new Step(context, input);
  await step.run();
  return step;
}

class Step implements StepResult {
  readonly updating = new Set<Pod>();
  dueMs: number | undefined;
  readonly #context: StepContext;
  readonly #input: StepInput;
  /** By their place, counted from the first number; undefined for one that is missing. */
  readonly #replicas: (Pod | undefined)[];
  /** Those that the set no longer wants, highest number first. */
  readonly #condemned: readonly Pod[];
  readonly #isOrdered: boolean;

  constructor(context: StepContext, input: StepInput) {
    this.#context = context;
    this.#input = input;
    const { set, pods } = input;
    this.#isOrdered = set.spec?.podManagementPolicy !== 'Parallel';
    this.#replicas = new Array<undefined>(replicasOf(set)).fill(undefined);
    const condemned: { readonly pod: Pod; readonly ordinal: number }[] = [];
    for (const pod of pods) {
      const ordinal = ordinalOf(pod, set);
      if (ordinal === undefined) continue;
      if (isInRange(ordinal, set)) this.#replicas[ordinal - startOf(set)] = pod;
      else condemned.push({ pod, ordinal });
    }
    this.#condemned = condemned.sort((a, b) => b.ordinal - a.ordinal).map(({ pod }) => pod);
  }

  async run(): Promise<void> {
    const places = [...this.#replicas.keys()];
    if ((await this.#forAll(places, (place) => this.#keep(place))) === 'stop') return;
    if ((await this.#forAll(this.#condemned, (pod) => this.#ownClaims(pod))) === 'stop') return;
    const firstUnhealthy = this.#firstUnhealthy();
    const outcome = await this.#forAll(this.#condemned, (pod) => this.#condemn(pod, firstUnhealthy));
    if (outcome === 'go' && this.#input.set.spec?.updateStrategy?.type !== 'OnDelete') await this.#update();
  }

  async #forAll<T>(items: readonly T[], work: (item: T) => Promise<Outcome>): Promise<Outcome> {
    if (!this.#isOrdered) {
      const { failed } = await createInGrowingBatches(items, work);
      if (failed !== undefined) throw failed.error;
      return 'go';
    }
    for (const item of items) if ((await work(item)) === 'stop') return 'stop';
    return 'go';
  }

  #isAvailable(pod: Pod): boolean {
    const { set, nowMs } = this.#input;
    return isHealthy(pod) && availableInMs(pod, { minReadySeconds: set.spec?.minReadySeconds ?? 0, nowMs }) === 0;
  }

  /** Makes the pod of a place where it is missing, and anew where it has ended. */
  async #keep(place: number): Promise<Outcome> {
    const { set } = this.#input;
    const ordinal = startOf(set) + place;
    const pod = this.#replicas[place];
    if (pod === undefined) return this.#create(ordinal);
    const phase = pod.status?.phase;
    if (phase === 'Failed' || phase === 'Succeeded') {
      await this.#recreate(pod);
      return 'stop';
    }
    if (phase === 'Pending') await makeClaims(this.#context, set, ordinal);
    if (this.#isOrdered && !this.#isAvailable(pod)) return 'stop';
    const wanted = withIdentity(pod, set, ordinal);
    if (wanted !== pod) await this.#context.client.resource(podsRef).update(wanted);
    await ownClaims(this.#context, set, { pod, ordinal });
    return 'go';
  }

  async #create(ordinal: number): Promise<Outcome> {
    const { set } = this.#input;
    if (hasStaleClaim(this.#context.claims, set, ordinal)) return 'stop';
    try {
      await makeClaims(this.#context, set, ordinal);
      await this.#context.client.resource(podsRef).create(this.#newPod(ordinal));
    } catch (error) {
      if (!isAlreadyExists(error) && !isNamespaceTerminating(error)) this.#record('create', ordinal, error);
      throw error;
    }
    this.#record('create', ordinal);
    return this.#isOrdered ? 'stop' : 'go';
  }

  /** Of the current revision below the partition, else of the newest. */
  #newPod(ordinal: number): Pod {
    const { set, revisions } = this.#input;
    const { type, rollingUpdate } = set.spec?.updateStrategy ?? {};
    const kept = rollingUpdate === undefined ? (set.status?.currentReplicas ?? 0) : (rollingUpdate.partition ?? 0);
    const isOld = type === 'RollingUpdate' && ordinal < startOf(set) + kept;
    const revision = isOld ? revisions.current : revisions.update;
    return newPod(set, { ordinal, template: templateOf(revision), revision: revision.metadata?.name ?? '' });
  }

  async #recreate(pod: Pod): Promise<void> {
    if (pod.metadata?.deletionTimestamp !== undefined) return;
    const { set, nowMs } = this.#input;
    const { uid = '', generation = 0 } = set.metadata ?? {};
    const waitMs = this.#context.failedPods.waitMs({ uid, generation, place: pod.metadata?.name ?? '' }, nowMs);
    if (waitMs > 0) {
      this.dueMs = Math.min(this.dueMs ?? waitMs, waitMs);
      return;
    }
    const isFailed = pod.status?.phase === 'Failed';
    const what = isFailed ? 'failed' : 'terminated';
    const message = `StatefulSet ${set.metadata?.namespace}/${set.metadata?.name} is recreating ${what} Pod ${pod.metadata?.name}`;
    const reason = isFailed ? 'RecreatingFailedPod' : 'RecreatingTerminatedPod';
    this.#context.events.record(set, { type: isFailed ? 'Warning' : 'Normal', reason, message });
    await this.#delete(pod);
  }

  async #ownClaims(pod: Pod): Promise<Outcome> {
    const { set } = this.#input;
    await ownClaims(this.#context, set, { pod, ordinal: ordinalOf(pod, set)! });
    return 'go';
  }

  /** The pod of the lowest number that does not work, wanted ones before others: it alone may go although it does not. */
  #firstUnhealthy(): Pod | undefined {
    const condemned = [...this.#condemned].reverse();
    return (
      this.#replicas.find((pod) => pod !== undefined && !isHealthy(pod)) ?? condemned.find((pod) => !isHealthy(pod))
    );
  }

  async #condemn(pod: Pod, firstUnhealthy: Pod | undefined): Promise<Outcome> {
    if (pod.metadata?.deletionTimestamp !== undefined) return this.#isOrdered ? 'stop' : 'go';
    if (this.#isOrdered && pod !== firstUnhealthy && !this.#isAvailable(pod)) return 'stop';
    await this.#delete(pod);
    return 'stop';
  }

  /**
   * Deletes pods of old revisions from the highest number down to the partition, as many as may be missing. One that does not work anyway costs
   * nothing; an updated one that does not work yet holds up those below it.
   */
  async #update(): Promise<void> {
    const { set, revisions } = this.#input;
    const { partition = 0, maxUnavailable = 1 } = set.spec?.updateStrategy?.rollingUpdate ?? {};
    const most = Math.max(1, scaled(maxUnavailable, replicasOf(set), Math.floor));
    let unavailable = this.#replicas.filter((pod) => pod === undefined || !this.#isAvailable(pod)).length;
    let busy = 0;
    for (let place = this.#replicas.length - 1; place >= partition && busy < most; place--) {
      const pod = this.#replicas[place];
      const isOld =
        pod !== undefined &&
        pod.metadata?.deletionTimestamp === undefined &&
        revisionOf(pod) !== revisions.update.metadata?.name;
      if (!isOld) {
        if (pod === undefined || !this.#isAvailable(pod)) busy++;
        continue;
      }
      if (this.#isAvailable(pod)) {
        if (unavailable >= most) continue;
        unavailable++;
      }
      busy++;
      await this.#delete(pod);
      this.updating.add(pod);
    }
  }

  async #delete(pod: Pod): Promise<void> {
    const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
    const ordinal = ordinalOf(pod, this.#input.set)!;
    try {
      await this.#context.client.resource(podsRef).delete(name, { namespace, preconditions: { uid } });
    } catch (error) {
      // A conflict: the name is another pod's by now.
      if (isNotFound(error) || isConflict(error)) return;
      this.#record('delete', ordinal, error);
      throw error;
    }
    this.#record('delete', ordinal);
  }

  #record(verb: 'create' | 'delete', ordinal: number, error?: unknown): void {
    const { set } = this.#input;
    const what = `${verb} Pod ${podName(set, ordinal)} in StatefulSet ${set.metadata?.name}`;
    const noun = verb === 'create' ? 'Create' : 'Delete';
    const event =
      error === undefined
        ? ({ type: 'Normal', reason: `Successful${noun}`, message: `${what} successful` } as const)
        : ({ type: 'Warning', reason: `Failed${noun}`, message: `${what} failed error: ${errorText(error)}` } as const);
    this.#context.events.record(set, event);
  }
}
