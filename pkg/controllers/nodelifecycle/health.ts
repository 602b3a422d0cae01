/**
 * Whether a node still speaks. Heartbeats are seen, not read: what counts is how long ago, on this clock, its Lease or its Ready condition
 * last changed; the node's own clock does not matter. Upstream counterpart: `tryUpdateNodeHealth`.
 */

import type { Lease } from '#pkg/api/types/coordination-v1.ts';
import type { Node, NodeCondition } from '#pkg/api/types/core-v1.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';

/** The last signs of life of one node. */
export interface Heartbeat {
  readonly lease: string | undefined;
  readonly status: string | undefined;
  /** When one of both last changed, on the monotonic clock. */
  readonly seenMs: number;
}

/** Conditions that nobody vouches for once the kubelet is silent. */
const kubeletConditions = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'] as const;

/** The Ready condition of a node; undefined when its kubelet has said nothing. */
export function readyCondition(node: Node): NodeCondition | undefined {
  return findCondition(node.status?.conditions, 'Ready');
}

/** The heartbeat now, given the one before and the node's Ready condition. */
export function nextHeartbeat(
  before: Heartbeat | undefined,
  seen: { readonly ready: NodeCondition | undefined; readonly lease: Lease | undefined; readonly nowMs: number },
): Heartbeat {
  const lease = seen.lease?.spec?.renewTime;
  const { ready } = seen;
  // Unknown was written by this controller, not by the kubelet.
  const status = ready?.status === 'Unknown' ? before?.status : (ready?.lastHeartbeatTime ?? undefined);
  if (before !== undefined && before.lease === lease && before.status === status) return before;
  return { lease, status, seenMs: seen.nowMs };
}

/** The node's conditions when its kubelet counts as silent; undefined when they say so already. */
export function silentConditions(node: Node, now: () => string): readonly NodeCondition[] | undefined {
  let changed = false;
  const conditions = [...(node.status?.conditions ?? [])];
  for (const type of kubeletConditions) {
    const index = conditions.findIndex((condition) => condition.type === type);
    const old = conditions[index];
    if (old?.status === 'Unknown') continue;
    changed = true;
    if (old === undefined) {
      conditions.push({
        type,
        status: 'Unknown',
        reason: 'NodeStatusNeverUpdated',
        message: 'Kubelet never posted node status.',
        lastHeartbeatTime: node.metadata?.creationTimestamp ?? now(),
        lastTransitionTime: now(),
      });
    } else {
      conditions[index] = {
        ...old,
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
        lastTransitionTime: now(),
      };
    }
  }
  return changed ? conditions : undefined;
}

/**
 * Time in which nobody listened: from one look at the nodes to the next there should be a period, and what is more than twice that was a process that stood
 * still. Such time is no silence of a node. 0 where all is as it should be, or there was no look before.
 */
export function sleptMs(times: {
  readonly lookedMs: number | undefined;
  readonly nowMs: number;
  readonly periodMs: number;
}): number {
  const { lookedMs, nowMs, periodMs } = times;
  const beyondMs = lookedMs === undefined ? 0 : nowMs - lookedMs - periodMs;
  return beyondMs > periodMs ? beyondMs : 0;
}
