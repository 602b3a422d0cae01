/**
 * What making room on nodes would cost, kept between pods: many that are alike look for room on the same nodes, of which few have changed since. What is kept of a node is
 * right while its pods, those that were promised it and the disruption budgets are the same.
 */
import type { PodDisruptionBudget } from '#pkg/api/types/policy-v1.ts';
import type { ChangePosition, PostFilterContext } from '../../framework/plugin.ts';
import type { Status } from '../../framework/status.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import { type Cost, compareCosts, costOf } from './cost.ts';
import { noVictims, type SelectOptions, selectVictims } from './victims.ts';

/** Sorts of pods for which answers are kept. At 5,000 nodes those of one are about 1 MB. */
const sortsMax = 16;

interface NodeCost extends Cost {
  readonly node: NodeInfo;
}

/** What is kept for pods that are alike. */
interface Sort {
  /** As of when it is right, but for nodes that are gone. */
  at: ChangePosition | undefined;
  /** By node: why no room can be made; `undefined` where `costs` or `found` has what it costs. */
  answers: WeakMap<NodeInfo, Status | undefined>;
  /** The least first. */
  costs: readonly NodeCost[];
  /** Those that are to be put there. */
  found: NodeCost[];
}

/** What room costs one pod, until the cluster changes. */
export interface Costs {
  /** What was found out before, the least first. */
  readonly known: readonly Cost[];
  /** What room on a node costs, or why there is none to be made; undefined where `known` has it. */
  of(node: NodeInfo): Cost | Status | undefined;
}

/** The answers of one plugin. */
export class KeptVictims {
  /** By what pods are alike in. */
  readonly #sorts = new Map<string, Sort>();
  #budgets: readonly PodDisruptionBudget[] = [];

  /** What room costs the pod of a cycle. */
  costs(context: PostFilterContext, budgets: readonly PodDisruptionBudget[]): Costs {
    const { fits, signature, promisedOn, nominatedNodeName, cycle } = context;
    const { pod } = cycle;
    const options: SelectOptions = { pod, fits, budgets };
    // A pod that was promised a node leaves no room there for itself, as others do.
    if (signature === undefined || nominatedNodeName !== undefined)
      return { known: [], of: (node) => costOn(node, options) };
    const sort = this.#sortOf(`${pod.priority} ${signature}`, budgets);
    bringUpToDate(sort, context);
    return {
      known: sort.costs,
      of(node) {
        if (node.lowestPriority >= pod.priority) return noVictims;
        if (sort.answers.has(node)) return sort.answers.get(node);
        const answer = costOn(node, options);
        // Terms of a promised pod may speak of pods elsewhere.
        if (promisedOn(node).some(({ affinity }) => affinity !== undefined)) return answer;
        sort.answers.set(node, 'candidate' in answer ? undefined : answer);
        if ('candidate' in answer) sort.found.push({ ...answer, node });
        return answer;
      },
    };
  }

  #sortOf(name: string, budgets: readonly PodDisruptionBudget[]): Sort {
    const areSame = budgets.length === this.#budgets.length && budgets.every((one, at) => one === this.#budgets[at]);
    const known = areSame ? this.#sorts.get(name) : undefined;
    if (known !== undefined) return known;
    if (!areSame || this.#sorts.size >= sortsMax) this.#sorts.clear();
    this.#budgets = budgets;
    const sort: Sort = { at: undefined, answers: new WeakMap(), costs: [], found: [] };
    this.#sorts.set(name, sort);
    return sort;
  }
}

/** Forgets what is known of nodes that have changed, or are gone. */
function bringUpToDate(sort: Sort, { changedSince }: PostFilterContext): void {
  const { at, nodes } = changedSince(sort.at);
  sort.at = at;
  const before = sort.found.length === 0 ? sort.costs : [...sort.costs, ...sort.found].sort(compareCosts);
  sort.found = [];
  if (nodes === undefined) {
    sort.answers = new WeakMap();
    sort.costs = [];
    return;
  }
  for (const node of nodes) sort.answers.delete(node);
  sort.costs = before.filter(({ node }) => !nodes.has(node) && node.node !== undefined);
}

function costOn(node: NodeInfo, options: SelectOptions): Cost | Status {
  const answer = selectVictims(node, options);
  return 'victims' in answer ? costOf(answer) : answer;
}
