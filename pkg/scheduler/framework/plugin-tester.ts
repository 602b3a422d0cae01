/** A cluster for the table tests of plugins: some nodes with pods on them, and what one plugin says there of another pod. */
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { NodeTable } from '../cache/node-table.ts';
import { NodeInfo } from '../model/node-info.ts';
import { type PodInfo, podInfoOf } from '../model/pod-info.ts';
import { type Cycle, CycleState } from './cycle.ts';
import type { ClusterEvent } from './events.ts';
import type { FilterPlugin, NormalizeScorePlugin, Plugin, PreScorePlugin, ScorePlugin } from './plugin.ts';

/** The cluster that a test describes. */
export interface TestCluster {
  readonly nodes: readonly Node[];
  /** The pods on nodes, by the name of the node. */
  readonly placed?: Readonly<Record<string, readonly Pod[]>>;
  /** The labels of namespaces, by name. */
  readonly namespaces?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** The attempt to schedule `pod` in the cluster. */
export function cycleOf(pod: Pod, { nodes, placed = {}, namespaces = {} }: TestCluster): Cycle {
  const cluster = new NodeTable();
  for (const node of nodes) {
    const info = new NodeInfo(node.metadata?.name ?? '');
    info.setNode(node);
    for (const other of placed[info.name] ?? []) info.addPod(podInfoOf(other));
    cluster.put(info);
  }
  for (const [name, labels] of Object.entries(namespaces)) cluster.setNamespaceLabels(name, labels);
  return { pod: podInfoOf(pod), cluster, state: new CycleState() };
}

/** What a filter says, by node: the code and the reasons, such as `Unschedulable: Too many pods`, or `Success`. */
export function filtered(plugin: FilterPlugin, pod: Pod, cluster: TestCluster): Readonly<Record<string, string>> {
  const cycle = cycleOf(pod, cluster);
  const check = plugin.filter(cycle);
  return byNode(cycle, (node) => {
    const { code, reasons } = check?.(node) ?? { code: 'Success', reasons: [] };
    return reasons.length === 0 ? code : `${code}: ${reasons.join(', ')}`;
  });
}

/** The scores of all nodes, normalized and rounded; empty when the plugin has no preference. */
export function scored(
  plugin: Partial<NormalizeScorePlugin & PreScorePlugin> & ScorePlugin,
  pod: Pod,
  cluster: TestCluster,
): Readonly<Record<string, number>> {
  const cycle = cycleOf(pod, cluster);
  const nodes = [...cycle.cluster.nodes()];
  plugin.preScore?.(cycle, nodes);
  const score = plugin.score(cycle);
  if (score === undefined) return {};
  const scores = Float64Array.from(nodes, score);
  plugin.normalize?.(scores, cycle);
  return Object.fromEntries(nodes.map(({ name }, index) => [name, Math.round(scores[index]!)]));
}

/** What a pod that the plugin refused does after an event; `Skip` also when the plugin did not ask for such events. */
export function hinted(plugin: Plugin, pod: Pod, event: ClusterEvent): 'Queue' | 'Skip' {
  const info: PodInfo = podInfoOf(pod);
  const wanted = plugin.events?.some(
    ({ resource, actions, hint }) =>
      resource === event.resource &&
      actions.includes(event.action) &&
      (hint === undefined || hint(info, event) === 'Queue'),
  );
  return (wanted ?? true) ? 'Queue' : 'Skip';
}

function byNode<T>({ cluster }: Cycle, answer: (node: NodeInfo) => T): Readonly<Record<string, T>> {
  return Object.fromEntries(Array.from(cluster.nodes(), (node) => [node.name, answer(node)]));
}
