/**
 * Which pods to evict so that nodes are left without any: a plan, which changes nothing. A node is emptied only where all of its pods find a place on nodes that are
 * open anyway, somebody makes them again, and no disruption budget forbids it.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { PodDisruptionBudget } from '#pkg/api/types/policy-v1.ts';
import { compiledLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import type { NodeInfo } from '../model/node-info.ts';
import type { PodInfo } from '../model/pod-info.ts';
import { boundOf } from './simulate.ts';
import { type Simulation, withoutNode } from './simulation.ts';

/** A pod that is to be made again elsewhere. */
export interface PlannedEviction {
  /** `namespace/name`. */
  readonly pod: string;
  readonly from: string;
  /** Where its successor finds room as things are. */
  readonly to: string;
}

/** The plan. */
export interface RebalancePlan {
  /** Node after node. */
  readonly evictions: readonly PlannedEviction[];
  readonly emptied: readonly string[];
  /** Nodes that stay, each with why. */
  readonly kept: readonly { readonly node: string; readonly why: string }[];
  readonly usedBefore: number;
  readonly usedAfter: number;
  /** How many nodes the pods need at least. */
  readonly lowerBound: number;
}

/** What a plan keeps to. */
export interface RebalanceOptions {
  readonly budgets: readonly PodDisruptionBudget[];
  /** Most evictions of one plan. */
  readonly evictionsMax: number;
}

/** Makes a plan; the simulation is as it would be after that. */
export function planRebalance(simulation: Simulation, options: RebalanceOptions): RebalancePlan {
  simulation.load();
  const all = [...simulation.table.nodes()];
  const open = all.filter(({ ownPods }) => ownPods > 0);
  // Who moves must not open a node that is closed.
  for (const { name, ownPods } of all) if (ownPods === 0) simulation.setOpen(name, { isOpen: false });
  const budgets = new Budgets(options.budgets);
  const evictions: PlannedEviction[] = [];
  const emptied: string[] = [];
  const kept: { node: string; why: string }[] = [];
  const receivers = new Set<string>();
  for (const node of open.toSorted((a, b) => useOf(a) - useOf(b))) {
    const movable = [...node.pods.values()].filter((pod) => !pod.isOfNode);
    const why = receivers.has(node.name)
      ? 'pods of other nodes are to come here'
      : node.node?.spec?.unschedulable === true
        ? 'it is closed already'
        : evictions.length + movable.length > options.evictionsMax
          ? `that would be more than ${options.evictionsMax} evictions`
          : (whyNotMovable(movable) ?? budgets.whyNot(movable));
    const moved = why === undefined ? moveAll(simulation, { node, pods: movable }) : why;
    if (typeof moved === 'string') {
      kept.push({ node: node.name, why: moved });
      continue;
    }
    budgets.take(movable);
    for (const { to } of moved) receivers.add(to);
    evictions.push(...moved);
    emptied.push(node.name);
  }
  const usedBefore = open.length;
  const bound = boundOf([...simulation.table.nodes()]).nodes;
  return { evictions, emptied, kept, usedBefore, usedAfter: usedBefore - emptied.length, lowerBound: bound };
}

/** The mean share of CPU and memory that is requested. */
function useOf({ requested, allocatable }: NodeInfo): number {
  const share = (taken: number, has: number): number => (has === 0 ? 1 : taken / has);
  return share(requested.milliCpu, allocatable.milliCpu) + share(requested.memory, allocatable.memory);
}

function whyNotMovable(pods: readonly PodInfo[]): string | undefined {
  const alone = pods.find(({ workload }) => workload === undefined);
  return alone === undefined ? undefined : `nobody would make ${alone.key} again`;
}

/** Moves all these pods of a node to others that are open, and closes it; or moves none, leaves it open and says why. */
export function moveAll(
  simulation: Simulation,
  { node, pods }: { readonly node: NodeInfo; readonly pods: readonly PodInfo[] },
): readonly PlannedEviction[] | string {
  simulation.setOpen(node.name, { isOpen: false });
  for (const pod of pods) simulation.remove(pod);
  const moved: PlannedEviction[] = [];
  // The largest first: the others find room beside them.
  for (const pod of pods.toSorted((a, b) => sizeOf(b, node) - sizeOf(a, node))) {
    const placement = simulation.place(withoutNode(pod));
    if ('node' in placement) {
      moved.push({ pod: pod.key, from: node.name, to: placement.node });
      continue;
    }
    for (const other of pods) {
      simulation.remove(other);
      simulation.put(other, node.name);
    }
    simulation.setOpen(node.name, { isOpen: true });
    return `there is no room for ${pod.key} on other nodes in use`;
  }
  return moved;
}

function sizeOf({ requests }: PodInfo, { allocatable }: NodeInfo): number {
  return requests.milliCpu / (allocatable.milliCpu || 1) + requests.memory / (allocatable.memory || 1);
}

/** How many disruptions are left of each budget. */
export class Budgets {
  readonly #left: Map<PodDisruptionBudget, number>;

  constructor(budgets: readonly PodDisruptionBudget[]) {
    this.#left = new Map(budgets.map((budget) => [budget, budget.status?.disruptionsAllowed ?? 0]));
  }

  /** Why these may not all go; undefined where they may. */
  whyNot(pods: readonly PodInfo[]): string | undefined {
    for (const [budget, left] of this.#left) {
      const count = pods.filter(({ pod }) => covers(budget, pod)).length;
      if (count > left) return `the budget ${budget.metadata?.namespace}/${budget.metadata?.name} has ${left} left`;
    }
    return undefined;
  }

  /** Whether some budget is about the pod. */
  isCovered({ pod }: PodInfo): boolean {
    return [...this.#left.keys()].some((budget) => covers(budget, pod));
  }

  /** They go. */
  take(pods: readonly PodInfo[]): void {
    for (const [budget, left] of this.#left)
      this.#left.set(budget, left - pods.filter(({ pod }) => covers(budget, pod)).length);
  }
}

/** A budget with an empty selector is for all pods of its namespace. */
function covers({ metadata, spec }: PodDisruptionBudget, pod: Pod): boolean {
  if (metadata?.namespace !== pod.metadata?.namespace || spec?.selector === undefined) return false;
  return compiledLabelSelector(spec.selector).matches(pod.metadata?.labels);
}
