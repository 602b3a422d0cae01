/**
 * How full a node is to be: the scoring strategies, in whole numbers as upstream reckons them, so that the same nodes are equal.
 * Upstream counterpart: `plugins/noderesources` `least_allocated.go`, `most_allocated.go`, `requested_to_capacity_ratio.go`.
 */
import { scoreMax } from '../../framework/plugin.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';

/** A resource, and how much it counts beside the others. */
export interface ResourceSpec {
  readonly name: string;
  /** 1 to 100. */
  readonly weight: number;
}

/** One corner of a line of scores. */
export interface ShapePoint {
  /** Percent. */
  readonly utilization: number;
  /** 0 to 10. */
  readonly score: number;
}

/** How nodes are scored. */
export interface ScoringStrategy {
  /** `Packing` is Coxswain's own, and looks at CPU and memory alone. */
  readonly type: 'LeastAllocated' | 'MostAllocated' | 'Packing' | 'RequestedToCapacityRatio';
  /** Default: CPU and memory, which count the same. */
  readonly resources?: readonly ResourceSpec[];
  readonly requestedToCapacityRatio?: { readonly shape: readonly ShapePoint[] };
}

/** CPU and memory, which count the same. Source: `defaultResourceSpec`. */
const defaultResources: readonly ResourceSpec[] = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
];

/** What one resource comes to, of what would be taken and what there is. `wanted` is never 0 of 0. */
type Rate = (taken: number, has: number) => number;

/** The best score of a shape. Source: `MaxCustomPriorityScore`. */
const shapeScoreMax = 10;

/** Rates a node that takes the pod: 0 to 100. */
export function scoreBy({ type, resources: stated = [], requestedToCapacityRatio }: ScoringStrategy) {
  const resources = stated.length === 0 ? defaultResources : stated;
  const shape = requestedToCapacityRatio?.shape ?? [];
  const rate = type === 'RequestedToCapacityRatio' ? byShape(shape) : type === 'LeastAllocated' ? least : most;
  const isByShape = type === 'RequestedToCapacityRatio';
  return (pod: PodInfo, node: NodeInfo): number => {
    let sum = 0;
    let weights = 0;
    for (const { name, weight } of resources) {
      const { has, taken } = useOf(name, pod, node);
      if (has === 0) continue;
      const score = rate(taken, has);
      if (isByShape && score <= 0) continue;
      sum += score * weight;
      weights += weight;
    }
    if (weights === 0) return 0;
    return isByShape ? Math.round(sum / weights) : Math.floor(sum / weights);
  };
}

/** What a node has of a resource, and what of it is taken with the pod there. An extended resource counts only where the pod wants it. */
function useOf(name: string, { nonZero, requests }: PodInfo, { allocatable, nonZero: counted, requested }: NodeInfo) {
  switch (name) {
    case 'cpu':
      return { has: allocatable.milliCpu, taken: counted.milliCpu + nonZero.milliCpu };
    case 'memory':
      return { has: allocatable.memory, taken: counted.memory + nonZero.memory };
    case 'ephemeral-storage':
      return { has: allocatable.ephemeralStorage, taken: requested.ephemeralStorage + requests.ephemeralStorage };
    default: {
      const wanted = requests.scalars?.get(name) ?? 0;
      if (wanted === 0) return { has: 0, taken: 0 };
      return { has: allocatable.scalars?.get(name) ?? 0, taken: (requested.scalars?.get(name) ?? 0) + wanted };
    }
  }
}

const least: Rate = (taken, has) => (taken > has ? 0 : Math.floor(((has - taken) * scoreMax) / has));
const most: Rate = (taken, has) => Math.floor((Math.min(taken, has) * scoreMax) / has);

/** Straight lines between the points, level before the first and after the last. */
function byShape(shape: readonly ShapePoint[]): Rate {
  const points = shape.map(({ utilization, score }) => ({ x: utilization, y: score * (scoreMax / shapeScoreMax) }));
  return (taken, has) => {
    const x = taken > has ? 100 : Math.floor((taken * 100) / has);
    let before = points[0];
    for (const point of points) {
      if (x <= point.x) {
        if (before === undefined || before.x === point.x) return point.y;
        return before.y + Math.trunc(((point.y - before.y) * (x - before.x)) / (point.x - before.x));
      }
      before = point;
    }
    return before?.y ?? 0;
  };
}
