/**
 * Makes room for a pod by choosing pods of lower priority that would have to go. Chooses only: the scheduler evicts them.
 * Upstream counterpart: `plugins/defaultpreemption`, `framework/preemption`.
 */

import type { PodDisruptionBudget } from '#pkg/api/types/policy-v1.ts';
import { podDisruptionBudgets } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { type FieldError, invalid, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { type Random, randomInt } from '#pkg/base/random.ts';
import { fitErrorMessage } from '../../framework/fit-error.ts';
import type { NodeRefusal, PostFilterContext, PostFilterPlugin, PostFilterResult } from '../../framework/plugin.ts';
import { configurable } from '../../framework/plugin-args.ts';
import { success, unschedulable } from '../../framework/status.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import { type Cost, costOf, KeptVictims } from './kept-victims.ts';

/** What the choice of victims depends on beside the cycle. */
export interface DefaultPreemptionOptions {
  readonly budgets: () => readonly PodDisruptionBudget[];
  /** Where the search among the nodes begins. */
  readonly random: Random;
  readonly args: PreemptionArgs;
}

/** Arguments of the plugin: enough choice, at a bounded cost. Source: `DefaultPreemptionArgs`. */
export interface PreemptionArgs {
  /** Share of the nodes that is tried, and how many at least. */
  readonly minCandidateNodesPercentage: number;
  readonly minCandidateNodesAbsolute: number;
}

/** What upstream tries. */
export const preemptionDefaults: PreemptionArgs = { minCandidateNodesPercentage: 10, minCandidateNodesAbsolute: 100 };

/** The line of the table. */
export const defaultPreemption = configurable<PreemptionArgs>({
  name: 'DefaultPreemption',
  properties: { minCandidateNodesPercentage: { type: 'integer' }, minCandidateNodesAbsolute: { type: 'integer' } },
  fallback: () => preemptionDefaults,
  problems: preemptionProblems,
  create: ({ random, lister }, args) => {
    const budgets = lister(podDisruptionBudgets);
    return createDefaultPreemption({ random, budgets: () => budgets.list(), args });
  },
});

function preemptionProblems({ minCandidateNodesPercentage: share, minCandidateNodesAbsolute: least }: PreemptionArgs) {
  const field = pathsOf<PreemptionArgs>();
  const [ofShare, ofLeast] = [field('minCandidateNodesPercentage'), field('minCandidateNodesAbsolute')];
  const errors: FieldError[] = [];
  if (share < 0 || share > 100) errors.push(invalid(ofShare, share, 'not in valid range [0, 100]'));
  if (least < 0) errors.push(invalid(ofLeast, least, 'not in valid range [0, inf)'));
  if (share === 0 && least === 0) {
    errors.push(invalid(ofShare, share, 'cannot be zero at the same time as minCandidateNodesAbsolute'));
    errors.push(invalid(ofLeast, least, 'cannot be zero at the same time as minCandidateNodesPercentage'));
  }
  return errors;
}

/** The plugin. */
export function createDefaultPreemption(options: DefaultPreemptionOptions): PostFilterPlugin {
  const kept = new KeptVictims();
  return {
    name: 'DefaultPreemption',
    events: [],
    postFilter(context) {
      const reason = whyNotEligible(context);
      if (reason !== undefined) return refused(reason);
      const { costs, reasonCounts } = dryRun(context, options, kept);
      const least = leastOf(costs);
      if (least !== undefined) {
        const { nodeName, victims } = least.candidate;
        return {
          status: success,
          nominatedNodeName: nodeName,
          victims,
          // Only extenders ask for the others.
          get candidates() {
            return costs.map(({ candidate }) => candidate);
          },
          choose: (candidates) => leastOf(candidates.map(costOf))?.candidate,
        };
      }
      const message = fitErrorMessage({ nodeCount: context.cycle.cluster.nodeCount, reasonCounts });
      return { ...refused(message), nominatedNodeName: '' };
    },
  };
}

function refused(message: string): PostFilterResult {
  return { status: unschedulable(`preemption: ${message}`) };
}

/** A pod that made room already waits for it instead of making more. */
function whyNotEligible({
  cycle: { pod, cluster },
  nominatedNodeName,
  refusals,
}: PostFilterContext): string | undefined {
  if (pod.pod.spec?.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
  if (nominatedNodeName === undefined) return undefined;
  const refusal = refusals.find(({ node }) => node.name === nominatedNodeName);
  if (refusal?.status.code === 'UnschedulableAndUnresolvable') return undefined;
  for (const other of cluster.node(nominatedNodeName)?.pods.values() ?? []) {
    if (other.priority < pod.priority && isBeingPreempted(other)) {
      return 'not eligible due to a terminating pod on the nominated node.';
    }
  }
  return undefined;
}

function isBeingPreempted({ pod }: PodInfo): boolean {
  if (pod.metadata?.deletionTimestamp === undefined) return false;
  const target = findCondition(pod.status?.conditions, 'DisruptionTarget');
  return target?.status === 'True' && target.reason === 'PreemptionByScheduler';
}

/**
 * Tries nodes, from a random one on, until there are enough candidates, one of which spares all that a budget protects; every node that is no
 * candidate counts its reason.
 */
function dryRun(context: PostFilterContext, { budgets, random, args }: DefaultPreemptionOptions, kept: KeptVictims) {
  const { cycle, refusals } = context;
  const potential = refusals.filter(({ status }) => status.code === 'Unschedulable');
  const reasonCounts = new Map<string, number>();
  const count = (reason: string, times: number): void => {
    if (times > 0) reasonCounts.set(reason, (reasonCounts.get(reason) ?? 0) + times);
  };
  count('Preemption is not helpful for scheduling', cycle.cluster.nodeCount - potential.length);
  const wanted = Math.max(
    args.minCandidateNodesAbsolute,
    Math.floor((potential.length * args.minCandidateNodesPercentage) / 100),
  );
  const offset = potential.length === 0 ? 0 : randomInt(random, potential.length);
  const costOn = kept.costs(context, budgets());
  const costs: Cost[] = [];
  let isHarmless = false;
  for (let index = 0; index < potential.length && (costs.length < wanted || !isHarmless); index++) {
    const { node }: NodeRefusal = potential[(offset + index) % potential.length]!;
    const result = costOn(node);
    if ('candidate' in result) {
      costs.push(result);
      isHarmless ||= result.candidate.violations === 0;
    } else for (const reason of result.reasons) count(reason, 1);
  }
  return { costs, reasonCounts };
}

/**
 * Negative when `a` costs less: fewer budgets violated, a lower highest priority, a lower sum of priorities, fewer victims, and a later start
 * of those with the highest priority; then by name, so that the choice is the same each time.
 */
function compare(a: Cost, b: Cost): number {
  const byNumber =
    a.candidate.violations - b.candidate.violations ||
    order(a.highest, b.highest) ||
    a.sum - b.sum ||
    a.candidate.victims.length - b.candidate.victims.length;
  return byNumber || order(b.start, a.start) || order(a.candidate.nodeName, b.candidate.nodeName);
}

function leastOf(costs: readonly Cost[]): Cost | undefined {
  let [least] = costs;
  for (const cost of costs) if (least !== undefined && compare(cost, least) < 0) least = cost;
  return least;
}

function order<T extends number | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
