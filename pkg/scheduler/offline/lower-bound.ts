/**
 * How many nodes a set of pods needs at least, whatever the order and wherever they go: no more than counting, so that it is never too high. Pods are put in groups by
 * the nodes that they can be on at all; for each such set of nodes the pods that can be nowhere else have to find room there, for each resource by itself.
 * Source: Borg (EuroSys 2015), section 5.1, measures packing against what is needed.
 */
import type { NodeInfo } from '../model/node-info.ts';
import type { PodInfo } from '../model/pod-info.ts';

/** Amounts of one node, or asked for, in the order of `resourceNames`. */
type Amounts = Float64Array;

const resourceNames = ['cpu', 'memory', 'ephemeral-storage', 'pods'] as const;

/** The bound, and by which resource. */
export interface LowerBound {
  readonly nodes: number;
  readonly resource: string;
}

/** Pods that can be on the same nodes. */
export interface PodGroup {
  /** Numbers of the nodes among all. */
  readonly nodes: ReadonlySet<number>;
  readonly pods: readonly PodInfo[];
}

/** The bound for groups on nodes. What pods for a node's own sake take of it is not there for others. */
export function lowerBound(nodes: readonly NodeInfo[], groups: readonly PodGroup[]): LowerBound {
  const capacities = nodes.map(capacityOf);
  const wanted = groups.map(({ pods }) => sumOf(pods));
  let total = 0;
  let worst: LowerBound = { nodes: 0, resource: 'pods' };
  for (const component of componentsOf(groups)) {
    let most: LowerBound = { nodes: 0, resource: 'pods' };
    for (const at of component) {
      const within = groups[at]?.nodes ?? new Set<number>();
      const asked = new Float64Array(resourceNames.length);
      for (const other of component) {
        if (!groups[other]?.nodes.isSubsetOf(within)) continue;
        for (const index of resourceNames.keys()) asked[index] = (asked[index] ?? 0) + (wanted[other]?.[index] ?? 0);
      }
      const bound = boundOf(
        asked,
        Array.from(within, (node) => capacities[node] ?? new Float64Array(4)),
      );
      if (bound.nodes > most.nodes) most = bound;
    }
    total += most.nodes;
    if (most.nodes > worst.nodes) worst = most;
  }
  return { nodes: total, resource: worst.resource };
}

/** The fewest nodes, the largest first, for each resource by itself. */
function boundOf(asked: Amounts, capacities: readonly Amounts[]): LowerBound {
  let most: LowerBound = { nodes: 0, resource: 'pods' };
  for (const [index, resource] of resourceNames.entries()) {
    const sizes = capacities.map((amounts) => amounts[index] ?? 0).toSorted((a, b) => b - a);
    let left = asked[index] ?? 0;
    let count = 0;
    for (const size of sizes) {
      if (left <= 0 || size <= 0) break;
      left -= size;
      count++;
    }
    if (count > most.nodes) most = { nodes: count, resource };
  }
  return most;
}

/** Groups that share no node, directly or by others, are packed apart: their bounds add up. */
function componentsOf(groups: readonly PodGroup[]): readonly (readonly number[])[] {
  const componentOfNode = new Map<number, number[]>();
  const components = new Set<number[]>();
  for (const [at, { nodes }] of groups.entries()) {
    const own = [at];
    for (const node of nodes) {
      const other = componentOfNode.get(node);
      if (other === undefined || other === own || !components.has(other)) continue;
      own.push(...other);
      components.delete(other);
    }
    components.add(own);
    for (const member of own) for (const node of groups[member]?.nodes ?? []) componentOfNode.set(node, own);
  }
  return [...components];
}

function capacityOf({ allocatable, pods }: NodeInfo): Amounts {
  const left = Float64Array.of(
    allocatable.milliCpu,
    allocatable.memory,
    allocatable.ephemeralStorage,
    allocatable.pods,
  );
  for (const pod of pods.values()) if (pod.isOfNode) subtract(left, amountsOf(pod));
  return left;
}

function sumOf(pods: readonly PodInfo[]): Amounts {
  const sum = new Float64Array(resourceNames.length);
  for (const pod of pods) {
    const amounts = amountsOf(pod);
    for (const index of sum.keys()) sum[index] = (sum[index] ?? 0) + (amounts[index] ?? 0);
  }
  return sum;
}

function subtract(from: Amounts, amounts: Amounts): void {
  for (const index of from.keys()) from[index] = Math.max(0, (from[index] ?? 0) - (amounts[index] ?? 0));
}

function amountsOf({ requests }: PodInfo): Amounts {
  return Float64Array.of(requests.milliCpu, requests.memory, requests.ephemeralStorage, 1);
}
