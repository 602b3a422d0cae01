/**
 * Cluster events: what happened in the cluster that may make a refused pod schedulable. A plugin registers for the events that can
 * change its own refusals, with a hint that looks at the objects; the queue wakes only the pods whose refusing plugin asked.
 * Upstream counterpart: kube-scheduler `framework/events.go`, KEP-4247 (queueing hints).
 */

import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { PodInfo } from '../model/pod-info.ts';

/**
 * `AssignedPod`: any pod on a node. `TargetPod`: the waiting pod itself. `Namespace`: labels that selectors of namespaces read. Else the kind of a
 * resource that a plugin reads through `PluginContext.lister`.
 */
export type EventResource = string;

/** What happened to an object. `Update` is any change, for kinds whose changes are not told apart. */
export type EventAction =
  | 'Add'
  | 'Delete'
  | 'Update'
  | 'UpdateLabels'
  | 'UpdateNodeAllocatable'
  | 'UpdateNodeTaints'
  | 'UpdatePodGatesEliminated'
  | 'UpdatePodScaleDown'
  | 'UpdatePodTolerations';

/** One thing that happened, with the object before (absent for Add) and after (absent for Delete). */
export interface ClusterEvent {
  readonly resource: EventResource;
  readonly action: EventAction;
  readonly previous?: KubeObject;
  readonly object?: KubeObject;
}

/** Whether this event may make `pod` pass the plugin that gives the hint. Must be cheap and pure. */
export type QueueingHint = (pod: PodInfo, event: ClusterEvent) => 'Queue' | 'Skip';

/** Events that a plugin waits for. */
export interface EventRegistration {
  readonly resource: EventResource;
  readonly actions: readonly EventAction[];
  /** Absent: always queue. */
  readonly hint?: QueueingHint;
}

/** The node of an event on nodes: as it is now, or as it last was. */
export function nodeOf(event: ClusterEvent): Node {
  return (event.object ?? event.previous) as Node;
}

/** The hint of a plugin that looks at a node alone: `Queue` for a node that passes and did not, or was not there, before. */
export function hintOfPassing(event: ClusterEvent, passes: (node: Node) => boolean): ReturnType<QueueingHint> {
  const isNews = event.previous === undefined || !passes(event.previous as Node);
  return isNews && passes(nodeOf(event)) ? 'Queue' : 'Skip';
}

/** The pod of an event on pods: as it is now, or as it last was. */
export function podOf(event: ClusterEvent): Pod {
  return (event.object ?? event.previous) as Pod;
}
