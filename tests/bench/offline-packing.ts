/**
 * Packing by one who knows all pods beforehand, as a measure of how far the bound can be reached at all: machine after machine, the smallest first, takes again and again the largest
 * pods whose shape leaves the machine's shape as it is. Source of the idea: vector packing by machines (Panigrahy and others, "Heuristics for vector bin packing", 2011).
 */
import type { Node } from '#pkg/api/types/core-v1.ts';
import { NodeInfo } from '#pkg/scheduler/model/node-info.ts';
import type { PodInfo } from '#pkg/scheduler/model/pod-info.ts';

interface Size {
  readonly milliCpu: number;
  readonly memory: number;
  count: number;
}

/** Whether all but `spare` pods find a place on these machines. */
export function fitsOffline(machines: readonly Node[], pods: readonly PodInfo[], spare: number): boolean {
  const sizes = new Map<string, Size>();
  for (const { requests } of pods) {
    const { milliCpu, memory } = requests;
    const size = sizes.get(`${milliCpu}/${memory}`) ?? { milliCpu, memory, count: 0 };
    size.count++;
    sizes.set(`${milliCpu}/${memory}`, size);
  }
  let left = pods.length;
  const capacities = machines.map((machine) => {
    const info = new NodeInfo(machine.metadata?.name ?? '');
    info.setNode(machine);
    return info.allocatable;
  });
  for (const machine of capacities.toSorted((a, b) => a.milliCpu - b.milliCpu || a.memory - b.memory))
    left -= fill(machine, [...sizes.values()]);
  return left <= spare;
}

/** Fills one machine; returns with how many pods. */
function fill(machine: { readonly milliCpu: number; readonly memory: number }, sizes: readonly Size[]): number {
  let { milliCpu, memory } = machine;
  let count = 0;
  for (;;) {
    let best: Size | undefined;
    let bestWorth = Number.NEGATIVE_INFINITY;
    for (const size of sizes) {
      if (size.count === 0 || size.milliCpu > milliCpu || size.memory > memory) continue;
      const large = size.milliCpu / machine.milliCpu + size.memory / machine.memory;
      const skew = Math.abs(((milliCpu - size.milliCpu) * memory) / milliCpu - (memory - size.memory)) / machine.memory;
      const worth = large - 2 * skew;
      if (worth <= bestWorth) continue;
      best = size;
      bestWorth = worth;
    }
    if (best === undefined) return count;
    best.count--;
    milliCpu -= best.milliCpu;
    memory -= best.memory;
    count++;
  }
}
