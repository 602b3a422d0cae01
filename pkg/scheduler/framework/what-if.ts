/** Asking what would be: the filters on a node that is not as it is, such as without some of its pods. */
import type { ClusterView } from '../model/cluster-view.ts';
import type { NodeInfo } from '../model/node-info.ts';
import type { Cycle } from './cycle.ts';
import type { FilterPlugin } from './plugin.ts';
import { type Status, success } from './status.ts';

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

  *nodesWithAffinity(): IterableIterator<NodeInfo> {
    for (const node of this.#base.nodesWithAffinity()) if (node.name !== this.#node.name) yield node;
    if (this.#node.podsWithAffinity.size > 0) yield this.#node;
  }

  node(name: string): NodeInfo | undefined {
    return name === this.#node.name ? this.#node : this.#base.node(name);
  }

  namespaceLabels(name: string): Readonly<Record<string, string>> {
    return this.#base.namespaceLabels(name);
  }
}

/** The first refusal of the cycle's pod by `filters` with `node` in place of the one of that name, or success. */
export function checkWith(filters: readonly FilterPlugin[], cycle: Cycle, node: NodeInfo): Status {
  const changed: Cycle = { ...cycle, cluster: new ChangedCluster(cycle.cluster, node) };
  for (const plugin of filters) {
    const status = plugin.filter(changed)?.(node) ?? success;
    if (status !== success) return { ...status, plugin: plugin.name };
  }
  return success;
}
