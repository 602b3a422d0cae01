/** Which pods of a node that shuts down end when, and how much time they get: by their priorities, the lowest first. Pure. Source: kubelet `nodeshutdown/nodeshutdown_manager.go`. */
import type { Pod } from '#pkg/api/types/core-v1.ts';

/** Pods from a priority on, and their time. */
export interface ShutdownPeriod {
  readonly priority: number;
  readonly seconds: number;
}

/** Pods that end together. */
export interface ShutdownGroup<T> {
  readonly seconds: number;
  readonly pods: readonly T[];
}

/** Priority of pods without one, and from which on they are the system's. */
const ordinary = 0;
const systemCritical = 2_000_000_000;

/** The periods of a node that says how long all have, and how much of that is for critical pods alone; none where nobody has any. */
export function plainPeriods(allSeconds: number, criticalSeconds: number): readonly ShutdownPeriod[] {
  if (allSeconds <= 0 || criticalSeconds > allSeconds) return [];
  return [
    { priority: ordinary, seconds: allSeconds - criticalSeconds },
    { priority: systemCritical, seconds: criticalSeconds },
  ];
}

/** The groups in which pods end; those that have no pods are left out. A pod with less than the lowest priority ends with the first. */
export function shutdownGroups<T extends { readonly pod: Pod }>(
  periods: readonly ShutdownPeriod[],
  all: readonly T[],
): readonly ShutdownGroup<T>[] {
  const sorted = periods.toSorted((a, b) => a.priority - b.priority);
  const groups = sorted.map(({ seconds }): { readonly seconds: number; readonly pods: T[] } => ({ seconds, pods: [] }));
  for (const one of all) {
    const priority = one.pod.spec?.priority ?? ordinary;
    const index = Math.max(
      0,
      sorted.findLastIndex((period) => period.priority <= priority),
    );
    groups[index]?.pods.push(one);
  }
  return groups.filter(({ pods }) => pods.length > 0);
}
