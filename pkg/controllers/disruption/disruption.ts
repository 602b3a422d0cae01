/**
 * Works out how many pods each disruption budget lets go, and takes back from pods what says that they are disrupted when they are not.
 * Upstream counterpart: `pkg/controller/disruption`.
 */
import { podCondition } from '#pkg/api/core/pod.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '#pkg/api/types/policy-v1.ts';
import { podDisruptionBudgets, pods } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { compiledLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop, type Loop } from '../common/controller.ts';
import { LastWrites } from '../common/last-writes.ts';
import { timeMs } from '../common/pod.ts';
import { budgetStatus, failedStatus, needsScale } from './budget.ts';
import { Scales } from './scale.ts';

/** Budgets worked on at the same time. */
const workers = 2;
/** How long a pod that was said to be disrupted may stay before that is taken back. Source: upstream `stalePodDisruptionTimeout`. */
const staleMs = 120_000;

/** The disruption controller. */
export function createDisruptionController(context: ControllerContext): Component {
  return new DisruptionController(context);
}

class DisruptionController implements Component {
  readonly #context: ControllerContext;
  readonly #events;
  readonly #budgets: Informer<PodDisruptionBudget>;
  readonly #pods: Informer<Pod>;
  readonly #scales: Scales;
  readonly #writes = new LastWrites();
  readonly #loop: Loop;
  readonly #stale: Loop;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#events = context.recorder('controllermanager');
    this.#budgets = context.informers.informer(podDisruptionBudgets);
    this.#pods = context.informers.informer(pods);
    this.#scales = new Scales(context.client, context.informers);
    this.#loop = createLoop(context, { name: 'disruption', workers, reconcile: (key, s) => this.#reconcile(key, s) });
    const takeBack = (key: string): Promise<ReconcileResult> => this.#takeBack(key);
    this.#stale = createLoop(context, { name: 'disruption-stale-pods', workers: 1, reconcile: takeBack });
    this.#budgets.addHandler({
      added: (budget) => this.#loop.queue.add(objectKey(budget)),
      updated: (_, budget) => this.#loop.queue.add(objectKey(budget)),
      deleted: (budget) => this.#writes.forget(objectKey(budget)),
    });
    this.#pods.addHandler({
      added: (pod) => this.#podChanged(pod),
      updated: (previous, pod) => {
        if (previous.metadata?.labels !== pod.metadata?.labels) this.#enqueueBudgets(previous);
        this.#podChanged(pod);
      },
      deleted: (pod) => this.#enqueueBudgets(pod),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#loop.run(signal), this.#stale.run(signal)]);
  }

  #podChanged(pod: Pod): void {
    this.#enqueueBudgets(pod);
    const leftMs = staleInMs(pod, this.#nowMs());
    if (leftMs !== undefined) this.#stale.queue.addAfter(objectKey(pod), leftMs);
  }

  #enqueueBudgets(pod: Pod): void {
    for (const budget of this.#budgets.lister.list(pod.metadata?.namespace ?? '')) {
      if (covers(budget, pod)) this.#loop.queue.add(objectKey(budget));
    }
  }

  #nowMs(): number {
    return this.#context.clock.nowMs();
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const budget = this.#budgets.lister.get(key);
    if (budget === undefined || this.#writes.isBehind(key, budget)) return undefined;
    const covered = this.#pods.lister.list(budget.metadata?.namespace ?? '').filter((pod) => covers(budget, pod));
    if (covered.length === 0) {
      this.#events.record(budget, { type: 'Normal', reason: 'NoPods', message: 'No matching pods found' });
    }
    let scale: number | undefined;
    try {
      if (needsScale(budget)) scale = await this.#scaleOf(budget, covered, signal);
    } catch (error) {
      const why = errorText(error);
      const message = `Failed to calculate the number of expected pods: ${why}`;
      this.#events.record(budget, { type: 'Warning', reason: 'CalculateExpectedPodCountFailed', message });
      await this.#write(key, budget, failedStatus(budget, why, this.#nowMs()));
      // A controller without a scale stays without one: the next change of a pod or the budget is the time to look again.
      if (error instanceof StatusError) throw error;
      return undefined;
    }
    const { status, forgotten, recheckMs } = budgetStatus({ budget, pods: covered, scale, nowMs: this.#nowMs() });
    for (const pod of forgotten) {
      const { namespace, name } = budget.metadata ?? {};
      const message = `Pod was expected by PDB ${namespace}/${name} to be deleted but it wasn't`;
      this.#events.record(pod, { type: 'Warning', reason: 'NotDeleted', message });
    }
    await this.#write(key, budget, status);
    return recheckMs === undefined ? undefined : { requeueAfterMs: recheckMs };
  }

  async #scaleOf(budget: PodDisruptionBudget, covered: readonly Pod[], signal: AbortSignal): Promise<number> {
    const { count, unmanaged } = await this.#scales.of(covered, signal);
    if (unmanaged.length > 0) {
      const message =
        'Pods selected by this PodDisruptionBudget were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.';
      this.#events.record(budget, { type: 'Warning', reason: 'UnmanagedPods', message });
    }
    return count;
  }

  async #write(key: string, budget: PodDisruptionBudget, status: PodDisruptionBudgetStatus): Promise<void> {
    if (deepEqual(budget.status, status)) return;
    const resource = this.#context.client.resource(podDisruptionBudgets);
    this.#writes.wrote(key, await resource.update({ ...budget, status }, { subresource: 'status' }));
    if (this.#budgets.lister.get(key) === undefined) this.#writes.forget(key);
  }

  /** Takes the condition from a pod that was to be disrupted and is still there. */
  async #takeBack(key: string): Promise<ReconcileResult> {
    const pod = this.#pods.lister.get(key);
    const leftMs = pod === undefined ? undefined : staleInMs(pod, this.#nowMs());
    if (pod === undefined || leftMs === undefined) return undefined;
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    const { name = '', namespace = '', uid } = pod.metadata ?? {};
    const condition = { type: 'DisruptionTarget', status: 'False', lastTransitionTime: formatTimestamp(this.#nowMs()) };
    try {
      await this.#context.client
        .resource(pods)
        .patch(
          name,
          { metadata: { uid }, status: { conditions: [condition] } },
          { namespace, type: 'strategic', subresource: 'status' },
        );
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
    return undefined;
  }
}

/** Whether a budget is about a pod: one without a selector is about none, one with an empty selector about all of its namespace. */
function covers({ spec }: PodDisruptionBudget, pod: Pod): boolean {
  return spec?.selector !== undefined && compiledLabelSelector(spec.selector).matches(pod.metadata?.labels);
}

/** Milliseconds until what is said of a disruption of the pod is too old; undefined when nothing is said, or it holds. */
function staleInMs(pod: Pod, nowMs: number): number | undefined {
  const { phase } = pod.status ?? {};
  if (pod.metadata?.deletionTimestamp !== undefined || phase === 'Failed' || phase === 'Succeeded') return undefined;
  const condition = podCondition(pod, 'DisruptionTarget');
  if (condition?.status !== 'True') return undefined;
  return Math.max(0, timeMs(condition.lastTransitionTime) + staleMs - nowMs);
}
