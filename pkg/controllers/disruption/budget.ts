/** What a disruption budget allows, from its pods. Pure. Upstream counterpart: `disruption.go` `updatePdbStatus`. */

import { isPodReady } from '#pkg/api/core/pod.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { Condition } from '#pkg/api/types/meta-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '#pkg/api/types/policy-v1.ts';
import { setCondition } from '#pkg/apimachinery/conditions.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { timeMs } from '../common/pod.ts';
import { scaled } from '../common/rounding.ts';

/** How long an eviction that was allowed may take until it shows on the pod. Source: upstream `DeletionTimeout`. */
const evictionMsMax = 120_000;

export interface BudgetInput {
  readonly budget: PodDisruptionBudget;
  readonly pods: readonly Pod[];
  /** Pods that the workloads are to have in all; undefined where the budget is a number of pods that must be there. */
  readonly scale: number | undefined;
  readonly nowMs: number;
}

export interface BudgetOutput {
  readonly status: PodDisruptionBudgetStatus;
  /** Pods whose eviction was allowed and has not come. */
  readonly forgotten: readonly Pod[];
  /** Milliseconds until an allowed eviction counts as not come. */
  readonly recheckMs: number | undefined;
}

/** Whether the budget needs to know how many pods the workloads are to have. */
export function needsScale({ spec }: PodDisruptionBudget): boolean {
  return spec?.maxUnavailable !== undefined || typeof spec?.minAvailable === 'string';
}

export function budgetStatus(input: BudgetInput): BudgetOutput {
  const { budget, pods, nowMs } = input;
  const { disrupted, forgotten, recheckMs } = pendingEvictions(input);
  const isHealthy = (pod: Pod): boolean =>
    pod.metadata?.deletionTimestamp === undefined &&
    !Object.hasOwn(disrupted, pod.metadata?.name ?? '') &&
    isPodReady(pod);
  const currentHealthy = pods.filter(isHealthy).length;
  const { expected, desired } = wantedPods(input);
  const allowed = expected > 0 ? Math.max(0, currentHealthy - desired) : 0;
  const status: PodDisruptionBudgetStatus = {
    ...(budget.metadata?.generation === undefined ? {} : { observedGeneration: budget.metadata.generation }),
    ...(Object.keys(disrupted).length === 0 ? {} : { disruptedPods: disrupted }),
    disruptionsAllowed: allowed,
    currentHealthy,
    desiredHealthy: desired,
    expectedPods: expected,
    conditions: withAllowed(budget, { isAllowed: allowed > 0, nowMs }),
  };
  return { status, forgotten, recheckMs };
}

function wantedPods({ budget, pods, scale = 0 }: BudgetInput): { readonly expected: number; readonly desired: number } {
  const { minAvailable, maxUnavailable } = budget.spec ?? {};
  if (maxUnavailable !== undefined) {
    return { expected: scale, desired: Math.max(0, scale - scaled(maxUnavailable, scale, Math.ceil)) };
  }
  if (typeof minAvailable === 'string') return { expected: scale, desired: scaled(minAvailable, scale, Math.ceil) };
  if (minAvailable === undefined) return { expected: 0, desired: 0 };
  return { expected: pods.length, desired: minAvailable };
}

/** Evictions that were allowed and do not show on the pods yet. */
function pendingEvictions({ budget, pods, nowMs }: BudgetInput): {
  readonly disrupted: Record<string, string>;
  readonly forgotten: readonly Pod[];
  readonly recheckMs: number | undefined;
} {
  const noted = budget.status?.disruptedPods ?? {};
  const disrupted: Record<string, string> = {};
  const forgotten: Pod[] = [];
  let recheckMs: number | undefined;
  for (const pod of pods) {
    const { name = '', deletionTimestamp } = pod.metadata ?? {};
    const since = Object.hasOwn(noted, name) ? noted[name] : undefined;
    if (since === undefined || deletionTimestamp !== undefined) continue;
    const leftMs = timeMs(since) + evictionMsMax - nowMs;
    if (leftMs <= 0) forgotten.push(pod);
    else {
      disrupted[name] = since;
      recheckMs = Math.min(recheckMs ?? leftMs, leftMs);
    }
  }
  return { disrupted, forgotten, recheckMs };
}

function withAllowed(
  { metadata, status }: PodDisruptionBudget,
  { isAllowed, nowMs }: { readonly isAllowed: boolean; readonly nowMs: number },
): readonly Condition[] {
  const { generation } = metadata ?? {};
  const condition = {
    type: 'DisruptionAllowed',
    status: isAllowed ? 'True' : 'False',
    reason: isAllowed ? 'SufficientPods' : 'InsufficientPods',
    message: '',
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
  return setCondition<Condition>(status?.conditions, condition as Condition, formatTimestamp(nowMs));
}

/** Allows nothing, as it is not known what may be allowed, and says why. */
export function failedStatus(budget: PodDisruptionBudget, why: string, nowMs: number): PodDisruptionBudgetStatus {
  const { generation } = budget.metadata ?? {};
  const condition = {
    type: 'DisruptionAllowed',
    status: 'False',
    reason: 'SyncFailed',
    message: why,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
  const conditions = setCondition<Condition>(budget.status?.conditions, condition as Condition, formatTimestamp(nowMs));
  const { currentHealthy = 0, desiredHealthy = 0, expectedPods = 0 } = budget.status ?? {};
  return {
    ...budget.status,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    disruptionsAllowed: 0,
    currentHealthy,
    desiredHealthy,
    expectedPods,
    conditions,
  };
}
