/** What the pods of a node take of it, and which of them goes first when it has too little. Pure. Source: kubelet `eviction/helpers.go` `rankMemoryPressure` and its like. */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { formatQuantity, quantityOf } from '#pkg/apimachinery/quantity.ts';
import { podRequests, quantityValue } from '../model/amounts.ts';
import { type EvictionSignal, resourceOf } from './thresholds.ts';

/** What one container takes. */
export interface ContainerConsumption {
  readonly name: string;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly inodes: number;
  readonly processes: number;
}

/** What one pod takes. */
export interface PodConsumption {
  readonly pod: Pod;
  readonly containers: readonly ContainerConsumption[];
  /** Of its own volumes on the node's disk, by name. */
  readonly volumeBytes: ReadonlyMap<string, number>;
}

/** Of one resource, in all. */
function consumed({ containers, volumeBytes }: PodConsumption, signal: EvictionSignal): number {
  const sum = (of: (one: ContainerConsumption) => number): number => containers.reduce((all, one) => all + of(one), 0);
  switch (signal) {
    case 'memory.available':
      return sum(({ memoryBytes }) => memoryBytes);
    case 'pid.available':
      return sum(({ processes }) => processes);
    case 'nodefs.inodesFree':
      return sum(({ inodes }) => inodes);
    case 'nodefs.available':
      return sum(({ diskBytes }) => diskBytes) + [...volumeBytes.values()].reduce((all, bytes) => all + bytes, 0);
  }
}

/** The first goes first: those beyond what they asked for, of those the least important, of those who takes most beyond. */
export function ranked(pods: readonly PodConsumption[], signal: EvictionSignal): readonly PodConsumption[] {
  const beyond = new Map(
    pods.map((one) => [one, consumed(one, signal) - (podRequests(one.pod).get(resourceOf(signal)) ?? 0)]),
  );
  const excess = (one: PodConsumption): number => beyond.get(one) ?? 0;
  const priority = ({ pod }: PodConsumption): number => pod.spec?.priority ?? 0;
  return pods.toSorted(
    (a, b) => Number(excess(b) > 0) - Number(excess(a) > 0) || priority(a) - priority(b) || excess(b) - excess(a),
  );
}

/** Which containers took more than they asked for, as the message of an eviction says it. */
export function containerNotes({ pod, containers }: PodConsumption, signal: EvictionSignal): string {
  const resource = resourceOf(signal);
  if (resource !== 'memory' && resource !== 'ephemeral-storage') return '';
  return containers
    .map((usage) => {
      const used = resource === 'memory' ? usage.memoryBytes : usage.diskBytes;
      const request = containerOf(pod, usage.name)?.resources?.requests?.[resource] ?? '0';
      if (used <= quantityValue(request)) return '';
      const how = `was using ${formatBytes(used)}, request is ${request}`;
      return `Container ${usage.name} ${how}, has larger consumption of ${resource}. `;
    })
    .join('');
}

/** Why a pod goes for what it has written itself, whatever the node has left; undefined for one within its limits. Source: `localStorageEviction`. */
export function beyondItsLimits({ pod, containers, volumeBytes }: PodConsumption): string | undefined {
  const onDisk = (name: string): boolean =>
    pod.spec?.volumes?.some((volume) => volume.name === name && volume.emptyDir?.medium !== 'Memory') === true;
  for (const { name, emptyDir } of pod.spec?.volumes ?? []) {
    const limit = emptyDir?.sizeLimit;
    if (limit === undefined || quantityValue(limit) === 0) continue;
    if ((volumeBytes.get(name) ?? 0) > quantityValue(limit))
      return `Usage of EmptyDir volume ${JSON.stringify(name)} exceeds the limit ${JSON.stringify(limit)}. `;
  }
  const all = pod.spec?.containers ?? [];
  const limits = all.map(({ resources }) => resources?.limits?.['ephemeral-storage']);
  const ofVolumes = [...volumeBytes].filter(([name]) => onDisk(name)).reduce((sum, [, bytes]) => sum + bytes, 0);
  const total = containers.reduce((sum, { diskBytes }) => sum + diskBytes, ofVolumes);
  const limit = limits.reduce((sum, one) => sum + quantityValue(one), 0);
  if (limits.some((one) => one !== undefined) && total > limit)
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${formatBytes(limit)}. `;
  for (const { name, diskBytes } of containers) {
    const own = containerOf(pod, name)?.resources?.limits?.['ephemeral-storage'];
    if (own !== undefined && diskBytes > quantityValue(own))
      return `Container ${name} exceeded its local ephemeral storage limit ${JSON.stringify(own)}. `;
  }
  return undefined;
}

/** Whether anything of a pod has to be measured that has a limit of its own. */
export function hasDiskLimits({ spec }: Pod): boolean {
  return (
    (spec?.volumes ?? []).some(({ emptyDir }) => emptyDir?.sizeLimit !== undefined && emptyDir.medium !== 'Memory') ||
    (spec?.containers ?? []).some(({ resources }) => resources?.limits?.['ephemeral-storage'] !== undefined)
  );
}

function containerOf({ spec }: Pod, name: string): Container | undefined {
  return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].find((one) => one.name === name);
}

function formatBytes(bytes: number): string {
  return formatQuantity(quantityOf(bytes, 'BinarySI'));
}
