/** What the status of a DeviceTaintRule says of its evictions. Pure. Source: upstream `pkg/controller/devicetainteviction`, API reference `DeviceTaintRuleStatus` v1beta2. */
import type { Condition } from '#pkg/api/types/meta-v1.ts';
import type { DeviceTaintRule } from '#pkg/api/types/resource-v1beta2.ts';

/** The condition. */
export const evictionInProgress = 'EvictionInProgress';

/** What is counted for it. */
export interface RuleCounts {
  /** Pods that have to go, or would have to, and the namespaces that they are in. */
  readonly pods: number;
  readonly namespaces: number;
  /** Devices that the rule selects: of those that are published, and of those that claims have. */
  readonly published: number;
  readonly allocated: number;
  /** Pods that this controller evicted for the rule. */
  readonly evicted: number;
}

/** The condition but for its time. */
export function ruleCondition(
  { metadata, spec }: DeviceTaintRule,
  counts: RuleCounts,
): Omit<Condition, 'lastTransitionTime'> {
  const { status, reason, messages } = stateOf(spec.taint.effect, counts);
  const { evicted } = counts;
  const all =
    evicted === 0 ? messages : [...messages, `${count(evicted, 'pod')} evicted since starting the controller.`];
  const observedGeneration = metadata?.generation ?? 0;
  return { type: evictionInProgress, status, reason, message: all.join(' '), observedGeneration };
}

interface State {
  readonly status: 'False' | 'True';
  readonly reason: string;
  readonly messages: readonly string[];
}

function stateOf(effect: string, { pods, namespaces, published, allocated, evicted }: RuleCounts): State {
  const where = namespaces === 1 ? '1 namespace' : `${namespaces} different namespaces`;
  if (effect === 'NoExecute') {
    if (pods === 0) return { status: 'False', reason: evicted > 0 ? 'Completed' : 'NotStarted', messages: [] };
    const message = `${count(pods, 'pod')} ${pods === 1 ? 'needs' : 'need'} to be evicted in ${where}.`;
    return { status: 'True', reason: 'PodsPendingEviction', messages: [message] };
  }
  if (effect !== 'None') {
    return {
      status: 'False',
      reason: 'OtherEffect',
      messages: ['Eviction only happens for the NoExecute effect.'],
    };
  }
  const messages = [
    `${count(published, 'published device')} selected.`,
    `${count(allocated, 'allocated device')} selected.`,
    `${count(pods, 'pod')} would be evicted in ${where} if the effect was NoExecute.`,
    'This information will not be updated again. Recreate the DeviceTaintRule to trigger an update.',
  ];
  return { status: 'False', reason: 'NoEffect', messages };
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
