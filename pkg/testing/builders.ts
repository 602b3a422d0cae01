/**
 * Builders of objects for tests: short to write, complete enough for the API server to accept. Each step returns a new builder, so a
 * common start can be shared. `object` is the plain API object.
 */

import type { Deployment } from '#pkg/api/types/apps-v1.ts';
import type { Container, ContainerPort, Node, Pod, PodSpec, Service, Toleration } from '#pkg/api/types/core-v1.ts';
import type { ObjectMeta } from '#pkg/apimachinery/object.ts';

/** Amounts by resource name, such as `{ cpu: '100m' }`. */
export type Amounts = Readonly<Record<string, string>>;

export class PodBuilder {
  readonly object: Pod;

  constructor(object: Pod) {
    this.object = object;
  }

  meta(meta: ObjectMeta): PodBuilder {
    return new PodBuilder({ ...this.object, metadata: { ...this.object.metadata, ...meta } });
  }

  labels(labels: Readonly<Record<string, string>>): PodBuilder {
    return this.meta({ labels });
  }

  annotations(annotations: Readonly<Record<string, string>>): PodBuilder {
    return this.meta({ annotations });
  }

  /** Resource requests of the first container. */
  request(requests: Amounts): PodBuilder {
    return this.container({ resources: { requests } });
  }

  ports(...ports: readonly ContainerPort[]): PodBuilder {
    return this.container({ ports });
  }

  toleration(toleration: Toleration): PodBuilder {
    return this.spec({ tolerations: [...(this.object.spec?.tolerations ?? []), toleration] });
  }

  /** Changes fields of the first container. */
  container(fields: Partial<Container>): PodBuilder {
    const [first, ...rest] = this.object.spec!.containers;
    return this.spec({ containers: [{ ...first!, ...fields }, ...rest] });
  }

  spec(fields: Partial<PodSpec>): PodBuilder {
    return new PodBuilder({ ...this.object, spec: { ...this.object.spec!, ...fields } });
  }
}

/** A pod of one container in namespace `default`. */
export function makePod(name: string): PodBuilder {
  return new PodBuilder({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'main', image: 'coxswain.dev/echo:v1' }] },
  });
}

export interface DeploymentOptions {
  readonly namespace?: string;
  readonly replicas?: number;
  readonly image?: string;
  readonly requests?: Amounts;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec?: Partial<NonNullable<Deployment['spec']>>;
  readonly podSpec?: Partial<PodSpec>;
}

/** A Deployment whose pods carry the label `app` with its name. `annotations` are those of the pods. */
export function makeDeployment(name: string, options: DeploymentOptions = {}): Deployment {
  const container: Container = {
    name: 'main',
    image: options.image ?? 'coxswain.dev/echo:v1',
    ...(options.requests === undefined ? {} : { resources: { requests: options.requests } }),
  };
  const template = {
    metadata: {
      labels: { app: name },
      ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
    },
    spec: { containers: [container], ...options.podSpec },
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: options.namespace ?? 'default' },
    spec: { replicas: options.replicas ?? 1, selector: { matchLabels: { app: name } }, template, ...options.spec },
  };
}

/** A Service that selects the pods of `makeDeployment(name)`. */
export function makeService(name: string, ports: NonNullable<Service['spec']>['ports']): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { selector: { app: name }, ports: ports ?? [] },
  };
}

/** A node with 4 CPUs, 8 GiB and room for 110 pods unless `allocatable` says otherwise. */
export function makeNode(name: string, allocatable: Amounts = {}): Node {
  const amounts = { cpu: '4', memory: '8Gi', pods: '110', ...allocatable };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name } },
    status: {
      capacity: amounts,
      allocatable: amounts,
      conditions: [
        { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' },
      ],
    },
  };
}
