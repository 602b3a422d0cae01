/** A job's status while it is worked on. Upstream counterpart: `job_controller.go` `ensureJobConditionStatus`, `newCondition`. */
import type { JobCondition, JobStatus } from '#pkg/api/types/batch-v1.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';

/** Every count is there; `uncounted` are uids of ended pods that the counts do not have yet. */
export interface StatusDraft {
  conditions: readonly JobCondition[];
  startTime?: string;
  completionTime?: string;
  active: number;
  succeeded: number;
  failed: number;
  ready: number | undefined;
  terminating: number | undefined;
  completedIndexes: string;
  failedIndexes?: string;
  uncounted: { succeeded: readonly string[]; failed: readonly string[] };
}

/** A draft of the status, which shares nothing that changes with it. */
export function draftOf(status: JobStatus = {}): StatusDraft {
  const { startTime, completionTime, failedIndexes, uncountedTerminatedPods } = status;
  return {
    conditions: status.conditions ?? [],
    ...(startTime === undefined ? {} : { startTime }),
    ...(completionTime === undefined ? {} : { completionTime }),
    active: status.active ?? 0,
    succeeded: status.succeeded ?? 0,
    failed: status.failed ?? 0,
    ready: status.ready,
    terminating: status.terminating,
    completedIndexes: status.completedIndexes ?? '',
    ...(failedIndexes === undefined ? {} : { failedIndexes }),
    uncounted: {
      succeeded: uncountedTerminatedPods?.succeeded ?? [],
      failed: uncountedTerminatedPods?.failed ?? [],
    },
  };
}

/** The status as the API writes it: noughts of counts that may be absent are left out. */
export function statusOf(draft: StatusDraft): JobStatus {
  const { conditions, active, succeeded, failed, completedIndexes, uncounted, ready, terminating, ...rest } = draft;
  const uncountedTerminatedPods = {
    ...(uncounted.succeeded.length === 0 ? {} : { succeeded: uncounted.succeeded }),
    ...(uncounted.failed.length === 0 ? {} : { failed: uncounted.failed }),
  };
  return {
    ...rest,
    ...(conditions.length === 0 ? {} : { conditions }),
    ...(active === 0 ? {} : { active }),
    ...(succeeded === 0 ? {} : { succeeded }),
    ...(failed === 0 ? {} : { failed }),
    ...(completedIndexes === '' ? {} : { completedIndexes }),
    ...(ready === undefined ? {} : { ready }),
    ...(terminating === undefined ? {} : { terminating }),
    uncountedTerminatedPods,
  };
}

/** A condition that begins now. */
export function conditionNow(
  type: string,
  { status = 'True', reason, message }: { readonly status?: string; readonly reason: string; readonly message: string },
  nowMs: number,
): JobCondition {
  const now = formatTimestamp(nowMs);
  return { type, status, lastProbeTime: now, lastTransitionTime: now, reason, message };
}

/**
 * The conditions with this one in place of the one of its type; the very list when nothing changes. One that is False is not added: it would say
 * that something ended that never began.
 */
export function withJobCondition(
  conditions: readonly JobCondition[],
  condition: JobCondition,
): readonly JobCondition[] {
  const old = findCondition(conditions, condition.type);
  if (old === undefined) return condition.status === 'False' ? conditions : [...conditions, condition];
  const { status, reason, message } = condition;
  if (old.status === status && (old.reason ?? '') === reason && (old.message ?? '') === message) return conditions;
  return conditions.map((one) => (one === old ? condition : one));
}
