/**
 * NodeClaims: a kind of this project, in the group `nodes.coxswain.dev`. One asks for one node, of its own name, while the cluster runs: whoever can start nodes does so, keeps
 * it over restarts, and when the claim is deleted stops it and takes its Node away. Pods are not moved before that: who deletes a claim empties its node first.
 */
import type { Condition } from '#pkg/apimachinery/conditions.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { Taint } from './types/core-v1.ts';

/** A taint that a node is registered with. */
export type ClaimedTaint = Required<Pick<Taint, 'effect' | 'key'>> & Pick<Taint, 'value'>;

/** What a node is to be. It does not change once it was asked for. */
export interface NodeTemplate {
  /** Labels of the node; those of Kubernetes itself follow once it has registered, as a kubelet may not set them. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly ClaimedTaint[];
  /** Amounts that it offers, by resource. What is not here is as every node has it. */
  readonly capacity?: Readonly<Record<string, string>>;
  /** Names of runtimes with commas between them, some of the cluster's; the first is for pods without a RuntimeClass. Default: the cluster's. */
  readonly runtime?: string;
}

/** One node that is asked for. */
export interface NodeClaim extends KubeObject {
  readonly spec?: NodeTemplate;
  readonly status?: {
    /** `Started`: True once a kubelet of the node runs, False with the reason where none can. */
    readonly conditions?: readonly Condition[];
  };
}

/** Condition of a claim: whether its kubelet runs. */
export const startedCondition = 'Started';

/** Held by who runs the node, until it does not run any more. */
export const nodeFinalizer = 'nodes.coxswain.dev/node';

/** Label of claims and nodes: the pool that they are of. */
export const poolLabel = 'nodes.coxswain.dev/pool';

/** Names the resource and its type. */
export const nodeClaims: ResourceRef<NodeClaim> = {
  group: 'nodes.coxswain.dev',
  version: 'v1alpha1',
  resource: 'nodeclaims',
  kind: 'NodeClaim',
  namespaced: false,
};
