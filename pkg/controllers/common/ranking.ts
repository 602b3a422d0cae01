/**
 * Which pods go first when there are too many: those whose loss is felt least. Pure.
 * Upstream counterpart: `controller_utils.go` `ActivePodsWithRanks`.
 */

import { isPodReady, podCondition } from '#pkg/api/core/pod.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { timeMs } from './pod.ts';

const deletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost';

const phaseOrder: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** What the order depends on beside the pods. */
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
  const ranked = pods.map((pod) => traitsOf(pod, onNode));
  ranked.sort((a, b) => compare(a, b, options.nowMs));
  return ranked.slice(0, count).map((traits) => traits.pod);
}

interface Traits {
  readonly pod: Pod;
  /** Numbers to compare in order; the smaller goes first. */
  readonly ranks: readonly number[];
  readonly readySinceMs: number;
  readonly restarts: number;
  readonly createdMs: number;
}

function traitsOf(pod: Pod, onNode: ReadonlyMap<string, number>): Traits {
  const isReady = isPodReady(pod);
  const ranks = [
    pod.spec?.nodeName ? 1 : 0,
    phaseOrder[pod.status?.phase ?? ''] ?? 0,
    isReady ? 1 : 0,
    deletionCost(pod),
    -(onNode.get(pod.spec?.nodeName ?? '') ?? 0),
  ];
  return {
    pod,
    ranks,
    readySinceMs: isReady ? timeMs(podCondition(pod, 'Ready')?.lastTransitionTime) : 0,
    restarts: Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount)),
    createdMs: timeMs(pod.metadata?.creationTimestamp),
  };
}

/** Negative when `a` goes first. */
function compare(a: Traits, b: Traits, nowMs: number): number {
  for (let i = 0; i < a.ranks.length; i++) if (a.ranks[i] !== b.ranks[i]) return a.ranks[i]! - b.ranks[i]!;
  if (a.readySinceMs !== b.readySinceMs) return compareAges(a, b, [a.readySinceMs, b.readySinceMs, nowMs]);
  if (a.restarts !== b.restarts) return b.restarts - a.restarts;
  if (a.createdMs !== b.createdMs) return compareAges(a, b, [a.createdMs, b.createdMs, nowMs]);
  return compareUids(a, b);
}

/**
 * The younger goes first. Ages of one power of two are as good as equal and the uid decides, so that not always the same pod of a rollout
 * goes. A pod whose age is not known counts as youngest.
 */
function compareAges(a: Traits, b: Traits, [sinceA, sinceB, nowMs]: readonly [number, number, number]): number {
  if (sinceA === 0 || sinceB === 0) return sinceA === 0 ? -1 : 1;
  return ageBucket(nowMs - sinceA) - ageBucket(nowMs - sinceB) || compareUids(a, b);
}

function compareUids(a: Traits, b: Traits): number {
  return (a.pod.metadata?.uid ?? '') < (b.pod.metadata?.uid ?? '') ? -1 : 1;
}

function deletionCost(pod: Pod): number {
  const text = pod.metadata?.annotations?.[deletionCostAnnotation] ?? '';
  return /^(?:0|[1-9][0-9]*|-[1-9][0-9]*)$/.test(text) ? Number(text) : 0;
}

function ageBucket(ageMs: number): number {
  return ageMs <= 0 ? -1 : Math.floor(Math.log2(ageMs * 1e6));
}
