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
import type { PostFilterContext, PostFilterPlugin, PostFilterResult } from '../../framework/plugin.ts';
import { configurable } from '../../framework/plugin-args.ts';
import { success, unschedulable } from '../../framework/status.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import { type Cost, compareCosts, costOf } from './cost.ts';
import { KeptVictims } from './kept-victims.ts';

/** How many more candidates are looked for than have to be, as a share of these. */
const spareShare = 0.25;

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
      const { known, found, reasonCounts } = dryRun(context, options, kept);
      const least = leastOf([...known.slice(0, 1), ...found]);
      if (least !== undefined) {
        const { nodeName, victims } = least.candidate;
        return {
          status: success,
          nominatedNodeName: nodeName,
          victims,
          // Only extenders ask for the others.
          get candidates() {
            return [...known, ...found].map(({ candidate }) => candidate);
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
  for (const { node, status } of refusals)
    if (node.name === nominatedNodeName && status.code === 'UnschedulableAndUnresolvable') return undefined;
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
 * Tries nodes, from a random one on, until there are enough candidates with those that are known, one of which spares all that a budget protects; where there are none, every
 * node counts its reason.
 */
function dryRun(context: PostFilterContext, { budgets, random, args }: DefaultPreemptionOptions, kept: KeptVictims) {
  const { cycle, refusals } = context;
  const potential = refusals.resolvableCount;
  const reasonCounts = new Map<string, number>();
  const count = (reason: string, times: number): void => {
    if (times > 0) reasonCounts.set(reason, (reasonCounts.get(reason) ?? 0) + times);
  };
  count('Preemption is not helpful for scheduling', cycle.cluster.nodeCount - potential);
  const wanted = Math.max(
    args.minCandidateNodesAbsolute,
    Math.floor((potential * args.minCandidateNodesPercentage) / 100),
  );
  const offset = potential === 0 ? 0 : randomInt(random, potential);
  const { known, of: costOn } = kept.costs(context, budgets());
  // Fewer violations come first.
  let isHarmless = known[0]?.candidate.violations === 0;
  const found: Cost[] = [];
  if (known.length >= wanted && isHarmless) return { known, found, reasonCounts };
  const nodes = refusals.resolvable();
  // Some more, lest each pod that is alike has to look for the one that this one takes away.
  const most = wanted + Math.ceil(wanted * spareShare);
  for (let index = 0; index < nodes.length && (known.length + found.length < most || !isHarmless); index++) {
    const node = nodes[(offset + index) % nodes.length];
    const result = node === undefined ? undefined : costOn(node);
    if (result === undefined) continue;
    if ('candidate' in result) {
      found.push(result);
      isHarmless ||= result.candidate.violations === 0;
    } else for (const reason of result.reasons) count(reason, 1);
  }
  return { known, found, reasonCounts };
}

function leastOf(costs: readonly Cost[]): Cost | undefined {
  let [least] = costs;
  for (const cost of costs) if (least !== undefined && compareCosts(cost, least) < 0) least = cost;
  return least;
}
