/** What plugins share while one pod is scheduled. */
import type { NodeInfo } from './node-info.ts';
import type { PodInfo } from './pod-info.ts';

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

/** A name for one kind of value in a cycle's state; `T` is the value's type. */
export interface StateKey<T> {
  readonly name: string;
  /** Carries `T` for the compiler; never present. */
  readonly value?: T;
}

/** Values that a plugin leaves for its own later extension points; one per attempt to schedule a pod. */
export class CycleState {
  readonly #values = new Map<string, unknown>();

  write<T>(key: StateKey<T>, value: T): void {
    this.#values.set(key.name, value);
  }

  read<T>(key: StateKey<T>): T | undefined {
    return this.#values.get(key.name) as T | undefined;
  }
}

/** One attempt to schedule one pod. */
export interface Cycle {
  readonly pod: PodInfo;
  readonly cluster: ClusterView;
  readonly state: CycleState;
}
