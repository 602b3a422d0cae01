/** What a job asks about itself and its pods. All functions are pure. Upstream counterpart: `job_controller.go`, `indexed_job_utils.go`, `backoff_utils.go`. */

import { podCondition } from '#pkg/api/core/pod.ts';
import type { Job } from '#pkg/api/types/batch-v1.ts';
import type { ContainerStatus, Pod } from '#pkg/api/types/core-v1.ts';
import { isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import { doubleOf } from '#pkg/apimachinery/json.ts';
import { timeMs } from '../common/pod.ts';

/** Keeps a pod until its job has counted it. */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
/** The completion index of a pod. */
export const indexAnnotation = 'batch.kubernetes.io/job-completion-index';
/** How often pods of this index have failed before this one. */
export const failureCountAnnotation = 'batch.kubernetes.io/job-index-failure-count';
/** How often they have failed in a way that does not count. */
export const ignoredFailureCountAnnotation = 'batch.kubernetes.io/job-index-ignored-failure-count';
const ownName = 'kubernetes.io/job-controller';
const int32Max = 2 ** 31 - 1;

/** Whether each pod of the job has a number of its own. */
export function isIndexed(job: Job): boolean {
  return job.spec?.completionMode === 'Indexed';
}

/** Whether failures are counted for each index by itself. */
export function hasLimitPerIndex(job: Job): boolean {
  return isIndexed(job) && job.spec?.backoffLimitPerIndex !== undefined;
}

/** Whether the job is to have no pods for now. */
export function isSuspended(job: Job): boolean {
  return job.spec?.suspend === true;
}

/** Complete or Failed. */
export function isJobFinished({ status }: Job): boolean {
  return isConditionTrue(status?.conditions, 'Complete') || isConditionTrue(status?.conditions, 'Failed');
}

/** Whether another controller keeps the job. */
export function isManagedElsewhere({ spec }: Job): boolean {
  return spec?.managedBy !== undefined && spec.managedBy !== ownName;
}

/** Whether a pod is replaced only when it has ended, not while it ends. */
export function replacesOnlyFailed({ spec }: Job): boolean {
  return spec?.podReplacementPolicy === 'Failed' || spec?.podFailurePolicy !== undefined;
}

/** Whether the pod stays until its job has counted it. */
export function isTracked(pod: Pod): boolean {
  return pod.metadata?.finalizers?.includes(trackingFinalizer) === true;
}

/** Whether a pod counts as failed; one that is deleted does, unless its end is waited for: nobody may be left to report it. */
export function isPodFailed(pod: Pod, job: Job): boolean {
  if (pod.status?.phase === 'Failed') return true;
  if (replacesOnlyFailed(job)) return false;
  return pod.metadata?.deletionTimestamp !== undefined && pod.status?.phase !== 'Succeeded';
}

/** The completion index of a pod, if it has one. */
export function indexOf(pod: Pod): number | undefined {
  return countAt(pod, indexAnnotation);
}

/** The index of a pod where it is one that the job has. */
export function validIndexOf(pod: Pod, job: Job): number | undefined {
  const index = indexOf(pod);
  return index !== undefined && index < (job.spec?.completions ?? 0) ? index : undefined;
}

/** Earlier failures of the pod's index that count. */
export function failuresBefore(pod: Pod): number {
  return countAt(pod, failureCountAnnotation) ?? 0;
}

/** Earlier failures of the pod's index that do not count. */
export function ignoredFailuresBefore(pod: Pod): number {
  return countAt(pod, ignoredFailureCountAnnotation) ?? 0;
}

function countAt(pod: Pod, annotation: string): number | undefined {
  const text = pod.metadata?.annotations?.[annotation];
  if (text === undefined || !/^\+?\d+$/.test(text)) return undefined;
  const value = Number(text);
  return value <= int32Max ? value : undefined;
}

/** Lowest index first; pods without one before all. */
export function byIndex(a: Pod, b: Pod): number {
  return (indexOf(a) ?? -1) - (indexOf(b) ?? -1);
}

/**
 * When a pod ended, in milliseconds since the epoch: when its last container did, or it was no longer ready, or its deletion was asked for, or it
 * was made, whichever is known first.
 */
export function finishedMs(pod: Pod): number {
  const containers = lastEndMs(pod);
  if (containers !== undefined) return containers;
  const ready = podCondition(pod, 'Ready');
  if (ready?.status === 'False' && ready.lastTransitionTime) return timeMs(ready.lastTransitionTime);
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, creationTimestamp } = pod.metadata ?? {};
  if (deletionTimestamp !== undefined) return timeMs(deletionTimestamp) - doubleOf(deletionGracePeriodSeconds) * 1_000;
  return timeMs(creationTimestamp);
}

/** Undefined unless every container and sidecar has ended. */
function lastEndMs({ spec, status }: Pod): number | undefined {
  const sidecars = new Set(
    spec?.initContainers?.filter((one) => one.restartPolicy === 'Always').map((one) => one.name),
  );
  const statuses: readonly ContainerStatus[] = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []).filter(({ name }) => sidecars.has(name)),
  ];
  let last: number | undefined;
  for (const { state } of statuses) {
    const ended = state?.terminated?.finishedAt;
    if (!ended) return undefined;
    last = Math.max(last ?? 0, timeMs(ended));
  }
  return last;
}
