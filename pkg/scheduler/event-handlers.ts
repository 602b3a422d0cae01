/**
 * From the informers to the cache and the queue: which pod is whose business, and which differences are events that refused pods may wait
 * for. Upstream counterpart: kube-scheduler `eventhandlers.go`.
 */

import { isPodTerminal } from '#pkg/api/core/pod.ts';
import type { Namespace, Node, Pod } from '#pkg/api/types/core-v1.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { EventHandler } from '#pkg/client/informer.ts';
import type { Nominator } from './cache/nominator.ts';
import type { SchedulerCache } from './cache/scheduler-cache.ts';
import type { ClusterEvent, EventAction } from './framework/events.ts';
import { type PodInfo, podInfoOf, podUid } from './model/pod-info.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';

/** What the handlers keep up to date, and for whom. */
export interface HandlerContext {
  readonly cache: SchedulerCache;
  readonly queue: SchedulingQueue;
  readonly nominator: Nominator;
  /** Pods that ask for another scheduler are left alone; those on a node count whoever put them there. */
  isOurs(schedulerName: string): boolean;
}

/** The name in `spec.schedulerName` of pods that name none. */
export const defaultSchedulerName = 'default-scheduler';

/** Keeps nodes. */
export function nodeHandler({ cache, queue }: HandlerContext): EventHandler<Node> {
  return {
    added(node) {
      cache.setNode(node);
      queue.wake([{ resource: 'Node', action: 'Add', object: node }]);
    },
    updated(previous, node) {
      const actions = nodeActions(previous, node);
      if (actions.length === 0 && deepEqual(previous.status?.images, node.status?.images)) return;
      cache.setNode(node);
      if (actions.length === 0) return;
      queue.wake(eventsOf(actions, { resource: 'Node', previous, object: node }));
    },
    deleted(node) {
      cache.removeNode(node.metadata?.name ?? '');
      queue.wake([{ resource: 'Node', action: 'Delete', previous: node }]);
    },
  };
}

/** Keeps the labels of namespaces, which terms on other pods may select by. */
export function namespaceHandler({ cache, queue }: HandlerContext): EventHandler<Namespace> {
  const keep = (namespace: Namespace): void => {
    cache.table.setNamespaceLabels(namespace.metadata?.name ?? '', namespace.metadata?.labels ?? {});
  };
  return {
    added(namespace) {
      keep(namespace);
      queue.wake([{ resource: 'Namespace', action: 'Add', object: namespace }]);
    },
    updated(previous, namespace) {
      if (deepEqual(previous.metadata?.labels, namespace.metadata?.labels)) return;
      keep(namespace);
      queue.wake([{ resource: 'Namespace', action: 'UpdateLabels', previous, object: namespace }]);
    },
    deleted: (namespace) => cache.table.setNamespaceLabels(namespace.metadata?.name ?? '', undefined),
  };
}

/** Keeps pods: those with a node in the cache, those without in the queue, those that have ended nowhere. */
export function podHandler(context: HandlerContext): EventHandler<Pod> {
  return {
    added: (pod) => podAppeared(context, pod),
    updated(previous, pod) {
      if (isOnlyStatus(previous, pod)) return;
      const before = podInfoOf(previous);
      const now = podInfoOf(pod);
      if (before.uid !== now.uid || (holdsNode(previous) && !holdsNode(pod))) {
        podGone(context, previous);
        podAppeared(context, pod);
      } else if (holdsNode(previous)) assignedPodChanged(context, before, now);
      else if (holdsNode(pod) || isPodTerminal(pod)) {
        if (isPodTerminal(pod)) podGone(context, previous);
        podAppeared(context, pod);
      } else if (context.queue.get(now.uid) === undefined) podAppeared(context, pod);
      else waitingPodChanged(context, before, now);
    },
    deleted: (pod) => podGone(context, pod),
  };
}

/** What a pod asks for is read only of those that are anybody's business here. */
function podAppeared(context: HandlerContext, pod: Pod): void {
  const { cache, queue, nominator, isOurs } = context;
  if (isPodTerminal(pod)) return;
  if (holdsNode(pod)) {
    const info = podInfoOf(pod);
    queue.delete(info.uid);
    nominator.delete(info.uid);
    cache.setPod(info, pod.spec?.nodeName ?? '');
    queue.wake([{ resource: 'AssignedPod', action: 'Add', object: pod }]);
  } else if (isOurs(pod.spec?.schedulerName || defaultSchedulerName) && !cache.isAssumed(podUid(pod))) {
    const info = podInfoOf(pod);
    noteNomination(context, info);
    queue.add(info);
  }
}

function waitingPodChanged(context: HandlerContext, before: PodInfo, now: PodInfo): void {
  const { cache, queue, nominator } = context;
  if (cache.isAssumed(now.uid) && now.pod.metadata?.deletionTimestamp !== undefined) {
    // Its binding may still come through; the watch then shows it on its node.
    cache.forget(now.uid);
    queue.wake(goneEvents(before.pod));
  }
  const promised = before.pod.status?.nominatedNodeName;
  if (promised && promised !== now.pod.status?.nominatedNodeName) {
    nominator.delete(now.uid);
    queue.wake(goneEvents(before.pod));
  }
  noteNomination(context, now);
  const change = { resource: 'TargetPod', previous: before.pod, object: now.pod } as const;
  queue.update(now, eventsOf(podActions(before, now), change));
}

/** Takes over the node that the status of a waiting pod names: what another run of the scheduler promised. */
function noteNomination({ cache, nominator }: HandlerContext, pod: PodInfo): void {
  const nodeName = pod.pod.status?.nominatedNodeName;
  if (nodeName && !cache.isAssumed(pod.uid)) nominator.set(pod, nodeName);
}

function podGone({ cache, queue, nominator }: HandlerContext, pod: Pod): void {
  const uid = podUid(pod);
  const held = holdsNode(pod) || cache.isAssumed(uid) || nominator.nodeOf(uid) !== undefined;
  queue.delete(uid);
  nominator.delete(uid);
  cache.removePod(uid);
  if (!held) return;
  queue.wake(goneEvents(pod));
  for (const waiting of nominator.on(pod.spec?.nodeName ?? '')) queue.hurry(waiting.uid);
}

/** What others see when a pod gives up its place, or one that was promised to it. */
function goneEvents(pod: Pod): readonly ClusterEvent[] {
  return [{ resource: 'AssignedPod', action: 'Delete', previous: pod }];
}

function assignedPodChanged({ cache, queue }: HandlerContext, before: PodInfo, now: PodInfo): void {
  cache.setPod(now, now.pod.spec?.nodeName ?? '');
  const change = { resource: 'AssignedPod', previous: before.pod, object: now.pod } as const;
  queue.wake(eventsOf(podActions(before, now), change));
}

/** On a node and not yet ended: takes resources there. */
function holdsNode(pod: Pod): boolean {
  return Boolean(pod.spec?.nodeName) && !isPodTerminal(pod);
}

/**
 * A write of the status of a pod that stays on its node, by far the most common, of which the scheduler reads only the start and what the
 * containers have.
 */
function isOnlyStatus(previous: Pod, pod: Pod): boolean {
  const generation = pod.metadata?.generation;
  return (
    generation !== undefined &&
    previous.metadata?.generation === generation &&
    previous.metadata?.uid === pod.metadata?.uid &&
    holdsNode(previous) &&
    holdsNode(pod) &&
    previous.metadata?.deletionTimestamp === pod.metadata?.deletionTimestamp &&
    previous.status?.startTime === pod.status?.startTime &&
    deepEqual(heldResources(previous), heldResources(pod)) &&
    deepEqual(previous.metadata?.labels, pod.metadata?.labels)
  );
}

function heldResources({ status }: Pod): readonly unknown[] {
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const resize = findCondition(status?.conditions, 'PodResizePending')?.reason;
  return [resize, ...statuses.map(({ resources, allocatedResources }) => [resources, allocatedResources])];
}

function nodeActions(previous: Node, node: Node): readonly EventAction[] {
  const actions: EventAction[] = [];
  if (!deepEqual(previous.status?.allocatable, node.status?.allocatable)) actions.push('UpdateNodeAllocatable');
  if (!deepEqual(previous.metadata?.labels, node.metadata?.labels)) actions.push('UpdateLabels');
  const cordonChanged = (previous.spec?.unschedulable ?? false) !== (node.spec?.unschedulable ?? false);
  if (cordonChanged || !deepEqual(previous.spec?.taints, node.spec?.taints)) actions.push('UpdateNodeTaints');
  return actions;
}

function podActions(before: PodInfo, now: PodInfo): readonly EventAction[] {
  const actions: EventAction[] = [];
  if (!deepEqual(before.pod.metadata?.labels, now.pod.metadata?.labels)) actions.push('UpdateLabels');
  if (!deepEqual(before.pod.spec?.tolerations, now.pod.spec?.tolerations)) actions.push('UpdatePodTolerations');
  const gatesBefore = before.pod.spec?.schedulingGates?.length ?? 0;
  if (gatesBefore > 0 && (now.pod.spec?.schedulingGates?.length ?? 0) === 0) actions.push('UpdatePodGatesEliminated');
  if (shrank(before, now)) actions.push('UpdatePodScaleDown');
  return actions;
}

function shrank({ requests: before }: PodInfo, { requests: now }: PodInfo): boolean {
  if (now.milliCpu < before.milliCpu || now.memory < before.memory) return true;
  return now.ephemeralStorage < before.ephemeralStorage;
}

/** One event for each way in which an object changed. */
function eventsOf(actions: readonly EventAction[], change: Omit<ClusterEvent, 'action'>): readonly ClusterEvent[] {
  return actions.map((action) => ({ ...change, action }));
}
