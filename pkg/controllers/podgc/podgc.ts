/**
 * Removes pods that nobody else will: bound to nodes that are gone, deleted before they were bound, and ended ones beyond a
 * number. Upstream counterpart: `pkg/controller/podgc`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { repeat } from '#pkg/base/async.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { Component } from '#pkg/component/component.ts';
import type { ControllerContext } from '../common/controller.ts';
import { isPodTerminal, timeMs } from '../common/pod.ts';

const checkPeriodMs = 20_000;
/** How long a node must be missing before its pods go: it may be on its way into the cache. */
const quarantineMs = 40_000;
const terminatedThresholdDefault = 12_500;

/** The pod garbage collector. */
export function createPodGcController(context: ControllerContext): Component {
  const podInformer = context.informers.informer(pods);
  const nodeInformer = context.informers.informer(nodes);
  /** Since when each named node was found missing. */
  const missingSinceMs = new Map<string, number>();
  const threshold = context.options.terminatedPodGcThreshold ?? terminatedThresholdDefault;

  const collect = async (): Promise<void> => {
    const all = podInformer.lister.list();
    const doomed = [
      ...surplusTerminated(all, threshold).map((pod) => ({ pod, why: undefined })),
      ...(await orphans(all)).map((pod) => ({ pod, why: 'PodGC: node no longer exists' })),
      ...all.filter(isUnboundAndDeleted).map((pod) => ({ pod, why: undefined })),
    ];
    for (const { pod, why } of doomed) await remove(context, pod, why);
  };

  const orphans = async (all: readonly Pod[]): Promise<readonly Pod[]> => {
    const nowMs = context.clock.monotonicMs();
    const missing = new Set<string>();
    for (const { spec } of all)
      if (spec?.nodeName && nodeInformer.lister.get(spec.nodeName) === undefined) missing.add(spec.nodeName);
    for (const name of missingSinceMs.keys()) if (!missing.has(name)) missingSinceMs.delete(name);
    const gone = new Set<string>();
    for (const name of missing) {
      const since = missingSinceMs.get(name) ?? nowMs;
      missingSinceMs.set(name, since);
      if (nowMs - since >= quarantineMs && (await isGone(name))) gone.add(name);
    }
    return all.filter((pod) => gone.has(pod.spec?.nodeName ?? ''));
  };

  const isGone = async (name: string): Promise<boolean> => {
    try {
      await context.client.resource(nodes).get(name);
      return false;
    } catch (error) {
      return isNotFound(error);
    }
  };

  return { run: (signal) => repeat(context.clock, { periodMs: () => checkPeriodMs, signal }, collect) };
}

function isUnboundAndDeleted(pod: Pod): boolean {
  return pod.metadata?.deletionTimestamp !== undefined && !pod.spec?.nodeName;
}

/** The oldest of the pods that have ended, beyond the threshold. */
function surplusTerminated(all: readonly Pod[], threshold: number): readonly Pod[] {
  if (threshold <= 0 || all.length <= threshold) return [];
  const ended = all.filter((pod) => isPodTerminal(pod) && pod.metadata?.deletionTimestamp === undefined);
  ended.sort((a, b) => timeMs(a.metadata?.creationTimestamp) - timeMs(b.metadata?.creationTimestamp));
  return ended.slice(0, Math.max(0, ended.length - threshold));
}

/** Deletes a pod at once; one that had not ended is first said to have failed. */
async function remove(context: ControllerContext, pod: Pod, why: string | undefined): Promise<void> {
  const { name = '', namespace = '', uid } = pod.metadata ?? {};
  const resource = context.client.resource(pods);
  try {
    if (why !== undefined && !isPodTerminal(pod)) {
      const lastTransitionTime = timestamp(context.clock);
      const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget');
      const condition = { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC', message: why } as const;
      const conditions = [...others, { ...condition, lastTransitionTime }];
      await resource.update(
        { ...pod, status: { ...pod.status, phase: 'Failed', conditions } },
        { subresource: 'status' },
      );
    }
    const preconditions = uid === undefined ? {} : { preconditions: { uid } };
    await resource.delete(name, { namespace, gracePeriodSeconds: 0, ...preconditions });
  } catch (error) {
    // The next pass sees what is left.
    if (!isNotFound(error) && !isConflict(error))
      context.log.warn('Pod not removed', { pod: `${namespace}/${name}`, error });
  }
}
