/**
 * What is to be known of a job before it is acted on: its pods by how they fared, its indexes, and whether it is over. Pure.
 * Upstream counterpart: the first half of `job_controller.go` `syncJob`.
 */

import { isPodActive } from '#pkg/api/core/pod.ts';
import type { Job, JobCondition } from '#pkg/api/types/batch-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { findCondition, isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import { doubleOf } from '#pkg/apimachinery/json.ts';
import { timeMs } from '../common/pod.ts';
import { type BackoffRecord, nextRecord } from './backoff.ts';
import { hasIndex, type IndexSet, noIndexes, parseIndexSet, sizeOf, withIndexes } from './indexes.ts';
import {
  failuresBefore,
  finishedMs,
  hasLimitPerIndex,
  ignoredFailuresBefore,
  indexOf,
  isIndexed,
  isPodFailed,
  isSuspended,
  isTracked,
  validIndexOf,
} from './job-pods.ts';
import { judgeFailure, successReason } from './policies.ts';
import { conditionNow } from './status-draft.ts';

/** What a stock is taken of. */
export interface StockInput {
  readonly job: Job;
  /** All pods of the job, ended ones too. */
  readonly pods: readonly Pod[];
  /** Uids of pods that were let go, which the pods here may not show yet. */
  readonly released: ReadonlySet<string>;
  readonly record: BackoffRecord | undefined;
  readonly nowMs: number;
}

/** The job, its pods and its numbers. */
export interface Stock extends StockInput {
  readonly active: readonly Pod[];
  /** What is counted, and what is about to be. */
  readonly succeeded: number;
  readonly failed: number;
  /** Indexes that the status has, and those that have succeeded since. */
  readonly knownIndexes: IndexSet;
  readonly succeededIndexes: IndexSet;
  /** Undefined without a limit per index. */
  readonly failedIndexes: IndexSet | undefined;
  /** Failed pods that stay until they are replaced, as they carry the failures of their index. */
  readonly keptByIndex: ReadonlyMap<number, Pod>;
  readonly backoff: BackoffRecord;
  /** Failed, FailureTarget or SuccessCriteriaMet, once the job is over. */
  readonly ending: JobCondition | undefined;
}

/** Counts, and judges. */
export function takeStock(input: StockInput): Stock {
  const { job, pods } = input;
  const active = pods.filter(isPodActive);
  const uncounted = job.status?.uncountedTerminatedPods;
  const succeededPods = validPods(input, uncounted?.succeeded, (pod) => pod.status?.phase === 'Succeeded');
  const failedPods = validPods(input, uncounted?.failed, (pod) => isPodFailed(pod, job));
  const counted = failedPods.filter((pod) => judgeFailure(job.spec?.podFailurePolicy, pod).counts);
  const failed = (job.status?.failed ?? 0) + counted.length + (uncounted?.failed?.length ?? 0);
  const indexes = indexesOf(input);
  const ending = endingOf(input, failed, indexes);
  return {
    ...input,
    active,
    failed,
    ...indexes,
    succeeded: isIndexed(job)
      ? sizeOf(indexes.succeededIndexes)
      : (job.status?.succeeded ?? 0) + succeededPods.length + (uncounted?.succeeded?.length ?? 0),
    keptByIndex: hasLimitPerIndex(job) ? keptPods(input, { active, ...indexes }) : new Map(),
    backoff: nextRecord(input.record, { succeeded: succeededPods, failed: failedPods }),
    ending,
  };
}

/** Pods that are not counted yet and, of an indexed job, have an index that it has. */
function validPods(
  { job, pods, released }: StockInput,
  uncounted: readonly string[] | undefined,
  holds: (pod: Pod) => boolean,
): readonly Pod[] {
  const known = new Set(uncounted);
  return pods.filter((pod) => {
    const uid = pod.metadata?.uid ?? '';
    if (!isTracked(pod) || known.has(uid) || released.has(uid)) return false;
    if (isIndexed(job) && validIndexOf(pod, job) === undefined) return false;
    return holds(pod);
  });
}

type Indexes = Pick<Stock, 'failedIndexes' | 'knownIndexes' | 'succeededIndexes'>;

function indexesOf({ job, pods }: StockInput): Indexes {
  if (!isIndexed(job)) return { knownIndexes: noIndexes, succeededIndexes: noIndexes, failedIndexes: undefined };
  const completions = job.spec?.completions ?? 0;
  const indexesWhere = (holds: (pod: Pod) => boolean): readonly number[] =>
    pods.flatMap((pod) => (isTracked(pod) && holds(pod) ? (validIndexOf(pod, job) ?? []) : []));
  const knownIndexes = parseIndexSet(job.status?.completedIndexes, completions);
  const succeededIndexes = withIndexes(
    knownIndexes,
    indexesWhere((pod) => pod.status?.phase === 'Succeeded'),
  );
  const failedIndexes = hasLimitPerIndex(job)
    ? withIndexes(
        parseIndexSet(job.status?.failedIndexes, completions),
        indexesWhere((pod) => isIndexLost(pod, job)),
      )
    : undefined;
  return { knownIndexes, succeededIndexes, failedIndexes };
}

/** Whether with this pod its index has failed for good. */
function isIndexLost(pod: Pod, job: Job): boolean {
  if (!isPodFailed(pod, job)) return false;
  const { action, counts } = judgeFailure(job.spec?.podFailurePolicy, pod);
  return action === 'FailIndex' || (counts && failuresBefore(pod) >= (job.spec?.backoffLimitPerIndex ?? 0));
}

function keptPods(input: StockInput, have: Indexes & Pick<Stock, 'active'>): ReadonlyMap<number, Pod> {
  const { job } = input;
  const activeIndexes = new Set(have.active.map(indexOf));
  const kept = new Map<number, Pod>();
  const failures = (pod: Pod): number => failuresBefore(pod) + ignoredFailuresBefore(pod);
  for (const pod of validPods(input, undefined, (one) => isPodFailed(one, job))) {
    const index = indexOf(pod)!;
    const isSettled = hasIndex(have.succeededIndexes, index) || hasIndex(have.failedIndexes ?? noIndexes, index);
    if (isSettled || activeIndexes.has(index)) continue;
    const other = kept.get(index);
    const isLater = other === undefined || (failures(other) <= failures(pod) && finishedMs(other) <= finishedMs(pod));
    if (isLater) kept.set(index, pod);
  }
  return kept;
}

function endingOf(input: StockInput, failed: number, indexes: Indexes): JobCondition | undefined {
  const { job, nowMs } = input;
  const { conditions } = job.status ?? {};
  if (isConditionTrue(conditions, 'SuccessCriteriaMet')) return findCondition(conditions, 'SuccessCriteriaMet');
  const target = findCondition(conditions, 'FailureTarget');
  if (target !== undefined) {
    return conditionNow('Failed', { reason: target.reason ?? '', message: target.message ?? '' }, nowMs);
  }
  const failure = failureOf(input, failed) ?? indexFailure(job, indexes);
  if (failure !== undefined) return conditionNow('FailureTarget', failure, nowMs);
  const message = isIndexed(job) ? successReason(job, indexes.succeededIndexes) : undefined;
  if (message === undefined) return undefined;
  return conditionNow('SuccessCriteriaMet', { reason: 'SuccessPolicy', message }, nowMs);
}

interface Why {
  readonly reason: string;
  readonly message: string;
}

function failureOf({ job, pods, nowMs }: StockInput, failed: number): Why | undefined {
  const { podFailurePolicy, backoffLimit = 6 } = job.spec ?? {};
  if (podFailurePolicy !== undefined) {
    for (const pod of pods) {
      const message = isPodFailed(pod, job) ? judgeFailure(podFailurePolicy, pod).jobFailure : undefined;
      if (message !== undefined) return { reason: 'PodFailurePolicy', message };
    }
  }
  if (failed > backoffLimit || haveRestartedTooOften(job, pods)) {
    return { reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' };
  }
  const leftMs = deadlineInMs(job, nowMs);
  if (leftMs !== undefined && leftMs <= 0) {
    return { reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' };
  }
  return undefined;
}

/** Restarts in place count as failures too. */
function haveRestartedTooOften({ spec }: Job, pods: readonly Pod[]): boolean {
  if (spec?.template.spec?.restartPolicy !== 'OnFailure') return false;
  let restarts = 0;
  for (const { status } of pods) {
    if (status?.phase !== 'Running' && status?.phase !== 'Pending') continue;
    for (const one of status.initContainerStatuses ?? []) restarts += one.restartCount;
    for (const one of status.containerStatuses ?? []) restarts += one.restartCount;
  }
  const { backoffLimit = 6 } = spec;
  return backoffLimit === 0 ? restarts > 0 : restarts >= backoffLimit;
}

/** Milliseconds until the job has been active for too long; undefined where it has no deadline, or the time stands still. */
export function deadlineInMs(job: Job, nowMs: number): number | undefined {
  const { activeDeadlineSeconds } = job.spec ?? {};
  const started = job.status?.startTime;
  if (activeDeadlineSeconds === undefined || started === undefined || isSuspended(job)) return undefined;
  // Its time begins anew when it is seen to have been resumed.
  if (isConditionTrue(job.status?.conditions, 'Suspended')) return undefined;
  return timeMs(started) + doubleOf(activeDeadlineSeconds) * 1_000 - nowMs;
}

function indexFailure(job: Job, { succeededIndexes, failedIndexes }: Indexes): Why | undefined {
  if (failedIndexes === undefined) return undefined;
  const { maxFailedIndexes, completions = 0 } = job.spec ?? {};
  const lost = sizeOf(failedIndexes);
  if (maxFailedIndexes !== undefined && lost > maxFailedIndexes) {
    const message = 'Job has exceeded the specified maximal number of failed indexes';
    return { reason: 'MaxFailedIndexesExceeded', message };
  }
  if (lost > 0 && lost + sizeOf(succeededIndexes) >= completions) {
    return { reason: 'FailedIndexes', message: 'Job has failed indexes' };
  }
  return undefined;
}
