/** Which pods of one node would have to go for another to fit. Source: `defaultpreemption.SelectVictimsOnNode`. */
import type { PodDisruptionBudget } from '#pkg/api/types/policy-v1.ts';
import { compiledLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { type Status, success, unresolvable } from '../../framework/status.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';

/** Making room on one node. */
export interface Candidate {
  readonly nodeName: string;
  /** Most important first. */
  readonly victims: readonly PodInfo[];
  /** How many of the victims a disruption budget protects. */
  readonly violations: number;
}

/** Said of a node where nobody matters less than the pod. */
export const noVictims = unresolvable('No preemption victims found for incoming pod');

/** A start time later than any: a pod that has not started is the least loss. */
const notStarted = '9999';

/** Who needs room, and what protects the pods in the way. */
export interface SelectOptions {
  readonly pod: PodInfo;
  /** Whether the pod passes on this node as it would be. */
  readonly fits: (node: NodeInfo) => Status;
  readonly budgets: readonly PodDisruptionBudget[];
}

/** The fewest and least important victims on a node, or why there are none. Pods that a budget protects are spared first. */
export function selectVictims(node: NodeInfo, { pod, fits, budgets }: SelectOptions): Candidate | Status {
  if (node.lowestPriority >= pod.priority) return noVictims;
  const lower = [...node.pods.values()].filter((other) => other.priority < pod.priority);
  const changed = node.cloneWithout((other) => other.priority < pod.priority);
  const status = fits(changed);
  if (status !== success) return status;
  const { violating, others } = splitByBudget(lower.sort(byImportance), budgets);
  const spare = (candidates: readonly PodInfo[]): readonly PodInfo[] =>
    candidates.filter((candidate) => {
      changed.addPod(candidate);
      if (fits(changed) === success) return false;
      changed.removePod(candidate.uid);
      return true;
    });
  const protectedVictims = spare(violating);
  const victims = [...protectedVictims, ...spare(others)];
  return { nodeName: node.name, victims: victims.sort(byImportance), violations: protectedVictims.length };
}

/** Higher priority first, then who has run longer. */
function byImportance(a: PodInfo, b: PodInfo): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  const [startA, startB] = [startOf(a), startOf(b)];
  return startA < startB ? -1 : startA > startB ? 1 : a.uid < b.uid ? -1 : 1;
}

/** When a pod started, as a text that sorts by time. */
export function startOf({ pod }: PodInfo): string {
  return pod.status?.startTime ?? notStarted;
}

/** Pods, in order, that may not go as a budget has no disruption left for them, and the rest. */
function splitByBudget(pods: readonly PodInfo[], budgets: readonly PodDisruptionBudget[]) {
  const left = new Map(budgets.map((budget) => [budget, budget.status?.disruptionsAllowed ?? 0]));
  const violating: PodInfo[] = [];
  const others: PodInfo[] = [];
  for (const info of pods) {
    let isViolating = false;
    for (const budget of budgets) {
      if (!protects(budget, info)) continue;
      const allowed = left.get(budget)! - 1;
      left.set(budget, allowed);
      if (allowed < 0) isViolating = true;
    }
    (isViolating ? violating : others).push(info);
  }
  return { violating, others };
}

/** A pod whose disruption was granted already does not count again. */
function protects(budget: PodDisruptionBudget, { pod, namespace }: PodInfo): boolean {
  if (budget.metadata?.namespace !== namespace || !pod.metadata?.labels) return false;
  const { selector } = budget.spec ?? {};
  const isEmpty = !selector?.matchExpressions?.length && Object.keys(selector?.matchLabels ?? {}).length === 0;
  if (isEmpty || !compiledLabelSelector(selector).matches(pod.metadata.labels)) return false;
  return budget.status?.disruptedPods?.[pod.metadata.name ?? ''] === undefined;
}
