/**
 * Deletes pods from nodes with NoExecute taints that they do not tolerate, or no longer. Upstream counterpart: `pkg/controller/tainteviction`.
 */
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { evictTainted } from '../common/evict-tainted.ts';
import { indexByNode, podsOnNode } from '../common/pod.ts';
import { toleratedMs } from './tolerations.ts';

/** Pods looked at at the same time. */
const workers = 8;

/** The taint-eviction controller. */
export function createTaintEvictionController(context: ControllerContext): Component {
  const { clock, informers } = context;
  const events = context.recorder('taint-eviction-controller');
  const nodeInformer = informers.informer(nodes);
  const podInformer = informers.informer(pods);
  indexByNode(podInformer);
  /** Since when each pod, by uid, has stood under taints it tolerates for a while. */
  const sinceMs = new Map<string, number>();

  /** Says that a pod that was to go may stay, if it was. */
  const cancel = (pod: Pod): void => {
    if (!sinceMs.delete(pod.metadata?.uid ?? '')) return;
    const message = `Cancelling deletion of Pod ${objectKey(pod)}`;
    events.record(pod, { type: 'Normal', reason: 'TaintManagerEviction', message });
  };

  const reconcile = async (key: string): Promise<ReconcileResult> => {
    const pod = podInformer.lister.get(key);
    if (pod === undefined || pod.metadata?.deletionTimestamp !== undefined) return undefined;
    const uid = pod.metadata?.uid ?? '';
    const node = nodeInformer.lister.get(pod.spec?.nodeName ?? '');
    const taints = (node?.spec?.taints ?? []).filter((taint) => taint.effect === 'NoExecute');
    const allowedMs = toleratedMs(pod.spec?.tolerations ?? [], taints);
    if (allowedMs === Number.POSITIVE_INFINITY) {
      cancel(pod);
      return undefined;
    }
    const nowMs = clock.monotonicMs();
    const since = sinceMs.get(uid) ?? nowMs;
    sinceMs.set(uid, since);
    const leftMs = since + allowedMs - nowMs;
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    await evict(context, events, pod);
    sinceMs.delete(uid);
    return undefined;
  };

  const loop = createLoop(context, { name: 'tainteviction', workers, reconcile });
  const enqueuePods = (node: Node): void => {
    for (const pod of podsOnNode(podInformer, objectKey(node))) loop.queue.add(objectKey(pod));
  };
  nodeInformer.addHandler({
    added: (node) => {
      if (hasNoExecute(node)) enqueuePods(node);
    },
    updated: (previous, node) => {
      const changed = JSON.stringify(previous.spec?.taints) !== JSON.stringify(node.spec?.taints);
      if (changed && (hasNoExecute(previous) || hasNoExecute(node))) enqueuePods(node);
    },
  });
  const enqueue = (pod: Pod): void => {
    const node = nodeInformer.lister.get(pod.spec?.nodeName ?? '');
    if (node !== undefined && hasNoExecute(node)) loop.queue.add(objectKey(pod));
  };
  podInformer.addHandler({
    added: enqueue,
    updated: (previous, pod) => {
      const isSame =
        previous.spec?.nodeName === pod.spec?.nodeName && previous.spec?.tolerations === pod.spec?.tolerations;
      if (!isSame) enqueue(pod);
    },
    deleted: (pod) => sinceMs.delete(pod.metadata?.uid ?? ''),
  });
  return loop;
}

function hasNoExecute(node: Node): boolean {
  return (node.spec?.taints ?? []).some((taint) => taint.effect === 'NoExecute');
}

async function evict(context: ControllerContext, events: EventRecorder, pod: Pod): Promise<void> {
  const message = `Marking for deletion Pod ${objectKey(pod)}`;
  events.record(pod, { type: 'Normal', reason: 'TaintManagerEviction', message });
  await evictTainted(context, pod, {
    reason: 'DeletionByTaintManager',
    message: 'Taint manager: deleting due to NoExecute taint',
  });
}
