/**
 * `/stats/summary`: what a node and its containers use. A node's own part is what its pods use together: several nodes share one machine here, whose
 * other processes belong to none of them.
 * Source: kubelet `pkg/apis/stats/v1alpha1` (`k8s.io/kubelet`), `server/stats`.
 */
import { formatTimestamp } from '#pkg/base/clock.ts';
import type { PodVolumeUsage } from '../volumes/volume-usage.ts';
import type { ContainerUsage, PodUsage } from './usage-sampler.ts';
import { volumeStats } from './volume-stats.ts';

/** What the whole of some containers uses. */
export interface UsageSum {
  readonly timeMs: number;
  /** The longest of those that the rates are of. */
  readonly windowMs: number;
  readonly cpuNanoCores: number | undefined;
  readonly cpuNanoseconds: number;
  readonly memoryBytes: number;
  readonly workingSetBytes: number;
}

/** The sum over containers; undefined where nothing is known of one that runs. `timeMs` is that of the answer where there are none. */
export function sumOf(
  { containers, running }: Pick<PodUsage, 'containers' | 'running'>,
  timeMs: number,
): UsageSum | undefined {
  if (containers.length < running) return undefined;
  const sum = (of: (usage: ContainerUsage) => number): number => containers.reduce((all, usage) => all + of(usage), 0);
  const isRateKnown = containers.every(({ cpuNanoCores }) => cpuNanoCores !== undefined);
  return {
    timeMs: containers[0]?.timeMs ?? timeMs,
    windowMs: Math.max(0, ...containers.map(({ windowMs }) => windowMs)),
    cpuNanoCores: isRateKnown ? sum(({ cpuNanoCores = 0 }) => cpuNanoCores) : undefined,
    cpuNanoseconds: sum(({ cpuNanoseconds }) => cpuNanoseconds),
    memoryBytes: sum(({ memoryBytes }) => memoryBytes),
    workingSetBytes: sum(({ memoryBytes, workingSetBytes = memoryBytes }) => workingSetBytes),
  };
}

/** The sum over all containers of a node. */
export function nodeUsage(pods: readonly PodUsage[], timeMs: number): UsageSum | undefined {
  const containers = pods.flatMap((pod) => pod.containers);
  return sumOf({ containers, running: pods.reduce((all, { running }) => all + running, 0) }, timeMs);
}

/** The facts of the node beside what its pods use. */
export interface SummaryOptions {
  readonly nodeName: string;
  readonly nowMs: number;
  readonly startedMs: number;
  /** Of each pod, in their order. */
  readonly volumes: readonly (readonly PodVolumeUsage[])[];
}

/** The summary as an object. */
export function statsSummary(
  pods: readonly PodUsage[],
  { nodeName, nowMs, startedMs, volumes }: SummaryOptions,
): object {
  const node = nodeUsage(pods, nowMs);
  return {
    node: { nodeName, startTime: formatTimestamp(startedMs), ...(node === undefined ? {} : amounts(node)) },
    pods: pods.map((pod, index) => {
      const { name = '', namespace = '', uid = '' } = pod.worker.pod.metadata ?? {};
      const { startTime } = pod.worker.pod.status ?? {};
      const sum = pod.running === 0 ? undefined : sumOf(pod, nowMs);
      const ofVolumes = (volumes[index] ?? []).map((volume) => volumeStats(volume, namespace));
      return {
        podRef: { name, namespace, uid },
        ...(startTime === undefined ? {} : { startTime }),
        containers: pod.containers.map(containerStats),
        ...(sum === undefined ? {} : amounts(sum)),
        ...(ofVolumes.length === 0 ? {} : { volume: ofVolumes }),
      };
    }),
  };
}

/** `windowNanoSeconds`, which upstream's kubelet does not tell, is what the rate is of. */
function amounts(sum: UsageSum): object {
  const { timeMs, windowMs, cpuNanoCores, cpuNanoseconds, memoryBytes, workingSetBytes } = sum;
  const time = formatTimestamp(timeMs);
  return {
    cpu: {
      time,
      ...(cpuNanoCores === undefined ? {} : { usageNanoCores: cpuNanoCores, windowNanoSeconds: windowMs * 1_000_000 }),
      usageCoreNanoSeconds: cpuNanoseconds,
    },
    memory: { time, usageBytes: memoryBytes, workingSetBytes },
  };
}

/** `UserDefinedMetric`s. */
function metrics(
  { counters = {}, gauges = {} }: Pick<ContainerUsage, 'counters' | 'gauges'>,
  time: string,
): readonly object[] {
  return [
    ...Object.entries(counters).map(([name, value]) => ({ name, type: 'cumulative', units: 'count', time, value })),
    ...Object.entries(gauges).map(([name, value]) => ({ name, type: 'gauge', units: 'bytes', time, value })),
  ];
}

function containerStats(usage: ContainerUsage): object {
  const { name, startedAtMs, timeMs, memoryBytes, filesystemBytes, filesystemInodes, pids } = usage;
  const time = formatTimestamp(timeMs);
  const own = metrics(usage, time);
  return {
    name,
    startTime: formatTimestamp(startedAtMs),
    ...amounts({ ...usage, workingSetBytes: usage.workingSetBytes ?? memoryBytes }),
    ...(filesystemBytes === undefined
      ? {}
      : { rootfs: { time, usedBytes: filesystemBytes, inodesUsed: filesystemInodes } }),
    ...(pids === undefined ? {} : { process_stats: { process_count: pids } }),
    ...(own.length === 0 ? {} : { userDefinedMetrics: own }),
  };
}
