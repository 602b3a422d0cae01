/** `coxswain simulate`: places the pods that wait and further ones, and says on how many nodes they end and how many they need at least. */

import { matchesRequiredNodeAffinity } from '#pkg/api/scheduling/node-selector.ts';
import { untoleratedTaint } from '#pkg/api/scheduling/tolerations.ts';
import { jsonText } from '#pkg/apimachinery/json.ts';
import type { NodeInfo } from '../model/node-info.ts';
import type { PodInfo } from '../model/pod-info.ts';
import { type LowerBound, lowerBound, type PodGroup } from './lower-bound.ts';
import type { Simulation } from './simulation.ts';

/** What came of it. */
export interface SimulationReport {
  readonly placed: readonly { readonly pod: string; readonly node: string }[];
  readonly unplaced: readonly { readonly pod: string; readonly message: string }[];
  readonly nodes: {
    readonly total: number;
    /** With a pod that is not for the node's own sake, before and after. */
    readonly usedBefore: number;
    readonly used: number;
    /** How many all pods that have a place would need at least, if they were packed anew. */
    readonly lowerBound: number;
    /** The resource by which it is so. */
    readonly boundBy: string;
  };
  /** By node: how many pods it has, and which share of its CPU and memory is requested. Only nodes in use, in the order of the cluster. */
  readonly usage: readonly {
    readonly node: string;
    readonly pods: number;
    readonly added: number;
    readonly cpu: number;
    readonly memory: number;
  }[];
}

/** Loads the simulation, and places what waits and then `further`. */
export function simulate(simulation: Simulation, further: readonly PodInfo[]): SimulationReport {
  const waiting = simulation.load();
  const usedBefore = openNodes(simulation).length;
  const placements = simulation.placeAll([...waiting, ...further]);
  const placed = placements.flatMap((placement) => ('node' in placement ? [placement] : []));
  const unplaced = placements.flatMap((placement) => ('message' in placement ? [placement] : []));
  const added = new Map<string, number>();
  for (const { node } of placed) added.set(node, (added.get(node) ?? 0) + 1);
  const open = openNodes(simulation);
  const bound = boundOf([...simulation.table.nodes()]);
  return {
    placed,
    unplaced,
    nodes: {
      total: simulation.table.nodeCount,
      usedBefore,
      used: open.length,
      lowerBound: bound.nodes,
      boundBy: bound.resource,
    },
    usage: open.map(({ name, pods, requested, allocatable }) => ({
      node: name,
      pods: pods.size,
      added: added.get(name) ?? 0,
      cpu: share(requested.milliCpu, allocatable.milliCpu),
      memory: share(requested.memory, allocatable.memory),
    })),
  };
}

function openNodes({ table }: Simulation): readonly NodeInfo[] {
  return [...table.nodes()].filter(({ ownPods }) => ownPods > 0);
}

function share(taken: number, has: number): number {
  return has === 0 ? 0 : taken / has;
}

/** The bound for the pods that are on the nodes now. */
export function boundOf(nodes: readonly NodeInfo[]): LowerBound {
  return lowerBound(nodes, groupsOf(nodes));
}

/** The pods by the nodes that they can be on at all: by what they select, and what they tolerate. */
function groupsOf(nodes: readonly NodeInfo[]): readonly PodGroup[] {
  const byWish = new Map<string, PodInfo[]>();
  for (const { pods } of nodes) {
    for (const pod of pods.values()) {
      if (pod.isOfNode) continue;
      const wish = wishOf(pod);
      const group = byWish.get(wish);
      if (group === undefined) byWish.set(wish, [pod]);
      else group.push(pod);
    }
  }
  return Array.from(byWish.values(), (pods) => ({ pods, nodes: nodesFor(pods[0], nodes) }));
}

function wishOf({ pod }: PodInfo): string {
  const { nodeSelector, affinity, tolerations } = pod.spec ?? {};
  return jsonText([nodeSelector, affinity?.nodeAffinity, tolerations]);
}

/** A pod that is on a node may be there, even if it could not come to it any more. */
function nodesFor(pod: PodInfo | undefined, nodes: readonly NodeInfo[]): ReadonlySet<number> {
  const found = new Set<number>();
  for (const [index, node] of nodes.entries()) {
    if (pod === undefined || !matchesRequiredNodeAffinity(pod.pod, node)) continue;
    if (untoleratedTaint(node.taints, pod.pod.spec?.tolerations ?? []) === undefined) found.add(index);
  }
  return found;
}
