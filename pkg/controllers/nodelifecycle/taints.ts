/** Taints that say what conditions say, for the scheduler and for eviction. Pure. */

import type { Node, Taint } from '#pkg/api/types/core-v1.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { readyCondition } from './health.ts';

const prefix = 'node.kubernetes.io/';
const notReadyTaint = `${prefix}not-ready`;
const unreachableTaint = `${prefix}unreachable`;

/** Condition, status and the key of the taint that stands for it. */
const conditionTaints = [
  ['Ready', 'False', notReadyTaint],
  ['Ready', 'Unknown', unreachableTaint],
  ['MemoryPressure', 'True', `${prefix}memory-pressure`],
  ['DiskPressure', 'True', `${prefix}disk-pressure`],
  ['PIDPressure', 'True', `${prefix}pid-pressure`],
  ['NetworkUnavailable', 'True', `${prefix}network-unavailable`],
] as const;
const unschedulableTaint = `${prefix}unschedulable`;

const noScheduleKeys: ReadonlySet<string> = new Set([unschedulableTaint, ...conditionTaints.map((entry) => entry[2])]);

/** The node's taints with those of effect NoSchedule as its conditions want them; undefined when they are so. */
export function noScheduleTaints(node: Node, now: () => string): readonly Taint[] | undefined {
  const wanted = new Set<string>();
  for (const [type, status, key] of conditionTaints)
    if (findCondition(node.status?.conditions, type)?.status === status) wanted.add(key);
  if (node.spec?.unschedulable) wanted.add(unschedulableTaint);
  return withTaints(node, { effect: 'NoSchedule', managed: noScheduleKeys, wanted, now });
}

const noExecuteKeys: ReadonlySet<string> = new Set([notReadyTaint, unreachableTaint]);

/** The same for NoExecute, which only not-ready and unreachable nodes get, and while nobody is to be evicted none. */
export function noExecuteTaints(
  node: Node,
  options: { readonly mayEvict: boolean; readonly now: () => string },
): readonly Taint[] | undefined {
  const status = options.mayEvict ? readyCondition(node)?.status : undefined;
  const wanted = new Set(status === 'False' ? [notReadyTaint] : status === 'Unknown' ? [unreachableTaint] : []);
  return withTaints(node, { effect: 'NoExecute', managed: noExecuteKeys, wanted, now: options.now });
}

/** Whether this controller evicts from the node already. */
export function isEvicting(node: Node): boolean {
  return (node.spec?.taints ?? []).some(({ effect, key }) => effect === 'NoExecute' && noExecuteKeys.has(key));
}

function withTaints(
  node: Node,
  change: {
    readonly effect: Taint['effect'];
    readonly managed: ReadonlySet<string>;
    readonly wanted: ReadonlySet<string>;
    readonly now: () => string;
  },
): readonly Taint[] | undefined {
  const { effect, managed, wanted, now } = change;
  const old = node.spec?.taints ?? [];
  const has = new Set(old.filter((taint) => taint.effect === effect && managed.has(taint.key)).map(({ key }) => key));
  if (has.size === wanted.size && [...wanted].every((key) => has.has(key))) return undefined;
  const kept = old.filter((taint) => taint.effect !== effect || !managed.has(taint.key) || wanted.has(taint.key));
  const added = [...wanted].filter((key) => !has.has(key)).map((key): Taint => ({ key, effect, timeAdded: now() }));
  return [...kept, ...added];
}
