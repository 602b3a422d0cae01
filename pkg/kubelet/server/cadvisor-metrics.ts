/** `/metrics/cadvisor`: what the containers of a node use, under the names that cadvisor gives it. Source: cadvisor `metrics/prometheus.go`. */

import { parseQuantity, quantityValue } from '#pkg/apimachinery/quantity.ts';
import type { MetricFamily } from '#pkg/base/metrics.ts';
import type { NodeSettings } from '../node/node-settings.ts';
import type { ContainerUsage, PodUsage } from './usage-sampler.ts';

/** The families that there is anything to say of. */
export function cadvisorMetrics(pods: readonly PodUsage[], { capacity }: NodeSettings): readonly MetricFamily[] {
  const containers = pods.flatMap((pod) => pod.containers.map((usage) => ({ usage, labels: labelsOf(pod, usage) })));
  const ofContainers = (
    value: (usage: ContainerUsage) => number,
    more: Readonly<Record<string, string>> = {},
  ): MetricFamily['samples'] =>
    containers.map(({ usage, labels }) => ({ labels: { ...labels, ...more }, value: value(usage) }));
  const ofMachine = (resource: string): MetricFamily['samples'] => {
    const quantity = parseQuantity(capacity[resource] ?? '0');
    return quantity === undefined ? [] : [{ labels: {}, value: quantityValue(quantity) }];
  };
  return [
    {
      name: 'container_cpu_usage_seconds_total',
      help: 'Cumulative cpu time consumed in seconds.',
      type: 'counter',
      samples: ofContainers(({ cpuNanoseconds }) => cpuNanoseconds / 1e9, { cpu: 'total' }),
    },
    {
      name: 'container_last_seen',
      help: 'Last time a container was seen by the exporter',
      type: 'gauge',
      samples: ofContainers(({ timeMs }) => Math.floor(timeMs / 1_000)),
    },
    {
      name: 'container_memory_usage_bytes',
      help: 'Current memory usage in bytes, including all memory regardless of when it was accessed',
      type: 'gauge',
      samples: ofContainers(({ memoryBytes }) => memoryBytes),
    },
    {
      name: 'container_memory_working_set_bytes',
      help: 'Current working set in bytes.',
      type: 'gauge',
      samples: ofContainers(({ workingSetBytes, memoryBytes }) => workingSetBytes ?? memoryBytes),
    },
    {
      name: 'container_start_time_seconds',
      help: 'Start time of the container since unix epoch in seconds.',
      type: 'gauge',
      samples: ofContainers(({ startedAtMs }) => startedAtMs / 1_000),
    },
    { name: 'machine_cpu_cores', help: 'Number of logical CPU cores.', type: 'gauge', samples: ofMachine('cpu') },
    {
      name: 'machine_memory_bytes',
      help: 'Amount of memory installed on the machine.',
      type: 'gauge',
      samples: ofMachine('memory'),
    },
  ];
}

function labelsOf({ worker }: PodUsage, { name: container }: ContainerUsage): Readonly<Record<string, string>> {
  const { name = '', namespace = '', uid = '' } = worker.pod.metadata ?? {};
  const status = worker.pod.status?.containerStatuses?.find((one) => one.name === container);
  const id = status?.containerID?.replace(/^.*:\/\//, '') ?? '';
  return { container, id: `/kubepods/pod${uid}/${id}`, image: status?.image ?? '', name: id, namespace, pod: name };
}
