/** What a pod's status and metadata say about it. Source: API reference `PodStatus`; upstream `pkg/api/v1/pod`, `controller_utils.go`. */
import { findCondition, isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import type { Pod, PodCondition } from '../types/core-v1.ts';

/** Whether a phase is final: the containers of the pod will not run again. */
export function isFinalPhase(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

/** Whether the pod has ended: its phase is Succeeded or Failed. Source: upstream `IsPodTerminal`. */
export function isPodTerminal({ status }: Pick<Pod, 'status'>): boolean {
  return isFinalPhase(status?.phase);
}

/** The condition of that type, such as `Ready` or `PodScheduled`; undefined when the pod has none. */
export function podCondition({ status }: Pick<Pod, 'status'>, type: string): PodCondition | undefined {
  return findCondition(status?.conditions, type);
}

/** Whether the Ready condition is True. */
export function isPodReady({ status }: Pick<Pod, 'status'>): boolean {
  return isConditionTrue(status?.conditions, 'Ready');
}

/** Whether the pod has neither ended nor is being deleted. Source: upstream `IsPodActive`. */
export function isPodActive(pod: Pod): boolean {
  return !isPodTerminal(pod) && pod.metadata?.deletionTimestamp === undefined;
}

/** Whether the pod is being deleted and has not ended yet. Source: upstream `IsPodTerminating`. */
export function isPodTerminating(pod: Pod): boolean {
  return !isPodTerminal(pod) && pod.metadata?.deletionTimestamp !== undefined;
}
