/**
 * Pod groups of `scheduling.k8s.io/v1alpha2` as the scheduler reads them. A group with a gang policy is a gang: none of its pods is bound before `minCount` of them
 * can be. A group with the basic policy is no gang, and its pods are scheduled one by one.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { PodGroup } from '#pkg/api/types/scheduling-v1alpha2.ts';
import type { ClusterEvent, EventRegistration } from '../framework/events.ts';
import { podOf } from '../framework/events.ts';
import type { PodInfo } from '../model/pod-info.ts';

/** Stands for gangs among the plugins that refuse pods. Upstream's plugin of that name holds pods back by itself. */
export const gangScheduling = 'GangScheduling';

/** `namespace/name` of the group that a pod is of. */
export function groupKeyOf({ metadata, spec }: Pod): string | undefined {
  const name = spec?.schedulingGroup?.podGroupName;
  return name ? `${metadata?.namespace ?? ''}/${name}` : undefined;
}

/** How many pods of a group need a place at once; undefined where it is no gang. */
export function minCountOf({ spec }: PodGroup): number | undefined {
  return spec.schedulingPolicy.gang?.minCount;
}

/** Whether a pod has its place in the gang for good: it is on a node, or was there and has done its work. One that failed is made again. */
export function hasPlace({ spec, status }: Pod): boolean {
  return Boolean(spec?.nodeName) && status?.phase !== 'Failed';
}

/** What may help a gang that is not complete, beside a pod of it that appears, which asks for the whole gang when its own turn comes. */
export const gangEvents: readonly EventRegistration[] = [
  { resource: 'PodGroup', actions: ['Add', 'Update'], hint: (pod, event) => hintOf(pod, groupOf(event)) },
  { resource: 'AssignedPod', actions: ['Add'], hint: (pod, event) => hintOf(pod, groupKeyOf(podOf(event))) },
];

function groupOf({ object }: ClusterEvent): string {
  return `${object?.metadata?.namespace ?? ''}/${object?.metadata?.name ?? ''}`;
}

function hintOf({ pod }: PodInfo, group: string | undefined): 'Queue' | 'Skip' {
  return group !== undefined && groupKeyOf(pod) === group ? 'Queue' : 'Skip';
}
