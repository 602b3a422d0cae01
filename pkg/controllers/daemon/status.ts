/** The numbers of a daemon set's status. Pure. Upstream counterpart: `updateDaemonSetStatus`. */

import { isPodReady } from '#pkg/api/core/pod.ts';
import type { DaemonSetStatus } from '#pkg/api/types/apps-v1.ts';
import { availableInMs } from '../common/pod.ts';
import { isPodUpdated } from './placement.ts';
import { byPrecedence, type PlanInput } from './plan.ts';

/** The status, and when it changes by time alone. */
export interface StatusOutput {
  readonly status: DaemonSetStatus;
  /** Milliseconds until the next ready pod becomes available. */
  readonly nextAvailableMs: number | undefined;
}

/** Counts the nodes by what their first pod is like. */
export function daemonStatus(input: PlanInput, collisionCount: number | undefined): StatusOutput {
  const { set, nodes, hash, nowMs } = input;
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  let desired = 0;
  let current = 0;
  let misscheduled = 0;
  let ready = 0;
  let updated = 0;
  let available = 0;
  for (const node of nodes) {
    const [pod] = [...(input.podsByNode.get(node.metadata?.name ?? '') ?? [])].sort(byPrecedence);
    if (!input.placementOn(node).runs) {
      if (pod !== undefined) misscheduled++;
      continue;
    }
    desired++;
    if (pod === undefined) continue;
    current++;
    if (isPodUpdated(pod, set, hash)) updated++;
    if (!isPodReady(pod)) continue;
    ready++;
    if (availableInMs(pod, { minReadySeconds, nowMs }) === 0) available++;
  }
  const { observedGeneration: _, ...before } = set.status ?? ({} as DaemonSetStatus);
  const status: DaemonSetStatus = {
    ...before,
    ...(collisionCount === undefined ? {} : { collisionCount }),
    currentNumberScheduled: current,
    numberMisscheduled: misscheduled,
    desiredNumberScheduled: desired,
    numberReady: ready,
    updatedNumberScheduled: updated,
    numberAvailable: available,
    numberUnavailable: desired - available,
  };
  return { status, nextAvailableMs: nextAvailable(input) };
}

/** Of all pods: an update waits for those that are not the first on their node. */
function nextAvailable({ set, podsByNode, nowMs }: PlanInput): number | undefined {
  const { minReadySeconds = 0 } = set.spec ?? {};
  if (minReadySeconds === 0) return undefined;
  let nextMs: number | undefined;
  for (const pod of [...podsByNode.values()].flat()) {
    const leftMs = availableInMs(pod, { minReadySeconds, nowMs });
    if (leftMs !== undefined && leftMs > 0) nextMs = Math.min(nextMs ?? leftMs, leftMs);
  }
  return nextMs;
}
