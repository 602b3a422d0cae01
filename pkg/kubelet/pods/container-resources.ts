/** The limits of a container in the terms of the kernel. Pure. Source: kubelet `cm/helpers_linux.go`, `qos/policy.go`. */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { quantityValue } from '../model/amounts.ts';
import type { ContainerResources } from '../runtime/container-config.ts';

const sharesPerCpu = 1024;
const sharesMin = 2;
const sharesMax = 262_144;
const periodUs = 100_000;
const quotaUsMin = 1000;

/** Scores of those who are not to be ended, and of those who are first. */
const guaranteedScore = -997;
const bestEffortScore = 1000;

/** What the container may use, of a node with `memoryBytes`. */
export function containerResources(pod: Pod, container: Container, memoryBytes: number): ContainerResources {
  const { limits = {}, requests = {} } = container.resources ?? {};
  const cpuLimit = quantityValue(limits.cpu);
  const cpu = requests.cpu === undefined ? cpuLimit : quantityValue(requests.cpu);
  const memoryLimitBytes = quantityValue(limits.memory);
  const hugepages = Object.entries(limits).filter(([name]) => name.startsWith('hugepages-'));
  return {
    cpuShares: Math.min(sharesMax, Math.max(sharesMin, Math.floor(cpu * sharesPerCpu))),
    ...(cpuLimit > 0
      ? { cpuPeriodUs: periodUs, cpuQuotaUs: Math.max(quotaUsMin, Math.floor(cpuLimit * periodUs)) }
      : {}),
    ...(memoryLimitBytes > 0 ? { memoryLimitBytes } : {}),
    ...(hugepages.length === 0
      ? {}
      : {
          hugepageLimits: Object.fromEntries(
            hugepages.map(([name, amount]) => [name.slice('hugepages-'.length), quantityValue(amount)]),
          ),
        }),
    oomScoreAdjustment: oomScore(pod, container, memoryBytes),
  };
}

/** Who asks for less of the node's memory is ended first. */
function oomScore(pod: Pod, container: Container, memoryBytes: number): number {
  const qosClass = pod.status?.qosClass ?? 'BestEffort';
  if (qosClass === 'Guaranteed') return guaranteedScore;
  if (qosClass === 'BestEffort' || memoryBytes <= 0) return bestEffortScore;
  const score = 1000 - Math.floor((1000 * quantityValue(container.resources?.requests?.memory)) / memoryBytes);
  return Math.min(bestEffortScore - 1, Math.max(1000 + guaranteedScore, score));
}
