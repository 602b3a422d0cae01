/**
 * What making room on nodes would cost, kept between pods: many that are alike look for room on the same nodes, of which few have changed since. What is kept of a node is
 * right while its pods, those that were promised it and the disruption budgets are the same.
 */
import type { PodDisruptionBudget } from '#pkg/api/types/policy-v1.ts';
import type { PostFilterContext } from '../../framework/plugin.ts';
import type { Status } from '../../framework/status.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import { type Candidate, type SelectOptions, selectVictims, startOf } from './victims.ts';

/** Sorts of pods for which answers are kept. At 5,000 nodes those of one are about 1 MB. */
const sortsMax = 16;

/** Added to each priority before they are summed, so that more victims never weigh less than fewer. */
const priorityOffset = 2 ** 31;

/** A way of making room, with what it costs. */
export interface Cost {
  readonly candidate: Candidate;
  readonly highest: number;
  readonly sum: number;
  /** The earliest of those with the highest priority. */
  readonly start: string;
}

interface Kept {
  /** As of when the node was looked at. */
  readonly changes: number;
  readonly promised: readonly PodInfo[];
  readonly answer: Cost | Status;
}

type Costs = (node: NodeInfo) => Cost | Status;

/** The answers of one plugin. */
export class KeptVictims {
  /** By what pods are alike in. */
  readonly #kept = new Map<string, WeakMap<NodeInfo, Kept>>();
  #budgets: readonly PodDisruptionBudget[] = [];

  /** What room on a node costs the pod of a cycle, or why there is none to be made; to be asked until the cluster changes. */
  costs(
    { cycle: { pod }, fits, signature, promisedOn }: PostFilterContext,
    budgets: readonly PodDisruptionBudget[],
  ): Costs {
    const options: SelectOptions = { pod, fits, budgets };
    if (signature === undefined) return (node) => costOn(node, options);
    const kept = this.#keptFor(`${pod.priority} ${signature}`, budgets);
    return (node) => {
      const promised = promisedOn(node);
      const known = kept.get(node);
      if (known?.changes === node.changes && known.promised === promised) return known.answer;
      const answer = costOn(node, options);
      // Terms of a promised pod may speak of pods elsewhere.
      if (promised.every(({ affinity }) => affinity === undefined))
        kept.set(node, { changes: node.changes, promised, answer });
      return answer;
    };
  }

  #keptFor(sort: string, budgets: readonly PodDisruptionBudget[]): WeakMap<NodeInfo, Kept> {
    const areSame = budgets.length === this.#budgets.length && budgets.every((one, at) => one === this.#budgets[at]);
    const known = areSame ? this.#kept.get(sort) : undefined;
    if (known !== undefined) return known;
    if (!areSame || this.#kept.size >= sortsMax) this.#kept.clear();
    this.#budgets = budgets;
    const kept = new WeakMap<NodeInfo, Kept>();
    this.#kept.set(sort, kept);
    return kept;
  }
}

function costOn(node: NodeInfo, options: SelectOptions): Cost | Status {
  const answer = selectVictims(node, options);
  return 'victims' in answer ? costOf(answer) : answer;
}

/** What a way of making room costs. */
export function costOf(candidate: Candidate): Cost {
  const { victims } = candidate;
  const highest = victims[0]?.priority ?? Number.NEGATIVE_INFINITY;
  let sum = 0;
  let start: string | undefined;
  for (const victim of victims) {
    sum += victim.priority + priorityOffset;
    const own = startOf(victim);
    if (victim.priority === highest && (start === undefined || own < start)) start = own;
  }
  return { candidate, highest, sum, start: start ?? '' };
}
