/** What controllers ask about pods. Upstream counterparts: `pkg/api/v1/pod`, `controller_utils.go`. */
import { podCondition } from '#pkg/api/core/pod.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { controllerOf } from '#pkg/apimachinery/object.ts';
import type { Informer } from '#pkg/client/informer.ts';

/** Milliseconds since the epoch of an API timestamp; 0 when there is none. */
export function timeMs(timestamp: string | null | undefined): number {
  return timestamp === undefined || timestamp === null ? 0 : Date.parse(timestamp);
}

/** Milliseconds until a ready pod counts as available: 0 when it does, undefined when it is not ready. */
export function availableInMs(pod: Pod, when: { minReadySeconds: number; nowMs: number }): number | undefined {
  const ready = podCondition(pod, 'Ready');
  if (ready?.status !== 'True') return undefined;
  if (when.minReadySeconds === 0) return 0;
  const since = ready.lastTransitionTime ?? undefined;
  if (since === undefined) return undefined;
  return Math.max(0, timeMs(since) + when.minReadySeconds * 1_000 - when.nowMs);
}

const controllerIndex = 'controller';

/** Adds the index that `podsOf` and `orphanPods` use. */
export function indexByController(informer: Informer<Pod>): void {
  informer.addIndex(controllerIndex, (pod) => [controllerOf(pod)?.uid ?? `orphan:${pod.metadata?.namespace}`]);
}

/** Pods whose controller has this uid. */
export function podsOf(informer: Informer<Pod>, uid: string): readonly Pod[] {
  return informer.lister.byIndex(controllerIndex, uid);
}

/** Pods of a namespace that no controller owns. */
export function orphanPods(informer: Informer<Pod>, namespace: string): readonly Pod[] {
  return informer.lister.byIndex(controllerIndex, `orphan:${namespace}`);
}

const nodeIndex = 'node';

/** Adds the index that `podsOnNode` uses. */
export function indexByNode(informer: Informer<Pod>): void {
  informer.addIndex(nodeIndex, (pod) => (pod.spec?.nodeName ? [pod.spec.nodeName] : []));
}

/** Pods bound to a node. */
export function podsOnNode(informer: Informer<Pod>, node: string): readonly Pod[] {
  return informer.lister.byIndex(nodeIndex, node);
}
