/** Generated from the table of API facts by `npm run generate`; do not edit. */
import type { ListMeta, ObjectMeta } from '#pkg/apimachinery/object.ts';

export interface ContainerMetrics {
  readonly name: string;
  readonly usage: Readonly<Record<string, string>>;
}

export interface NodeMetrics {
  readonly apiVersion?: 'metrics.k8s.io/v1beta1';
  readonly kind?: 'NodeMetrics';
  readonly metadata?: ObjectMeta;
  readonly timestamp: string;
  readonly window: string;
  readonly usage: Readonly<Record<string, string>>;
}

export interface NodeMetricsList {
  readonly apiVersion?: 'metrics.k8s.io/v1beta1';
  readonly kind?: 'NodeMetricsList';
  readonly metadata?: ListMeta;
  readonly items: readonly NodeMetrics[];
}

export interface PodMetrics {
  readonly apiVersion?: 'metrics.k8s.io/v1beta1';
  readonly kind?: 'PodMetrics';
  readonly metadata?: ObjectMeta;
  readonly timestamp: string;
  readonly window: string;
  readonly containers: readonly ContainerMetrics[];
}

export interface PodMetricsList {
  readonly apiVersion?: 'metrics.k8s.io/v1beta1';
  readonly kind?: 'PodMetricsList';
  readonly metadata?: ListMeta;
  readonly items: readonly PodMetrics[];
}
