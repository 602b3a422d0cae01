/**
 * How pools have to grow for pods that wait: as many nodes of each as the scheduler itself would fill, in a cluster that is only reckoned with. It changes nothing but that.
 *
 * Laws:
 * 1. A pool grows only by nodes that take at least one of the pods, and never beyond its room.
 * 2. Of several pools the one is chosen that takes the most pods; of these the one of whose new nodes the least is left over, then the one with the fewest nodes, then by name.
 * 3. The same world gives the same plan.
 *
 * Upstream counterpart: cluster-autoscaler `estimator/binpacking_estimator.go`, `expander/waste`.
 */
import type { Node } from '#pkg/api/types/core-v1.ts';
import type { NodeInfo } from '#pkg/scheduler/model/node-info.ts';
import type { PodInfo } from '#pkg/scheduler/model/pod-info.ts';
import type { Simulation } from '#pkg/scheduler/offline/simulation.ts';

/** A pool that may grow. */
export interface GrowingPool {
  readonly name: string;
  /** How many nodes it may have more. */
  readonly room: number;
  /** Why it has none; `''` where it has some. */
  readonly closed: string;
  /** What a new node of that name would be. */
  node(name: string): Node;
  /** What daemon sets would put there. */
  daemons(node: Node): readonly PodInfo[];
}

/** What is to become of one pool. */
export interface Growth {
  readonly pool: string;
  readonly nodes: number;
  /** Those for whose sake. */
  readonly pods: readonly PodInfo[];
}

/** The plan. */
export interface GrowthPlan {
  readonly growth: readonly Growth[];
  /** Pods that no pool has a node for, each with why. */
  readonly unhelped: readonly { readonly pod: PodInfo; readonly why: string }[];
}

/** A pool with nodes in the simulation that there are not yet. */
interface Trial {
  readonly pool: GrowingPool;
  readonly opened: readonly { readonly name: string; readonly daemons: readonly PodInfo[] }[];
  /** Where each pod is. */
  readonly placed: ReadonlyMap<PodInfo, string>;
  /** Mean share of CPU and memory of the new nodes that nobody asked for. */
  readonly waste: number;
}

/** Makes the plan for pods that have no place in the simulation as it is. */
export function planGrowth(
  simulation: Simulation,
  { waiting, pools }: { readonly waiting: readonly PodInfo[]; readonly pools: readonly GrowingPool[] },
): GrowthPlan {
  const growth: Growth[] = [];
  const open = new Set(pools.filter(({ room }) => room > 0));
  let left = waiting;
  while (left.length > 0 && open.size > 0) {
    let best: Trial | undefined;
    for (const pool of open) {
      const trial = tryPool(simulation, pool, left);
      undo(simulation, trial);
      if (trial.placed.size > 0 && (best === undefined || isBetter(trial, best))) best = trial;
    }
    if (best === undefined) break;
    // Its nodes stay in the simulation: what is decided next counts them.
    const { pool, placed, opened } = tryPool(simulation, best.pool, left);
    open.delete(pool);
    growth.push({ pool: pool.name, nodes: opened.length, pods: [...placed.keys()] });
    left = left.filter((pod) => !placed.has(pod));
  }
  return {
    growth,
    unhelped: whyNot(simulation, { pods: left, pools, grown: new Set(growth.map(({ pool }) => pool)) }),
  };
}

function isBetter(a: Trial, b: Trial): boolean {
  if (a.placed.size !== b.placed.size) return a.placed.size > b.placed.size;
  if (a.waste !== b.waste) return a.waste < b.waste;
  if (a.opened.length !== b.opened.length) return a.opened.length < b.opened.length;
  return a.pool.name < b.pool.name;
}

/** Opens node after node as long as each takes a pod; the last may be one that did not, and is closed again. */
function tryPool(simulation: Simulation, pool: GrowingPool, waiting: readonly PodInfo[]): Trial {
  const opened: { readonly name: string; readonly daemons: readonly PodInfo[] }[] = [];
  const placed = new Map<PodInfo, string>();
  let left = waiting;
  while (opened.length < pool.room && left.length > 0) {
    const node = openNode(simulation, pool, opened.length);
    const before = placed.size;
    left = placeEach(simulation, left, placed);
    if (placed.size === before) {
      closeNode(simulation, node);
      break;
    }
    opened.push(node);
  }
  return { pool, opened, placed, waste: wasteOf(opened.map(({ name }) => simulation.table.node(name))) };
}

/** Those that found no place. Of replicas of one workload the rest are not tried once one was refused: they are alike. */
function placeEach(simulation: Simulation, pods: readonly PodInfo[], placed: Map<PodInfo, string>): readonly PodInfo[] {
  const refused = new Set<string>();
  return pods.filter((pod) => {
    const kind = pod.workload === undefined ? undefined : `${pod.workload} ${JSON.stringify(pod.requests)}`;
    if (kind !== undefined && refused.has(kind)) return true;
    const placement = simulation.place(pod);
    if ('node' in placement) placed.set(pod, placement.node);
    else if (kind !== undefined) refused.add(kind);
    return 'message' in placement;
  });
}

function openNode(simulation: Simulation, pool: GrowingPool, index: number) {
  const name = `${pool.name}-new-${index}`;
  const node = pool.node(name);
  simulation.setNode(node);
  const daemons = pool.daemons(node);
  for (const pod of daemons) simulation.put(pod, name);
  return { name, daemons };
}

function closeNode(simulation: Simulation, { name, daemons }: Trial['opened'][number]): void {
  for (const pod of daemons) simulation.remove(pod);
  simulation.removeNode(name);
}

function undo(simulation: Simulation, { opened, placed }: Trial): void {
  for (const [pod, node] of placed) simulation.takeBack(pod, node);
  for (const node of opened) closeNode(simulation, node);
}

/** In millionths, so that sums in another order are the same. */
function wasteOf(nodes: readonly (NodeInfo | undefined)[]): number {
  const free = { cpu: 0, memory: 0 };
  const all = { cpu: 0, memory: 0 };
  for (const node of nodes) {
    if (node === undefined) continue;
    all.cpu += node.allocatable.milliCpu;
    all.memory += node.allocatable.memory;
    free.cpu += node.allocatable.milliCpu - node.requested.milliCpu;
    free.memory += node.allocatable.memory - node.requested.memory;
  }
  return Math.round(500_000 * (free.cpu / (all.cpu || 1) + free.memory / (all.memory || 1)));
}

interface Unhelped {
  readonly pods: readonly PodInfo[];
  readonly pools: readonly GrowingPool[];
  /** Pools that grow as far as they can. */
  readonly grown: ReadonlySet<string>;
}

/** What each pool has against each pod, once for replicas of one workload. */
function whyNot(simulation: Simulation, { pods, pools, grown }: Unhelped): GrowthPlan['unhelped'] {
  const known = new Map<string, string>();
  return pods.map((pod) => {
    const kind = pod.workload ?? pod.uid;
    const why =
      known.get(kind) ??
      pools
        .map((pool) => {
          if (pool.room === 0) return `${pool.name}: ${pool.closed}`;
          const node = openNode(simulation, pool, pool.room);
          const reasons = simulation.refusal(pod, node.name);
          closeNode(simulation, node);
          if (reasons.length > 0) return `${pool.name}: ${reasons.join(', ')}`;
          return `${pool.name}: ${grown.has(pool.name) ? 'it grows as far as it may for others' : 'there would be no room'}`;
        })
        .join('; ');
    known.set(kind, why);
    return { pod, why };
  });
}
