/** What a pod's phase says. Source: API reference `PodStatus.phase`; upstream `pkg/api/v1/pod` `IsPodTerminal`. */
import type { Pod } from './types/core-v1.ts';

/** Succeeded or Failed: its containers will not run again. */
export function isPodTerminal({ status }: Pick<Pod, 'status'>): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
