/** Generated from the table of API facts by `npm run generate`; do not edit. */
import type { ListMeta, ObjectMeta } from '#pkg/apimachinery/object.ts';
import type { LabelSelector } from './meta-v1.ts';

export interface AggregationRule {
  readonly clusterRoleSelectors?: readonly LabelSelector[];
}

export interface ClusterRole {
  readonly apiVersion?: 'rbac.authorization.k8s.io/v1alpha1';
  readonly kind?: 'ClusterRole';
  readonly metadata?: ObjectMeta;
  readonly rules?: readonly PolicyRule[] | null;
  readonly aggregationRule?: AggregationRule;
}

export interface ClusterRoleBinding {
  readonly apiVersion?: 'rbac.authorization.k8s.io/v1alpha1';
  readonly kind?: 'ClusterRoleBinding';
  readonly metadata?: ObjectMeta;
  readonly subjects?: readonly Subject[];
  readonly roleRef: RoleRef;
}

export interface ClusterRoleBindingList {
  readonly apiVersion?: 'rbac.authorization.k8s.io/v1alpha1';
  readonly kind?: 'ClusterRoleBindingList';
  readonly metadata?: ListMeta;
  readonly items: readonly ClusterRoleBinding[];
}

export interface ClusterRoleList {
  readonly apiVersion?: 'rbac.authorization.k8s.io/v1alpha1';
  readonly kind?: 'ClusterRoleList';
  readonly metadata?: ListMeta;
  readonly items: readonly ClusterRole[];
}

export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

export interface Role {
  readonly apiVersion?: 'rbac.authorization.k8s.io/v1alpha1';
  readonly kind?: 'Role';
  readonly metadata?: ObjectMeta;
  readonly rules?: readonly PolicyRule[] | null;
}

export interface RoleBinding {
  readonly apiVersion?: 'rbac.authorization.k8s.io/v1alpha1';
  readonly kind?: 'RoleBinding';
  readonly metadata?: ObjectMeta;
  readonly subjects?: readonly Subject[];
  readonly roleRef: RoleRef;
}

export interface RoleBindingList {
  readonly apiVersion?: 'rbac.authorization.k8s.io/v1alpha1';
  readonly kind?: 'RoleBindingList';
  readonly metadata?: ListMeta;
  readonly items: readonly RoleBinding[];
}

export interface RoleList {
  readonly apiVersion?: 'rbac.authorization.k8s.io/v1alpha1';
  readonly kind?: 'RoleList';
  readonly metadata?: ListMeta;
  readonly items: readonly Role[];
}

export interface RoleRef {
  readonly apiGroup?: string;
  readonly kind: string;
  readonly name: string;
}

export interface Subject {
  readonly kind: string;
  readonly apiVersion?: string;
  readonly name: string;
  readonly namespace?: string;
}
