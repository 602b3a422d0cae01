/**
 * Resources of containers that change while a pod runs: what is asked for (`spec`), what the node has allotted, and what is in force may differ
 * from each other. Pure. Source: KEP-1287.
 */

import type { Container, Pod, ResourceRequirements } from '#pkg/api/types/core-v1.ts';
import { jsonText } from '#pkg/apimachinery/json.ts';
import { quantityValue } from './amounts.ts';

/** Why the node has not allotted what is asked for. `Deferred`: not now, as others have it. `Infeasible`: never. */
export interface PendingResize {
  readonly reason: 'Deferred' | 'Infeasible';
  readonly message: string;
  /** Of the pod that asks for it. */
  readonly generation: number | undefined;
}

/** How far a pod's resize has come, for its conditions; nothing of it when there is none under way. */
export interface ResizeState {
  readonly pending?: PendingResize;
  /** What was allotted is being brought into force. */
  readonly inProgress?: {
    readonly generation: number | undefined;
    readonly error?: string;
    /** With an error: when it is tried again. */
    readonly retryAtMs?: number;
  };
}

/** What of a container's resources changes for who runs it. */
export interface ResourceChanges {
  readonly cpu: boolean;
  readonly memoryLimit: boolean;
  /** Nothing at all changes, not even what only the node counts. */
  readonly none: boolean;
}

/** The differences between what is in force and what is to be. */
export function resourceChanges(now: ResourceRequirements = {}, next: ResourceRequirements = {}): ResourceChanges {
  const differs = (list: 'limits' | 'requests', name: string): boolean =>
    quantityValue(now[list]?.[name]) !== quantityValue(next[list]?.[name]);
  const cpu = differs('requests', 'cpu') || differs('limits', 'cpu');
  const memoryLimit = differs('limits', 'memory');
  return { cpu, memoryLimit, none: !cpu && !memoryLimit && !differs('requests', 'memory') };
}

/** Containers whose resources may change: those that go on running. */
export function resizableContainers({ spec }: Pod): readonly Container[] {
  return [
    ...(spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always'),
    ...(spec?.containers ?? []),
  ];
}

/** The pod with these resources in place of those that it asks for, by container; the pod itself when there are none. */
export function withResources(pod: Pod, resources: ReadonlyMap<string, ResourceRequirements> | undefined): Pod {
  const { spec } = pod;
  if (resources === undefined || resources.size === 0 || spec === undefined) return pod;
  const replaced = (containers: readonly Container[]): readonly Container[] =>
    containers.map((container) => {
      const own = resources.get(container.name);
      return own === undefined ? container : { ...container, resources: own };
    });
  const { initContainers, containers } = spec;
  return {
    ...pod,
    spec: {
      ...spec,
      containers: replaced(containers),
      ...(initContainers === undefined ? {} : { initContainers: replaced(initContainers) }),
    },
  };
}

/** What events say of a resize, as JSON. Source: kubelet `allocation` `podResizeSummary`. */
export function resizeSummary(pod: Pod, error?: string): string {
  const { initContainers = [], containers = [] } = pod.spec ?? {};
  const listed = (list: readonly Container[]) =>
    list.map(({ name, resources = {} }) => ({
      name,
      resources: { limits: resources.limits, requests: resources.requests },
    }));
  return jsonText({
    ...(initContainers.length === 0 ? {} : { initContainers: listed(initContainers) }),
    containers: listed(containers),
    generation: pod.metadata?.generation,
    error,
  });
}
