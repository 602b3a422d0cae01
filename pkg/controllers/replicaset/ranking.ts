/**
 * Which pods go first when there are too many: those whose loss is felt least. Pure.
 * Upstream counterpart: `controller_utils.go` `ActivePodsWithRanks`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { isPodReady, podCondition, timeMs } from '../common/pod.ts';

const deletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost';

const phaseOrder: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

export interface RankingOptions {
  /** Pods of the same workload, also of its other replica sets: crowds on a node are thinned first. */
  readonly related: readonly Pod[];
  readonly nowMs: number;
}

/** The `count` pods to delete, first first. */
export function podsToDelete(pods: readonly Pod[], count: number, options: RankingOptions): readonly Pod[] {
  if (count >= pods.length) return pods;
  const onNode = new Map<string, number>();
  for (const pod of options.related) {
    const node = pod.spec?.nodeName;
    if (node) onNode.set(node, (onNode.get(node) ?? 0) + 1);
  }
  const ranked = pods.map((pod) => ({ pod, keys: rank(pod, onNode, options.nowMs) }));
  ranked.sort((a, b) => {
    for (let i = 0; i < a.keys.length; i++) if (a.keys[i] !== b.keys[i]) return a.keys[i]! - b.keys[i]!;
    return (a.pod.metadata?.uid ?? '') < (b.pod.metadata?.uid ?? '') ? -1 : 1;
  });
  return ranked.slice(0, count).map((entry) => entry.pod);
}

/** Numbers to compare in order; the smaller goes first. */
function rank(pod: Pod, onNode: ReadonlyMap<string, number>, nowMs: number): readonly number[] {
  const isReady = isPodReady(pod);
  return [
    pod.spec?.nodeName ? 1 : 0,
    phaseOrder[pod.status?.phase ?? ''] ?? 0,
    isReady ? 1 : 0,
    deletionCost(pod),
    -(onNode.get(pod.spec?.nodeName ?? '') ?? 0),
    isReady ? ageBucket(podCondition(pod, 'Ready')?.lastTransitionTime, nowMs) : 0,
    -Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount)),
    ageBucket(pod.metadata?.creationTimestamp, nowMs),
  ];
}

function deletionCost(pod: Pod): number {
  const text = pod.metadata?.annotations?.[deletionCostAnnotation] ?? '';
  return /^(?:0|[1-9][0-9]*|-[1-9][0-9]*)$/.test(text) ? Number(text) : 0;
}

/** Ages of one power of two count as equal, so that not always the same pod of a rollout goes. Younger is smaller. */
function ageBucket(timestamp: string | undefined, nowMs: number): number {
  const ageMs = nowMs - timeMs(timestamp);
  return timestamp === undefined || ageMs <= 0 ? -1 : Math.floor(Math.log2(ageMs * 1e6));
}
