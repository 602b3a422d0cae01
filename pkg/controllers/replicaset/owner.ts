/** What a ReplicaSet and a ReplicationController have in common, so that one loop keeps both. */

import type { ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import type { PodTemplateSpec, ReplicationController } from '#pkg/api/types/core-v1.ts';
import type { LabelSelector } from '#pkg/api/types/meta-v1.ts';
import { replicaSets, replicationControllers } from '#pkg/api/types/refs.ts';
import type { ObjectMeta, ResourceRef } from '#pkg/apimachinery/object.ts';

/** A condition of either kind. */
export interface ReplicaCondition {
  readonly type: string;
  readonly status: string;
  readonly lastTransitionTime?: string | null;
  readonly reason?: string;
  readonly message?: string;
}

/** The status of either kind. */
export interface ReplicaStatus {
  readonly replicas: number;
  readonly fullyLabeledReplicas?: number;
  readonly readyReplicas?: number;
  readonly availableReplicas?: number;
  readonly terminatingReplicas?: number;
  readonly observedGeneration?: number;
  readonly conditions?: readonly ReplicaCondition[];
}

/** A ReplicaSet or a ReplicationController. */
export interface ReplicaOwner {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ObjectMeta;
  readonly spec?: {
    readonly replicas?: number;
    readonly minReadySeconds?: number;
    readonly template?: PodTemplateSpec;
  };
  readonly status?: ReplicaStatus;
}

/** One of the two. */
export interface ReplicaKind {
  /** Name of the controller. */
  readonly name: string;
  /** Source of its events. */
  readonly component: string;
  readonly ref: ResourceRef<ReplicaOwner>;
  selectorOf(owner: ReplicaOwner): LabelSelector | undefined;
  /** Whether its status counts pods that are on their way out. */
  readonly countsTerminating: boolean;
}

/** What is of ReplicaSets. */
export const replicaSetKind: ReplicaKind = {
  name: 'replicaset',
  component: 'replicaset-controller',
  ref: replicaSets,
  selectorOf: (owner: ReplicaSet) => owner.spec?.selector,
  countsTerminating: true,
};

/** What is of ReplicationControllers. */
export const replicationControllerKind: ReplicaKind = {
  name: 'replicationcontroller',
  component: 'replication-controller',
  ref: replicationControllers,
  selectorOf: (owner: ReplicationController) => ({ matchLabels: owner.spec?.selector ?? {} }),
  countsTerminating: false,
};
