/**
 * NodePools: a kind of this project, in the group `nodes.coxswain.dev`. A pool is a number of nodes that are alike, which grows when pods fit nowhere else and
 * shrinks when its nodes have little to do. What its fields mean is the cluster autoscaler's of Kubernetes.
 */
import type { Condition } from '#pkg/apimachinery/conditions.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { NodeTemplate } from './node-claim.ts';

/** When nodes go again. Times are in seconds. */
export interface ScaleDown {
  /** Whether none do by themselves. Default false. */
  readonly disabled?: boolean;
  /** Share of its CPU or memory, whichever is more, under which a node has little to do, in percent. Default 50. */
  readonly utilizationThresholdPercent?: number;
  /** How long that has to be so. Default 600. */
  readonly unneededSeconds?: number;
  /** How long after the pool has grown none go. Default 600. */
  readonly delayAfterAddSeconds?: number;
  /** How long emptying a node may take before it is given up. Default 600. */
  readonly drainSeconds?: number;
}

/** A pool of nodes: what is wanted of it, and how it stands. */
export interface NodePool extends KubeObject {
  readonly spec?: {
    /** Nodes that there are whatever the load. Default 0. */
    readonly minNodes?: number;
    readonly maxNodes: number;
    /** What each new node is; `capacity` says cpu and memory. */
    readonly template: NodeTemplate;
    /** How long a node may take to be Ready before it is given up. Default 900. */
    readonly provisionSeconds?: number;
    readonly scaleDown?: ScaleDown;
  };
  readonly status?: NodePoolStatus;
}

/** How a pool stands. */
export interface NodePoolStatus {
  readonly observedGeneration?: number;
  /** Claims of the pool, whether their nodes are there yet or not. */
  readonly nodes?: number;
  readonly readyNodes?: number;
  readonly lastScaleUpTime?: string;
  readonly lastScaleDownTime?: string;
  /** Nodes that did not come, one after the other; from the second on the pool rests twice as long each time. */
  readonly failures?: number;
  /** Until then the pool does not grow. */
  readonly backoffUntil?: string;
  readonly conditions?: readonly Condition[];
}

/** Names the resource and its type. */
export const nodePools: ResourceRef<NodePool> = {
  group: 'nodes.coxswain.dev',
  version: 'v1alpha1',
  resource: 'nodepools',
  kind: 'NodePool',
  namespaced: false,
};
