/**
 * What a plugin answers. The set of codes is closed; each has one consequence for the pod's place in the queue.
 * Upstream counterpart: kube-scheduler `framework.Status`.
 */

/**
 * - `Success`: go on.
 * - `Unschedulable`: not now; other pods leaving could change that, so preemption may help.
 * - `UnschedulableAndUnresolvable`: not now, and preempting pods would not change it.
 * - `Wait`: permit only: the pod keeps its reservation until it is allowed or rejected.
 * - `Skip`: this plugin has nothing to do for this pod.
 * - `Error`: something unexpected; the pod is tried again after its back-off.
 * - `Pending`: not now, and the plugin will say when: such a pod returns without back-off.
 */
export type Code = 'Error' | 'Pending' | 'Skip' | 'Success' | 'Unschedulable' | 'UnschedulableAndUnresolvable' | 'Wait';

/** A code, and why. */
export interface Status {
  readonly code: Code;
  /** Short phrases that are counted over nodes, such as `Insufficient cpu`. */
  readonly reasons: readonly string[];
  /** The plugin that answered; filled in by the framework. */
  readonly plugin?: string;
}

/** The one success; compare by identity. */
export const success: Status = { code: 'Success', reasons: [] };

/** The one skip; compare by identity. */
export const skip: Status = { code: 'Skip', reasons: [] };

/** The pod does not fit now; pods that leave may change that. */
export function unschedulable(...reasons: string[]): Status {
  return { code: 'Unschedulable', reasons };
}

/** The pod does not fit, and would not if other pods left. */
export function unresolvable(...reasons: string[]): Status {
  return { code: 'UnschedulableAndUnresolvable', reasons };
}

/** Whether the status refuses the pod for a reason that lies in the cluster or the pod rather than in a failure. */
export function isRejected(status: Status): boolean {
  return status.code === 'Unschedulable' || status.code === 'UnschedulableAndUnresolvable' || status.code === 'Pending';
}
