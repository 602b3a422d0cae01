/**
 * Counts the ended pods of a job, each once: its uid is written into the status, then the pod is let go, then the uid becomes a number. A
 * controller that stops between any two of these goes on where it was. Pure, but for the draft that it changes. Upstream counterpart:
 * `job_controller.go` `trackJobStatusAndRemoveFinalizers`.
 */
import type { JobCondition } from '#pkg/api/types/batch-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import { formatIndexSet, hasIndex, sizeOf, withIndexes } from './indexes.ts';
import { byIndex, hasLimitPerIndex, indexOf, isIndexed, isPodFailed, isTracked, validIndexOf } from './job-pods.ts';
import { judgeFailure } from './policies.ts';
import { conditionNow, type StatusDraft } from './status-draft.ts';
import type { Stock } from './stock.ts';

/** Most uids in the status at once, so that it stays under 20 kB and one job does not hold up the others. Source: upstream `MaxUncountedPods`. */
const uncountedMax = 500;

/** What there is to count. */
export interface CountInput {
  readonly stock: Stock;
  readonly draft: StatusDraft;
  /** What ends the job, once nothing more stands in the way of it. */
  readonly ending: JobCondition | undefined;
}

/** What a round has counted. */
export interface Counted {
  /** Pods to let go after the status is written. */
  readonly leaving: readonly Pod[];
  /** Uids that the status must keep, as their pods have not been let go. */
  readonly held: ReadonlySet<string>;
  /** Whether all that has ended is counted; otherwise the rest is for the next time. */
  readonly isAll: boolean;
  /** Complete or Failed, to be written when all pods have gone. */
  readonly final: JobCondition | undefined;
  readonly isChanged: boolean;
}

/** Takes what has ended into the draft. */
export function countEnded({ stock, draft, ending }: CountInput): Counted {
  const { job, released } = stock;
  const held = new Set<string>();
  for (const pod of stock.pods) {
    const uid = pod.metadata?.uid ?? '';
    if (isTracked(pod) && !released.has(uid)) held.add(uid);
  }
  let isChanged = uncountedToNumbers(draft, held);
  const leaving: Pod[] = [];
  const indexes: number[] = [];
  const known = { succeeded: new Set(draft.uncounted.succeeded), failed: new Set(draft.uncounted.failed) };
  let isAll = true;
  const pods = isIndexed(job) ? [...stock.pods].sort(byIndex) : stock.pods;
  for (const pod of pods) {
    const uid = pod.metadata?.uid ?? '';
    if (!held.has(uid) || !mayLeave(stock, pod, ending)) continue;
    leaving.push(pod);
    const kind = kindOf({ stock, ending }, pod, known);
    if (kind === 'index') indexes.push(indexOf(pod)!);
    else if (kind !== undefined) known[kind].add(uid);
    if (kind !== undefined) isChanged = true;
    isAll = indexes.length + known.succeeded.size + known.failed.size < uncountedMax;
    if (!isAll) break;
  }
  draft.uncounted = { succeeded: [...known.succeeded], failed: [...known.failed] };
  if (isIndexed(job)) isChanged = writeIndexes(stock, draft, indexes) || isChanged;
  const announced = announce(draft, ending, stock.nowMs);
  return { leaving, held, isAll, final: announced.final, isChanged: isChanged || announced.isChanged };
}

function mayLeave({ job, keptByIndex }: Stock, pod: Pod, ending: JobCondition | undefined): boolean {
  const isOver = job.metadata?.deletionTimestamp !== undefined || ending !== undefined;
  if (isOver || pod.status?.phase === 'Succeeded') return true;
  if (!isPodFailed(pod, job)) return false;
  const index = hasLimitPerIndex(job) ? indexOf(pod) : undefined;
  return index === undefined || keptByIndex.get(index) !== pod;
}

/** How a pod that leaves is counted: as an index, by its uid, or not at all. */
function kindOf(
  { stock, ending }: Pick<CountInput, 'ending' | 'stock'>,
  pod: Pod,
  known: { readonly succeeded: ReadonlySet<string>; readonly failed: ReadonlySet<string> },
): 'failed' | 'index' | 'succeeded' | undefined {
  const { job, knownIndexes } = stock;
  const uid = pod.metadata?.uid ?? '';
  const index = validIndexOf(pod, job);
  if (pod.status?.phase === 'Succeeded' && !known.failed.has(uid)) {
    // An index is enough: it cannot be counted twice.
    if (isIndexed(job)) return index === undefined || hasIndex(knownIndexes, index) ? undefined : 'index';
    return known.succeeded.has(uid) ? undefined : 'succeeded';
  }
  // Pods that the end of the job cuts off have failed, unless it has succeeded without them.
  const isCutOff = ending !== undefined && ending.type !== 'SuccessCriteriaMet';
  if (!isPodFailed(pod, job) && !isCutOff) return undefined;
  if (known.failed.has(uid) || (isIndexed(job) && index === undefined)) return undefined;
  return judgeFailure(job.spec?.podFailurePolicy, pod).counts ? 'failed' : undefined;
}

function writeIndexes(stock: Stock, draft: StatusDraft, indexes: readonly number[]): boolean {
  const succeeded = withIndexes(stock.succeededIndexes, indexes);
  const completedIndexes = formatIndexSet(succeeded);
  const failedIndexes = stock.failedIndexes === undefined ? undefined : formatIndexSet(stock.failedIndexes);
  const isChanged = completedIndexes !== draft.completedIndexes || failedIndexes !== draft.failedIndexes;
  draft.completedIndexes = completedIndexes;
  draft.succeeded = sizeOf(succeeded);
  if (failedIndexes === undefined) delete draft.failedIndexes;
  else draft.failedIndexes = failedIndexes;
  return isChanged;
}

/** Says that the job is about to end, before its pods are let go: who reads it then knows what their end means. */
function announce(
  draft: StatusDraft,
  ending: JobCondition | undefined,
  nowMs: number,
): { readonly final: JobCondition | undefined; readonly isChanged: boolean } {
  if (ending === undefined || ending.type === 'Failed') return { final: ending, isChanged: false };
  const { reason = '', message = '' } = ending;
  const final = conditionNow(ending.type === 'FailureTarget' ? 'Failed' : 'Complete', { reason, message }, nowMs);
  if (isConditionTrue(draft.conditions, ending.type)) return { final, isChanged: false };
  draft.conditions = [...draft.conditions, ending];
  return { final, isChanged: true };
}

/** Counts the uids whose pods are let go; whether there were any. */
export function uncountedToNumbers(draft: StatusDraft, held: ReadonlySet<string>): boolean {
  const { succeeded, failed } = draft.uncounted;
  const left = { succeeded: succeeded.filter((uid) => held.has(uid)), failed: failed.filter((uid) => held.has(uid)) };
  const isChanged = left.succeeded.length < succeeded.length || left.failed.length < failed.length;
  draft.succeeded += succeeded.length - left.succeeded.length;
  draft.failed += failed.length - left.failed.length;
  draft.uncounted = left;
  return isChanged;
}
