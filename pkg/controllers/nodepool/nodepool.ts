/**
 * The node-pool autoscaler: pools grow for pods that fit nowhere, and nodes with little to do are emptied and taken away. What does it is loaded with the first pool.
 * Upstream counterpart: https://github.com/kubernetes/autoscaler `cluster-autoscaler`.
 */
import { nodePools } from '#pkg/api/node-pool.ts';
import { neverAborted } from '#pkg/base/async.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import type { Autoscaler } from './autoscaler.ts';

/** All pools are looked at together, as a pod may fit in any of them. */
const allPools = 'pools';
/** Changes that come together are looked at once. */
const gatherMs = 1_000;

/** The controller. */
export function createNodePoolController(context: ControllerContext): Component {
  const pools = context.informers.informer(nodePools);
  const events = context.recorder('cluster-autoscaler');
  let loading: Promise<Autoscaler> | undefined;
  const reconcile = async (_: string, signal: AbortSignal = neverAborted): Promise<ReconcileResult> => {
    if (loading === undefined && pools.lister.list().length === 0) return undefined;
    loading ??= load();
    const autoscaler = await loading;
    return autoscaler.reconcile(signal);
  };
  const loop = createLoop(context, { name: 'nodepool', workers: 1, reconcile });
  const look = (): void => loop.queue.addAfter(allPools, gatherMs);
  const load = async (): Promise<Autoscaler> => {
    const { createAutoscaler } = await import('./autoscaler.ts');
    return createAutoscaler({ ...context, events, look });
  };
  pools.addHandler({ added: look, updated: look, deleted: look });
  return loop;
}
