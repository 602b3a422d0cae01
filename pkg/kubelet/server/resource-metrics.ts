/** `/metrics/resource`: what a node, its pods and their containers use, for whoever scales by it. Source: kubelet `metrics/collectors/resource_metrics.go`. */
import type { MetricFamily, MetricSample } from '#pkg/base/metrics.ts';
import { nodeUsage, sumOf } from './stats-summary.ts';
import type { PodUsage } from './usage-sampler.ts';

/** The families, in upstream's order. */
export function resourceMetrics(pods: readonly PodUsage[], nowMs: number): readonly MetricFamily[] {
  const node = nodeUsage(pods, nowMs);
  const ofNode = (value: number | undefined): readonly MetricSample[] =>
    value === undefined ? [] : [{ labels: {}, value }];
  const containers = pods.flatMap((pod) =>
    pod.containers.map((usage) => ({ usage, labels: { container: usage.name, ...labelsOf(pod) } })),
  );
  const sums = pods.flatMap((pod) => {
    const sum = pod.running === 0 ? undefined : sumOf(pod, nowMs);
    return sum === undefined ? [] : [{ sum, labels: labelsOf(pod) }];
  });
  const seconds = (nanoseconds: number): number => nanoseconds / 1e9;
  return [
    {
      name: 'node_cpu_usage_seconds_total',
      help: 'Cumulative cpu time consumed by the node in core-seconds',
      type: 'counter',
      samples: ofNode(node === undefined ? undefined : seconds(node.cpuNanoseconds)),
    },
    {
      name: 'node_memory_working_set_bytes',
      help: 'Current working set of the node in bytes',
      type: 'gauge',
      samples: ofNode(node?.workingSetBytes),
    },
    {
      name: 'container_cpu_usage_seconds_total',
      help: 'Cumulative cpu time consumed by the container in core-seconds',
      type: 'counter',
      samples: containers.map(({ usage, labels }) => ({ labels, value: seconds(usage.cpuNanoseconds) })),
    },
    {
      name: 'container_memory_working_set_bytes',
      help: 'Current working set of the container in bytes',
      type: 'gauge',
      samples: containers.map(({ usage, labels }) => ({ labels, value: usage.workingSetBytes ?? usage.memoryBytes })),
    },
    {
      name: 'container_start_time_seconds',
      help: 'Start time of the container since unix epoch in seconds',
      type: 'gauge',
      samples: containers.map(({ usage, labels }) => ({ labels, value: usage.startedAtMs / 1_000 })),
    },
    {
      name: 'pod_cpu_usage_seconds_total',
      help: 'Cumulative cpu time consumed by the pod in core-seconds',
      type: 'counter',
      samples: sums.map(({ sum, labels }) => ({ labels, value: seconds(sum.cpuNanoseconds) })),
    },
    {
      name: 'pod_memory_working_set_bytes',
      help: 'Current working set of the pod in bytes',
      type: 'gauge',
      samples: sums.map(({ sum, labels }) => ({ labels, value: sum.workingSetBytes })),
    },
    {
      name: 'resource_scrape_error',
      help: '1 if there was an error while getting container metrics, 0 otherwise',
      type: 'gauge',
      samples: [{ labels: {}, value: 0 }],
    },
  ];
}

function labelsOf({ worker }: PodUsage): { readonly namespace: string; readonly pod: string } {
  const { name = '', namespace = '' } = worker.pod.metadata ?? {};
  return { namespace, pod: name };
}
