/** The limits of a container, and of a pod as a whole, in the terms of the kernel. Pure. Source: kubelet `cm/helpers_linux.go`, `qos/policy.go`. */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { podLimits, podRequests, quantityValue } from '../model/amounts.ts';
import type { ContainerResources, QosClass } from '../runtime/container-config.ts';

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
    cpuShares: sharesOf(cpu),
    ...quotaOf(cpuLimit),
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

const qosClasses: Readonly<Record<string, QosClass>> = {
  BestEffort: 'besteffort',
  Burstable: 'burstable',
  Guaranteed: 'guaranteed',
};

/** What a pod may use as a whole, and the class that it is in. It has a limit only where all of its containers do, or it says one itself. Source: kubelet `ResourceConfigForPod`. */
export function podResources(pod: Pod): { readonly qosClass: QosClass; readonly resources: ContainerResources } {
  const limits = podLimits(pod);
  const limitOf = (name: 'cpu' | 'memory'): number => (isLimited(pod, name) ? (limits.get(name) ?? 0) : 0);
  const memoryLimitBytes = Math.floor(limitOf('memory'));
  return {
    qosClass: qosClasses[pod.status?.qosClass ?? ''] ?? 'besteffort',
    resources: {
      cpuShares: sharesOf(podRequests(pod).get('cpu') ?? 0),
      ...quotaOf(limitOf('cpu')),
      ...(memoryLimitBytes > 0 ? { memoryLimitBytes } : {}),
    },
  };
}

/** What all pods of a node may use together, of what it has to give. Source: kubelet `getNodeAllocatableAbsolute`. */
export function nodeResources(allocatable: Readonly<Record<string, string>>): ContainerResources {
  const memoryLimitBytes = Math.floor(quantityValue(allocatable['memory']));
  return {
    cpuShares: sharesOf(quantityValue(allocatable['cpu'])),
    ...(memoryLimitBytes > 0 ? { memoryLimitBytes } : {}),
  };
}

const numberNames = ['cpuShares', 'cpuPeriodUs', 'cpuQuotaUs', 'memoryLimitBytes'] as const;

/** Room for what was and for what is to be, while one follows the other: what either does not limit is not limited. */
export function widerResources(before: ContainerResources, after: ContainerResources): ContainerResources {
  const wider = numberNames.flatMap((name): [string, number][] => {
    const [a, b] = [before[name], after[name]];
    return a === undefined || b === undefined ? [] : [[name, Math.max(a, b)]];
  });
  return Object.fromEntries(wider);
}

/** Whether both stand for the same limits of a pod. */
export function areSameResources(a: ContainerResources, b: ContainerResources): boolean {
  return numberNames.every((name) => a[name] === b[name]);
}

function isLimited({ spec }: Pod, name: 'cpu' | 'memory'): boolean {
  const own = spec?.resources?.limits;
  if (own?.[name] !== undefined) return quantityValue(own[name]) > 0;
  const all = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  return all.every(({ resources }) => quantityValue(resources?.limits?.[name]) > 0);
}

function sharesOf(cpus: number): number {
  return Math.min(sharesMax, Math.max(sharesMin, Math.floor(cpus * sharesPerCpu)));
}

/** None for no limit. */
function quotaOf(cpus: number): Pick<ContainerResources, 'cpuPeriodUs' | 'cpuQuotaUs'> {
  return cpus > 0 ? { cpuPeriodUs: periodUs, cpuQuotaUs: Math.max(quotaUsMin, Math.floor(cpus * periodUs)) } : {};
}

/** Who asks for less of the node's memory is ended first. */
function oomScore(pod: Pod, container: Container, memoryBytes: number): number {
  const qosClass = pod.status?.qosClass ?? 'BestEffort';
  if (qosClass === 'Guaranteed') return guaranteedScore;
  if (qosClass === 'BestEffort' || memoryBytes <= 0) return bestEffortScore;
  const score = 1000 - Math.floor((1000 * quantityValue(container.resources?.requests?.memory)) / memoryBytes);
  return Math.min(bestEffortScore - 1, Math.max(1000 + guaranteedScore, score));
}
