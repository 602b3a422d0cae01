/**
 * Which nodes of pools have too little to do and can be done without: all of their pods find room on others, somebody makes them again, and no budget forbids it. It changes nothing
 * but the simulation, which is as it would be after that.
 *
 * Upstream counterpart: cluster-autoscaler `simulator/drainability/rules`, `core/scaledown/eligibility`.
 */
import { isMirrorPod } from '#pkg/api/core/static-pods.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { NodeInfo } from '#pkg/scheduler/model/node-info.ts';
import type { PodInfo } from '#pkg/scheduler/model/pod-info.ts';
import { type Budgets, moveAll } from '#pkg/scheduler/offline/rebalance.ts';
import type { Simulation } from '#pkg/scheduler/offline/simulation.ts';

/** On a node, keeps it from being taken away. Source: cluster-autoscaler FAQ. */
const scaleDownDisabled = 'cluster-autoscaler.kubernetes.io/scale-down-disabled';
/** On a pod: `false` keeps it where it is, `true` lets it go whatever else holds it. Source: cluster-autoscaler FAQ. */
const safeToEvict = 'cluster-autoscaler.kubernetes.io/safe-to-evict';
/** On a pod, names of volumes with commas between them that may be lost. Source: cluster-autoscaler FAQ. */
const safeVolumes = 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes';
const systemNamespace = 'kube-system';

/** A node that may be looked at. */
export interface ShrinkCandidate {
  readonly node: string;
  /** Below which its use is little, of 0 to 1. */
  readonly threshold: number;
}

/** A node that can be done without. */
export interface Unneeded {
  readonly node: string;
  readonly isEmpty: boolean;
}

/** Nodes that can be done without, those with the least to do first; others keep what moves there. */
export function unneededNodes(
  simulation: Simulation,
  { candidates, budgets }: { readonly candidates: readonly ShrinkCandidate[]; readonly budgets: Budgets },
): readonly Unneeded[] {
  const known = candidates.flatMap(({ node: name, threshold }) => {
    const node = simulation.table.node(name);
    if (node?.node === undefined || node.node.metadata?.annotations?.[scaleDownDisabled] === 'true') return [];
    const use = useOf(node);
    return use < threshold ? [{ node, use, pods: ownPods(node) }] : [];
  });
  const order = known.toSorted((a, b) => a.use - b.use || (a.node.name < b.node.name ? -1 : 1));
  const found: Unneeded[] = [];
  // Nobody is to move to a node that is taken away next.
  for (const { node, pods } of order) {
    if (pods.length > 0) continue;
    simulation.setOpen(node.name, { isOpen: false });
    found.push({ node: node.name, isEmpty: true });
  }
  const receivers = new Set<string>();
  for (const { node, pods } of order) {
    if (pods.length === 0 || receivers.has(node.name)) continue;
    if (pods.some((pod) => whyItStays(pod, budgets) !== undefined) || budgets.whyNot(pods) !== undefined) continue;
    const moved = moveAll(simulation, { node, pods });
    if (typeof moved === 'string') continue;
    budgets.take(pods);
    for (const { to } of moved) receivers.add(to);
    found.push({ node: node.name, isEmpty: false });
  }
  return found;
}

/** The larger of the shares of CPU and memory that pods ask for which are not there for the node's sake. */
function useOf(node: NodeInfo): number {
  const sum = { cpu: 0, memory: 0 };
  for (const { requests } of ownPods(node)) {
    sum.cpu += requests.milliCpu;
    sum.memory += requests.memory;
  }
  return Math.max(sum.cpu / (node.allocatable.milliCpu || 1), sum.memory / (node.allocatable.memory || 1));
}

function ownPods(node: NodeInfo): readonly PodInfo[] {
  return [...node.pods.values()].filter((pod) => !isOfNode(pod));
}

/** Whether a pod ends with its node and nobody minds: those of daemon sets, and mirrors of static pods. */
export function isOfNode({ isOfNode: isDaemon, pod }: PodInfo): boolean {
  return isDaemon || isMirrorPod(pod);
}

/** What keeps a pod on its node; undefined where it may be made anew elsewhere. */
export function whyItStays(info: PodInfo, budgets: Budgets): string | undefined {
  const { pod, workload, namespace, key } = info;
  const isSafe = pod.metadata?.annotations?.[safeToEvict];
  if (isSafe === 'false') return `${key} is not safe to evict`;
  if (isSafe === 'true') return undefined;
  if (workload === undefined) return `nobody would make ${key} again`;
  const local = localVolume(pod);
  if (local !== undefined) return `${key} has files of the node in its volume ${local}`;
  if (namespace === systemNamespace && !budgets.isCovered(info)) return `${key} is of the system and has no budget`;
  return undefined;
}

/** Source: cluster-autoscaler `utils/drain` `isLocalVolume`. */
function localVolume({ metadata, spec }: Pod): string | undefined {
  const losable = (metadata?.annotations?.[safeVolumes] ?? '').split(',').map((name) => name.trim());
  const isLocal = (volume: NonNullable<NonNullable<Pod['spec']>['volumes']>[number]): boolean =>
    volume.hostPath !== undefined || (volume.emptyDir !== undefined && volume.emptyDir.medium !== 'Memory');
  return spec?.volumes?.find((volume) => isLocal(volume) && !losable.includes(volume.name))?.name;
}
