/**
 * How long a job waits before it replaces pods that failed: 10 s after the first failure in a row, twice as long after each further one, at
 * most 10 minutes. Kept in memory, as upstream: a new manager begins at the first failure it sees. Upstream counterpart: `backoff_utils.go`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { failuresBefore, finishedMs, ignoredFailuresBefore } from './job-pods.ts';

const firstDelayMs = 10_000;
const delayMsMax = 600_000;

/** Failures since the last success. */
export interface BackoffRecord {
  readonly failures: number;
  readonly lastFailureMs: number;
}

const noFailures: BackoffRecord = { failures: 0, lastFailureMs: 0 };

/** The record after these pods have ended, which were not counted before. */
export function nextRecord(
  record: BackoffRecord = noFailures,
  ended: { readonly succeeded: readonly Pod[]; readonly failed: readonly Pod[] },
): BackoffRecord {
  const failedMs = ended.failed.map(finishedMs).sort((a, b) => a - b);
  if (ended.succeeded.length === 0) {
    if (failedMs.length === 0) return record;
    return { failures: record.failures + failedMs.length, lastFailureMs: failedMs.at(-1) ?? 0 };
  }
  const lastSuccessMs = Math.max(...ended.succeeded.map(finishedMs));
  const since = failedMs.filter((ms) => ms > lastSuccessMs);
  return since.length === 0 ? noFailures : { failures: since.length, lastFailureMs: since.at(-1) ?? 0 };
}

/** Milliseconds to wait before pods may be made again; 0 when they may be now. */
export function remainingMs({ failures, lastFailureMs }: BackoffRecord, nowMs: number): number {
  if (failures === 0) return 0;
  const delayMs = Math.min(firstDelayMs * 2 ** (failures - 1), delayMsMax);
  return Math.max(0, delayMs - (nowMs - lastFailureMs));
}

/** The same for one index, from the pod of it that failed last. */
export function remainingForIndexMs(lastFailed: Pod | undefined, nowMs: number): number {
  if (lastFailed === undefined) return 0;
  const failures = failuresBefore(lastFailed) + ignoredFailuresBefore(lastFailed) + 1;
  return remainingMs({ failures, lastFailureMs: finishedMs(lastFailed) }, nowMs);
}
