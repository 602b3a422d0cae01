/** Asking what would be: the filters on a node that is not as it is, such as without some of its pods. */
import type { ClusterView, ImageUse } from '../model/cluster-view.ts';
import type { NodeInfo } from '../model/node-info.ts';
import type { TopologyCounts, TopologyQuestion } from '../model/topology-counts.ts';
import type { Cycle } from './cycle.ts';
import type { FilterPlugin, NodeCheck } from './plugin.ts';
import { success } from './status.ts';

/** A cluster in which one node is another. */
class ChangedCluster implements ClusterView {
  readonly #base: ClusterView;
  readonly #node: NodeInfo;

  constructor(base: ClusterView, node: NodeInfo) {
    this.#base = base;
    this.#node = node;
  }

  get nodeCount(): number {
    return this.#base.nodeCount;
  }

  get hasSoftTaints(): boolean {
    return this.#base.hasSoftTaints;
  }

  *nodes(): IterableIterator<NodeInfo> {
    for (const node of this.#base.nodes()) yield node.name === this.#node.name ? this.#node : node;
  }

  get hasPodAffinity(): boolean {
    return this.#base.hasPodAffinity || this.#node.podsWithAffinity.size > 0;
  }

  node(name: string): NodeInfo | undefined {
    return name === this.#node.name ? this.#node : this.#base.node(name);
  }

  topologyCounts(question: TopologyQuestion): TopologyCounts {
    const counts = this.#base.topologyCounts(question).clone();
    const before = this.#base.node(this.#node.name);
    const amountsBefore = before === undefined ? undefined : question.ofNode(before);
    if (before !== undefined && amountsBefore !== undefined)
      counts.remove(counts.contributionOf(before, amountsBefore));
    const amounts = question.ofNode(this.#node);
    if (amounts !== undefined) counts.add(counts.contributionOf(this.#node, amounts));
    return counts;
  }

  imageUse(name: string): ImageUse | undefined {
    return this.#base.imageUse(name);
  }

  namespaceLabels(name: string): Readonly<Record<string, string>> {
    return this.#base.namespaceLabels(name);
  }
}

/**
 * The first refusal of the cycle's pod by `filters` with a node in place of the one of that name, or success. A filter whose answers are kept is made once for all nodes, as
 * it looks at nothing but the node.
 */
export function whatIf(filters: readonly FilterPlugin[], cycle: Cycle): NodeCheck {
  const checks = filters.map((plugin) => ({
    plugin,
    check: plugin.filterMemo === undefined ? undefined : (plugin.filter(cycle) ?? passesAll),
  }));
  return (node) => {
    let changed: Cycle | undefined;
    for (const { plugin, check } of checks) {
      if (check === undefined) changed ??= { ...cycle, cluster: new ChangedCluster(cycle.cluster, node) };
      const status = check === undefined ? plugin.filter(changed ?? cycle)?.(node) : check(node);
      if (status !== undefined && status !== success) return { ...status, plugin: plugin.name };
    }
    return success;
  };
}

const passesAll: NodeCheck = () => success;
