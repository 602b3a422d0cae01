/** The objects that many behaviours are shown with, as short as the API server accepts them. */
import type { Deployment, ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import type { ConfigMap, Pod, PodSpec, ReplicationController, Secret } from '#pkg/api/types/core-v1.ts';
import type { ObjectMeta } from '#pkg/apimachinery/object.ts';

export const image = 'coxswain.dev/pause:v1';

/** A container that runs until it is stopped. */
export const container = { name: 'main', image };

/** A pod of one container, in the tests' namespace. */
export function pod(name: string, spec: Partial<PodSpec> = {}, meta: ObjectMeta = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'conformance', ...meta },
    spec: { containers: [container], ...spec },
  };
}

export interface WorkloadOptions {
  readonly replicas?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly podSpec?: Partial<PodSpec>;
  readonly spec?: object;
}

function template(labels: Readonly<Record<string, string>>, options: WorkloadOptions) {
  const { annotations } = options;
  return {
    metadata: { labels, ...(annotations === undefined ? {} : { annotations }) },
    spec: { containers: [container], terminationGracePeriodSeconds: 0, ...options.podSpec },
  };
}

/** A ReplicationController whose pods carry the label `name`. */
export function replicationController(name: string, options: WorkloadOptions = {}): ReplicationController {
  const labels = { name, ...options.labels };
  return {
    apiVersion: 'v1',
    kind: 'ReplicationController',
    metadata: { name, namespace: 'conformance', labels },
    spec: { replicas: options.replicas ?? 1, selector: labels, template: template(labels, options), ...options.spec },
  };
}

/** A ReplicaSet whose pods carry the label `name`. */
export function replicaSet(name: string, options: WorkloadOptions = {}): ReplicaSet {
  const labels = { name, ...options.labels };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, namespace: 'conformance', labels },
    spec: {
      replicas: options.replicas ?? 1,
      selector: { matchLabels: labels },
      template: template(labels, options),
      ...options.spec,
    },
  };
}

/** A Deployment whose pods carry the label `name`. */
export function deployment(name: string, options: WorkloadOptions = {}): Deployment {
  return { ...replicaSet(name, options), kind: 'Deployment' } as Deployment;
}

export function configMap(name: string, data: Readonly<Record<string, string>> = {}, meta: ObjectMeta = {}): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'conformance', ...meta }, data };
}

/** `data` is plain text. */
export function secret(name: string, data: Readonly<Record<string, string>> = {}, meta: ObjectMeta = {}): Secret {
  const metadata = { name, namespace: 'conformance', ...meta };
  return { apiVersion: 'v1', kind: 'Secret', metadata, stringData: data };
}
