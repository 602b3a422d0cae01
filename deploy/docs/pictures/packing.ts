/** Nodes before and after their pods were packed anew: pods that a spreading scheduler has laid out, and the plan of `coxswain rebalance` for them. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { nodes as nodesRef, pods as podsRef } from '#pkg/api/types/refs.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import type { NodeInfo } from '#pkg/scheduler/model/node-info.ts';
import { ObjectSet } from '#pkg/scheduler/offline/object-set.ts';
import { planRebalance } from '#pkg/scheduler/offline/rebalance.ts';
import { simulate } from '#pkg/scheduler/offline/simulate.ts';
import { Simulation } from '#pkg/scheduler/offline/simulation.ts';
import { pluginTable } from '#pkg/scheduler/plugin-table.ts';
import { makeNode, makePod, type PodBuilder } from '#pkg/testing/builders.ts';
import { bar, type Shape, svgOf, text } from '#pkg/vmm/picture.ts';

const nodeCount = 24;
const podCount = 60;
const nodes = Array.from({ length: nodeCount }, (_, index) => makeNode(`node-${String(index + 1).padStart(2, '0')}`));

/** Replicas of five workloads, each pod of a size of its own. */
function pods(): readonly PodBuilder[] {
  const random = new SeededRandom(7);
  return Array.from({ length: podCount }, (_, index) => {
    const app = `app-${index % 5}`;
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: app, uid: app, controller: true };
    const name = `${app}-${String(index).padStart(2, '0')}`;
    return makePod(name)
      .labels({ app })
      .meta({ uid: name, ownerReferences: [owner] })
      .request({ cpu: `${200 + 100 * randomInt(random, 10)}m`, memory: `${256 + 128 * randomInt(random, 14)}Mi` });
  });
}

/** How the pods are placed from nothing. */
function spread(all: readonly Pod[]): ReadonlyMap<string, string> {
  const objects = objectsOf(all);
  const { placed } = simulate(new Simulation({ objects, table: pluginTable, scheduling: 'spreading' }), []);
  return new Map(placed.map(({ pod, node }) => [pod, node]));
}

function objectsOf(all: readonly Pod[]): ObjectSet {
  const objects = new ObjectSet();
  for (const node of nodes) objects.add(nodesRef, node);
  for (const pod of all) objects.add(podsRef, pod);
  return objects;
}

const perRow = 12;
const cell = { width: 58, height: 76, left: 20 } as const;
const colours = { cpu: '#3b6ea5', memory: '#c2703d', empty: '#eef2f6', edge: '#8a97a5' } as const;

function share(taken: number, has: number): number {
  return has === 0 ? 0 : taken / has;
}

/** A node as two bars, as the dashboard draws it. */
function drawnNode(
  { name, pods: own, requested, allocatable }: NodeInfo,
  at: { readonly x: number; readonly y: number },
): readonly Shape[] {
  const height = 50;
  const bars = [share(requested.milliCpu, allocatable.milliCpu), share(requested.memory, allocatable.memory)];
  return [
    { kind: 'box', ...at, width: 46, height, fill: colours.empty, stroke: colours.edge },
    ...bars.map((part, index) =>
      bar(
        { x: at.x + 2 + 22 * index, y: Math.round(at.y + height - part * height) },
        { length: 20, height: Math.round(part * height), fill: index === 0 ? colours.cpu : colours.memory },
      ),
    ),
    text(at.x + 23, at.y + 62, `${name.slice(5)}: ${own.size}`, { anchor: 'middle', size: 9 }),
  ];
}

function drawnNodes(all: readonly NodeInfo[], top: number): readonly Shape[] {
  return all
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((node, index) => {
      const x = cell.left + (index % perRow) * cell.width;
      return drawnNode(node, { x, y: top + Math.floor(index / perRow) * cell.height });
    });
}

/** The picture. */
export function packingPicture(): string {
  const all = pods();
  const places = spread(all.map(({ object }) => object));
  const there = all.map((pod) => {
    const { namespace, name } = pod.object.metadata ?? {};
    return pod.spec({ nodeName: places.get(`${namespace}/${name}`) ?? '' }).object;
  });
  const simulation = new Simulation({ objects: objectsOf(there), table: pluginTable, scheduling: 'packing' });
  const before = new Simulation({ objects: objectsOf(there), table: pluginTable, scheduling: 'packing' });
  before.load();
  const { evictions, usedBefore, usedAfter, lowerBound } = planRebalance(simulation, {
    budgets: [],
    evictionsMax: podCount,
  });
  const height = Math.ceil(nodeCount / perRow) * cell.height;
  const first = 74;
  const second = first + height + 34;
  const shapes = [
    text(20, 24, `Packing ${podCount} pods on ${nodeCount} nodes anew`, { size: 15 }),
    text(
      20,
      42,
      'Of each node the share of its CPU (blue) and of its memory (brown) that pods ask for; below it, how many they are.',
    ),
    text(20, first - 10, `Before, as a scheduler that spreads has placed them: ${usedBefore} nodes in use`),
    ...drawnNodes([...before.table.nodes()], first),
    text(
      20,
      second - 10,
      `After ${evictions.length} evictions: ${usedAfter} nodes in use; at least ${lowerBound} are needed`,
    ),
    ...drawnNodes([...simulation.table.nodes()], second),
  ];
  return svgOf({ width: 2 * cell.left + perRow * cell.width, height: second + height, shapes });
}
