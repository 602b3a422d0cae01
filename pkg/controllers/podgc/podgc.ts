/**
 * Removes pods that nobody else will: bound to nodes that are gone, deleted on nodes that their users declared out of service, deleted
 * before they were bound, and ended ones beyond a number. Upstream counterpart: `pkg/controller/podgc`.
 */
import { isPodTerminal } from '#pkg/api/core/pod.ts';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { Component } from '#pkg/component/component.ts';
import { type FlagTable, type FlagValues, integer } from '#pkg/component/flags.ts';
import { type ControllerContext, createPeriodicLoop } from '../common/controller.ts';
import { timeMs } from '../common/pod.ts';
import { readyCondition } from '../nodelifecycle/health.ts';

const checkPeriodMs = 20_000;
/** How long a node must be missing before its pods go: it may be on its way into the cache. */
const quarantineMs = 40_000;
const outOfServiceTaint = 'node.kubernetes.io/out-of-service';

/** Source: kube-controller-manager `PodGCController`. */
export const podGcFlags = {
  'terminated-pod-gc-threshold': integer({
    help: 'Ended pods that are kept in the whole cluster before the oldest are removed; 0 keeps all.',
    fallback: 12_500,
  }),
} satisfies FlagTable;

/** The pod garbage collector. A turn looks at pods that have changed, or whose node has, and at those of which it has found something before: the others are as they were. */
export function createPodGcController(context: ControllerContext, values: FlagValues<typeof podGcFlags>): Component {
  const podInformer = context.informers.informer(pods);
  const nodeInformer = context.informers.informer(nodes);
  /** Since when each named node was found missing. */
  const missingSinceMs = new Map<string, number>();
  const threshold = values['terminated-pod-gc-threshold'];
  const candidates = followCandidates(podInformer, nodeInformer);

  const collect = async (): Promise<void> => {
    if (candidates.size === 0 && missingSinceMs.size === 0) return;
    const surplus = new Set(surplusTerminated(podInformer.lister.list(), threshold));
    for (const pod of surplus) candidates.add(objectKey(pod));
    const gone = await goneNodes();
    for (const key of [...candidates]) {
      candidates.delete(key);
      const pod = podInformer.lister.get(key);
      if (pod === undefined) continue;
      const nodeName = pod.spec?.nodeName ?? '';
      const node = nodeInformer.lister.get(nodeName);
      const isOfGone = gone.has(nodeName);
      const isDue = isOfGone || surplus.has(pod) || isStuck(pod, node);
      // Until it is gone, or its node is there.
      if (isDue || (nodeName !== '' && node === undefined)) candidates.add(key);
      if (isDue) await remove(context, pod, isOfGone ? 'PodGC: node no longer exists' : undefined);
    }
  };

  /** Nodes that pods name and that the server, too, has not had for a while. */
  const goneNodes = async (): Promise<ReadonlySet<string>> => {
    const nowMs = context.clock.monotonicMs();
    const missing = new Set<string>();
    for (const key of candidates) {
      const nodeName = podInformer.lister.get(key)?.spec?.nodeName;
      if (nodeName && nodeInformer.lister.get(nodeName) === undefined) missing.add(nodeName);
    }
    for (const name of missingSinceMs.keys()) if (!missing.has(name)) missingSinceMs.delete(name);
    const gone = new Set<string>();
    for (const name of missing) {
      const since = missingSinceMs.get(name) ?? nowMs;
      missingSinceMs.set(name, since);
      if (nowMs - since >= quarantineMs && (await isGone(name))) gone.add(name);
    }
    return gone;
  };

  const isGone = async (name: string): Promise<boolean> => {
    try {
      await context.client.resource(nodes).get(name);
      return false;
    } catch (error) {
      return isNotFound(error);
    }
  };

  return createPeriodicLoop(context, { name: 'podgc', periodMs: checkPeriodMs, work: collect });
}

/** Keys of pods to look at: one that has changed, or whose node has gone or is declared out of service, is added, and who has looked at it takes it out. */
function followCandidates(podInformer: Informer<Pod>, nodeInformer: Informer<Node>): Set<string> {
  const candidates = new Set<string>();
  const addPodsOf = (nodeName: string): void => {
    for (const pod of podInformer.lister.list()) if (pod.spec?.nodeName === nodeName) candidates.add(objectKey(pod));
  };
  const seeNode = (node: Node): void => {
    if (isOutOfService(node)) addPodsOf(node.metadata?.name ?? '');
  };
  podInformer.addHandler({
    added: (pod) => candidates.add(objectKey(pod)),
    updated: (_, pod) => candidates.add(objectKey(pod)),
    deleted: (pod) => candidates.delete(objectKey(pod)),
  });
  nodeInformer.addHandler({
    added: seeNode,
    updated: (_, node) => seeNode(node),
    deleted: ({ metadata }) => addPodsOf(metadata?.name ?? ''),
  });
  return candidates;
}

/** Whether a deleted pod waits for a kubelet that it never had, or that was declared to be out of service. */
function isStuck(pod: Pod, node: Node | undefined): boolean {
  if (pod.metadata?.deletionTimestamp === undefined) return false;
  if (!pod.spec?.nodeName) return true;
  return node !== undefined && isOutOfService(node) && readyCondition(node)?.status !== 'True';
}

const isOutOfService = ({ spec }: Node): boolean => spec?.taints?.some(({ key }) => key === outOfServiceTaint) === true;

/** Of the pods that have ended those beyond the threshold: evicted ones, then the oldest. */
function surplusTerminated(all: readonly Pod[], threshold: number): readonly Pod[] {
  if (threshold <= 0 || all.length <= threshold) return [];
  const ended = all.filter((pod) => isPodTerminal(pod) && pod.metadata?.deletionTimestamp === undefined);
  const isEvicted = (pod: Pod): number => (pod.status?.phase === 'Failed' && pod.status.reason === 'Evicted' ? 0 : 1);
  ended.sort(
    (a, b) =>
      isEvicted(a) - isEvicted(b) || timeMs(a.metadata?.creationTimestamp) - timeMs(b.metadata?.creationTimestamp),
  );
  return ended.slice(0, Math.max(0, ended.length - threshold));
}

/** Deletes a pod at once; one that had not ended is first said to have failed, with a condition that says why if there is a reason. */
async function remove(context: ControllerContext, pod: Pod, why?: string): Promise<void> {
  const { name = '', namespace = '', uid } = pod.metadata ?? {};
  const resource = context.client.resource(pods);
  try {
    if (!isPodTerminal(pod)) {
      const lastTransitionTime = timestamp(context.clock);
      const condition = { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC', message: why };
      const conditions = why === undefined ? {} : { conditions: [{ ...condition, lastTransitionTime }] };
      const patch = { metadata: { uid }, status: { phase: 'Failed', ...conditions } };
      await resource.patch(name, patch, { namespace, type: 'strategic', subresource: 'status' });
    }
    const preconditions = uid === undefined ? {} : { preconditions: { uid } };
    await resource.delete(name, { namespace, gracePeriodSeconds: 0, ...preconditions });
  } catch (error) {
    // The next pass sees what is left.
    if (!isNotFound(error) && !isConflict(error))
      context.log.warn('Pod not removed', { pod: `${namespace}/${name}`, error });
  }
}
