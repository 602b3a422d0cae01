/** The cluster that a scheduling cycle looks at, as a contract: the cache is one, and what-if copies are others. It changes only between cycles. */
import type { NodeInfo } from './node-info.ts';

/** The nodes as a cycle sees them. A cycle runs without waiting for anything, so the cache itself is the snapshot. */
export interface ClusterView {
  /** Number of nodes that exist. */
  readonly nodeCount: number;
  /** Every node that exists, in a fixed order. */
  nodes(): Iterable<NodeInfo>;
  /** Those of `nodes` on which some pod has terms on other pods. */
  nodesWithAffinity(): Iterable<NodeInfo>;
  /** Whether some node has a taint that only makes it less wanted (`PreferNoSchedule`). */
  readonly hasSoftTaints: boolean;
  node(name: string): NodeInfo | undefined;
  /** Labels of a namespace; empty for one that is not known. */
  namespaceLabels(name: string): Readonly<Record<string, string>>;
}
