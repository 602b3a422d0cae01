/** The numbers of a stateful set's status. Pure. Upstream counterpart: `computeReplicaStatus`, `completeRollingUpdate`. */

import { isPodReady } from '#pkg/api/core/pod.ts';
import type { StatefulSet, StatefulSetStatus } from '#pkg/api/types/apps-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { availableInMs } from '../common/pod.ts';
import type { Revisions } from './history.ts';
import { revisionOf } from './identity.ts';

/** What a status follows from. */
export interface StatusInput {
  readonly set: StatefulSet;
  readonly pods: readonly Pod[];
  readonly revisions: Revisions;
  /** Pods that were deleted just now so that they are updated. */
  readonly updating: ReadonlySet<Pod>;
  readonly nowMs: number;
}

/** The status, and when it changes by time alone. */
export interface StatusOutput {
  readonly status: StatefulSetStatus;
  /** Milliseconds until the next ready pod becomes available. */
  readonly nextAvailableMs: number | undefined;
}

/** Running, ready, and not on its way out. */
export function isHealthy(pod: Pod): boolean {
  return pod.status?.phase === 'Running' && isPodReady(pod) && pod.metadata?.deletionTimestamp === undefined;
}

/** The status of a set, of which an update is over when all pods have the new revision. */
export function statefulStatus({ set, pods, revisions, updating, nowMs }: StatusInput): StatusOutput {
  const { minReadySeconds = 0 } = set.spec ?? {};
  const current = revisions.current.metadata?.name ?? '';
  const update = revisions.update.metadata?.name ?? '';
  let [readyReplicas, availableReplicas, currentReplicas, updatedReplicas] = [0, 0, 0, 0];
  let nextAvailableMs: number | undefined;
  for (const pod of pods) {
    if (pod.status?.phase === 'Running' && isPodReady(pod)) {
      readyReplicas++;
      const leftMs = availableInMs(pod, { minReadySeconds, nowMs });
      if (leftMs === 0) availableReplicas++;
      else if (leftMs !== undefined) nextAvailableMs = Math.min(nextAvailableMs ?? leftMs, leftMs);
    }
    if (pod.metadata?.deletionTimestamp !== undefined || updating.has(pod)) continue;
    if (revisionOf(pod) === current) currentReplicas++;
    if (revisionOf(pod) === update) updatedReplicas++;
  }
  const isRolling = set.spec?.updateStrategy?.type === 'RollingUpdate';
  const isComplete = isRolling && updatedReplicas === pods.length && readyReplicas === pods.length;
  const { conditions } = set.status ?? {};
  const status: StatefulSetStatus = {
    ...(set.metadata?.generation === undefined ? {} : { observedGeneration: set.metadata.generation }),
    replicas: pods.length,
    readyReplicas,
    currentReplicas: isComplete ? updatedReplicas : currentReplicas,
    updatedReplicas,
    currentRevision: isComplete ? update : current,
    updateRevision: update,
    collisionCount: revisions.collisionCount,
    ...(conditions === undefined ? {} : { conditions }),
    availableReplicas,
  };
  return { status, nextAvailableMs };
}
