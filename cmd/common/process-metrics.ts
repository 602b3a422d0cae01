/** What this process uses, under the names that every component of Kubernetes has. Source: Prometheus' conventions for process metrics. */
import { readdirSync } from 'node:fs';
import type { MetricFamily } from '#pkg/base/metrics.ts';
import { descriptorLimit } from './descriptors.ts';

const gauge = (name: string, help: string, value: number): MetricFamily => ({
  name,
  help,
  type: 'gauge',
  samples: [{ labels: {}, value }],
});

/** Measured when it is called. */
export function processMetrics(): readonly MetricFamily[] {
  const { user, system } = process.cpuUsage();
  const { rss } = process.memoryUsage();
  const cpu = { labels: {}, value: (user + system) / 1e6 };
  return [
    { name: 'process_cpu_seconds_total', help: 'User and system time in seconds', type: 'counter', samples: [cpu] },
    gauge('process_resident_memory_bytes', 'Resident memory in bytes', rss),
    gauge('process_start_time_seconds', 'Start of the process since the epoch', performance.timeOrigin / 1_000),
    gauge('process_max_fds', 'Descriptors that may be open', descriptorLimit()),
    ...openDescriptors().map((count) => gauge('process_open_fds', 'Descriptors that are open', count)),
  ];
}

/** Not known where there is no `/proc`. */
function openDescriptors(): readonly number[] {
  try {
    return [readdirSync('/proc/self/fd').length];
  } catch {
    return [];
  }
}
