/** The status of a Deployment and its conditions. Pure. Upstream counterparts: `sync.go` and `progress.go`. */

import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { withoutCondition } from '../common/conditions.ts';
import { timeMs } from '../common/pod.ts';
import { maxUnavailable, totalAvailable, totalSpecReplicas, wantedReplicas } from './math.ts';

/** `progressDeadlineSeconds` and `revisionHistoryLimit` at the largest number mean none. */
export const noLimit = 2 ** 31 - 1;

/** The reasons of the `Progressing` condition. */
export const reasons = {
  created: 'NewReplicaSetCreated',
  found: 'FoundNewReplicaSet',
  updated: 'ReplicaSetUpdated',
  createError: 'ReplicaSetCreateError',
  available: 'NewReplicaSetAvailable',
  timedOut: 'ProgressDeadlineExceeded',
  paused: 'DeploymentPaused',
  resumed: 'DeploymentResumed',
} as const;

/** Replica sets as a status sees them. */
export interface Sets {
  readonly newSet: ReplicaSet | undefined;
  readonly all: readonly ReplicaSet[];
}

/** A condition that is to be set; times are added. */
export type ConditionDraft = Omit<DeploymentCondition, 'lastUpdateTime' | 'lastTransitionTime'>;

/** Whether the Deployment says how long a rollout may stand still. */
export function hasProgressDeadline(deployment: Deployment): boolean {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds !== undefined && seconds !== noLimit;
}

/** The condition of that type; undefined when there is none. */
export function conditionOf(status: DeploymentStatus | undefined, type: string): DeploymentCondition | undefined {
  return findCondition(status?.conditions, type);
}

/** The conditions with `draft` set; the same list when its status and reason are there already. */
export function setCondition(
  conditions: readonly DeploymentCondition[] | undefined,
  draft: ConditionDraft,
  nowMs: number,
): readonly DeploymentCondition[] {
  const old = findCondition(conditions, draft.type);
  if (conditions && old?.status === draft.status && old.reason === draft.reason) return conditions;
  const now = formatTimestamp(nowMs);
  const lastTransitionTime = old?.status === draft.status ? (old.lastTransitionTime ?? now) : now;
  return [...withoutCondition(conditions, draft.type), { ...draft, lastUpdateTime: now, lastTransitionTime }];
}

/** Counts and the Available condition; other conditions as they were. */
export function baseStatus(deployment: Deployment, sets: Sets, nowMs: number): DeploymentStatus {
  const { all, newSet } = sets;
  const sum = (count: (set: ReplicaSet) => number | undefined): number =>
    all.reduce((total, set) => total + (count(set) ?? 0), 0);
  const availableReplicas = totalAvailable(all);
  const isAvailable = availableReplicas >= wantedReplicas(deployment) - maxUnavailable(deployment);
  const available: ConditionDraft = isAvailable
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
  return {
    observedGeneration: deployment.metadata?.generation ?? 0,
    replicas: sum((set) => set.status?.replicas),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sum((set) => set.status?.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, totalSpecReplicas(all) - availableReplicas),
    terminatingReplicas: sum((set) => set.status?.terminatingReplicas),
    conditions: setCondition(deployment.status?.conditions, available, nowMs),
    ...(deployment.status?.collisionCount === undefined ? {} : { collisionCount: deployment.status.collisionCount }),
  };
}

/** The status of a rollout under way: also Progressing and ReplicaFailure. */
export function rolloutStatus(deployment: Deployment, sets: Sets, nowMs: number): DeploymentStatus {
  const status = baseStatus(deployment, sets, nowMs);
  let conditions = status.conditions ?? [];
  const current = conditionOf(deployment.status, 'Progressing');
  const wasComplete = status.replicas === status.updatedReplicas && current?.reason === reasons.available;
  if (!hasProgressDeadline(deployment)) conditions = withoutCondition(conditions, 'Progressing');
  else if (!wasComplete)
    conditions = progress(deployment, { status: { ...status, conditions }, newSet: sets.newSet, nowMs });
  return { ...status, conditions: withFailure(conditions, sets, nowMs) };
}

function progress(
  deployment: Deployment,
  now: { readonly status: DeploymentStatus; readonly newSet: ReplicaSet | undefined; readonly nowMs: number },
): readonly DeploymentCondition[] {
  const { status, newSet, nowMs } = now;
  const conditions = status.conditions ?? [];
  const who =
    newSet === undefined ? `Deployment "${deployment.metadata?.name}"` : `ReplicaSet "${newSet.metadata?.name}"`;
  const type = 'Progressing';
  if (isComplete(deployment, status)) {
    const message = `${who} has successfully progressed.`;
    return setCondition(conditions, { type, status: 'True', reason: reasons.available, message }, nowMs);
  }
  if (hasProgressed(deployment.status, status)) {
    // Set anew even if nothing but its time changes: the deadline counts from the last progress.
    const draft = { type, status: 'True', reason: reasons.updated, message: `${who} is progressing.` };
    const old = conditionOf(status, type);
    const fresh = setCondition(withoutCondition(conditions, type), draft, nowMs);
    if (old?.status !== 'True' || old.lastTransitionTime === undefined) return fresh;
    const lastTransitionTime = old.lastTransitionTime;
    return fresh.map((entry) => (entry.type === type ? { ...entry, lastTransitionTime } : entry));
  }
  if (hasTimedOut(deployment, status, nowMs)) {
    const message = `${who} has timed out progressing.`;
    return setCondition(conditions, { type, status: 'False', reason: reasons.timedOut, message }, nowMs);
  }
  return conditions;
}

/** All replicas are of the newest template, available, and no other is left. */
export function isComplete(deployment: Deployment, status: DeploymentStatus | undefined): boolean {
  const wanted = wantedReplicas(deployment);
  return (
    (status?.updatedReplicas ?? 0) === wanted &&
    (status?.replicas ?? 0) === wanted &&
    (status?.availableReplicas ?? 0) === wanted &&
    (status?.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0)
  );
}

function hasProgressed(before: DeploymentStatus | undefined, after: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus | undefined): number =>
    (status?.replicas ?? 0) - (status?.updatedReplicas ?? 0);
  return (
    (after.updatedReplicas ?? 0) > (before?.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before?.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before?.availableReplicas ?? 0)
  );
}

function hasTimedOut(deployment: Deployment, status: DeploymentStatus, nowMs: number): boolean {
  const condition = conditionOf(status, 'Progressing');
  if (condition === undefined || condition.reason === reasons.available) return false;
  if (condition.reason === reasons.timedOut) return true;
  return timeMs(condition.lastUpdateTime) + (deployment.spec?.progressDeadlineSeconds ?? 600) * 1_000 < nowMs;
}

function withFailure(
  conditions: readonly DeploymentCondition[],
  sets: Sets,
  nowMs: number,
): readonly DeploymentCondition[] {
  const failures = [sets.newSet, ...sets.all].flatMap((set) => set?.status?.conditions ?? []);
  const failure = failures.find((condition) => condition.type === 'ReplicaFailure');
  if (failure === undefined) return withoutCondition(conditions, 'ReplicaFailure');
  const { type, status, reason, message } = failure;
  const draft = {
    type,
    status,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
  };
  return setCondition(conditions, draft, nowMs);
}

/** Milliseconds after which a rollout that stands still must be looked at again; undefined when it need not. */
export function stuckCheckMs(deployment: Deployment, status: DeploymentStatus, nowMs: number): number | undefined {
  const condition = conditionOf(status, 'Progressing');
  if (!hasProgressDeadline(deployment) || condition === undefined || deployment.spec?.paused) return undefined;
  if (isComplete(deployment, status) || condition.reason === reasons.timedOut) return undefined;
  const deadlineMs = (deployment.spec?.progressDeadlineSeconds ?? 600) * 1_000;
  return Math.max(0, timeMs(condition.lastUpdateTime) + deadlineMs - nowMs) + 1_000;
}
