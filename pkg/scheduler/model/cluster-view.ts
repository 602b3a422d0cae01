/** The cluster that a scheduling cycle looks at, as a contract: the cache is one, and what-if copies are others. It changes only between cycles. */
import type { NodeInfo } from './node-info.ts';
import type { TopologyCounts, TopologyQuestion } from './topology-counts.ts';

/** The nodes as a cycle sees them. A cycle runs without waiting for anything, so the cache itself is the snapshot. */
export interface ClusterView {
  /** Number of nodes that exist. */
  readonly nodeCount: number;
  /** Every node that exists, in a fixed order. */
  nodes(): Iterable<NodeInfo>;
  /** Whether some pod has terms on other pods. */
  readonly hasPodAffinity: boolean;
  /** Whether some node has a taint that only makes it less wanted (`PreferNoSchedule`). */
  readonly hasSoftTaints: boolean;
  node(name: string): NodeInfo | undefined;
  /** Labels of a namespace; empty for one that is not known. */
  namespaceLabels(name: string): Readonly<Record<string, string>>;
  /** The answers of all nodes to a question, summed up by domain; right until the cycle ends, and not to be changed. */
  topologyCounts(question: TopologyQuestion): TopologyCounts;
  /** How large an image is and how many nodes have it, by one of its names; undefined where none has it. */
  imageUse(name: string): ImageUse | undefined;
}

/** What nodes say of an image. */
export interface ImageUse {
  readonly bytes: number;
  readonly nodes: number;
}
