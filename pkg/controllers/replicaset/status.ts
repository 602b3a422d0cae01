/** The status of a replica set from its pods. Pure. Upstream counterpart: `replica_set_utils.go`. */

import { isPodReady } from '#pkg/api/core/pod.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { selectorFromSet } from '#pkg/apimachinery/label-selector.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { withCondition, withoutCondition } from '../common/conditions.ts';
import { availableInMs } from '../common/pod.ts';
import type { ReplicaOwner, ReplicaStatus } from './owner.ts';

/** What a status follows from. */
export interface StatusInput {
  readonly owner: ReplicaOwner;
  readonly active: readonly Pod[];
  /** Undefined where they are not counted. */
  readonly terminating: number | undefined;
  /** Why creating or deleting failed, if it did. */
  readonly failure: { readonly reason: 'FailedCreate' | 'FailedDelete'; readonly message: string } | undefined;
  readonly nowMs: number;
}

/** The status, and when it changes by time alone. */
export interface StatusOutput {
  readonly status: ReplicaStatus;
  /** Milliseconds until the next ready pod becomes available. */
  readonly nextAvailableMs: number | undefined;
}

/** The status of a set; what it counts are its active pods. */
export function replicaStatus(input: StatusInput): StatusOutput {
  const { owner, active, nowMs } = input;
  const template = selectorFromSet(owner.spec?.template?.metadata?.labels);
  const minReadySeconds = owner.spec?.minReadySeconds ?? 0;
  let fullyLabeledReplicas = 0;
  let readyReplicas = 0;
  let availableReplicas = 0;
  let nextAvailableMs: number | undefined;
  for (const pod of active) {
    if (template.matches(pod.metadata?.labels)) fullyLabeledReplicas++;
    if (!isPodReady(pod)) continue;
    readyReplicas++;
    const leftMs = availableInMs(pod, { minReadySeconds, nowMs });
    if (leftMs === 0) availableReplicas++;
    else if (leftMs !== undefined) nextAvailableMs = Math.min(nextAvailableMs ?? leftMs, leftMs);
  }
  const conditions = conditionsOf(input);
  const status: ReplicaStatus = {
    replicas: active.length,
    ...(fullyLabeledReplicas === 0 ? {} : { fullyLabeledReplicas }),
    ...(readyReplicas === 0 ? {} : { readyReplicas }),
    ...(availableReplicas === 0 ? {} : { availableReplicas }),
    ...(input.terminating === undefined ? {} : { terminatingReplicas: input.terminating }),
    ...(owner.metadata?.generation === undefined ? {} : { observedGeneration: owner.metadata.generation }),
    ...(conditions.length === 0 ? {} : { conditions }),
  };
  return { status, nextAvailableMs };
}

function conditionsOf({ owner, failure, nowMs }: StatusInput): NonNullable<ReplicaStatus['conditions']> {
  const old = owner.status?.conditions;
  if (failure === undefined) return withoutCondition(old, 'ReplicaFailure');
  // The first failure stays until it is over: what follows from it would only hide it.
  if (old !== undefined && findCondition(old, 'ReplicaFailure') !== undefined) return old;
  const lastTransitionTime = formatTimestamp(nowMs);
  return withCondition(old, { type: 'ReplicaFailure', status: 'True', lastTransitionTime, ...failure });
}
