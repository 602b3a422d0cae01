/** How full the volumes of pods are, in `/stats/summary` and in `/metrics`. Pure. Source: kubelet `pkg/apis/stats/v1alpha1` `VolumeStats`, `metrics/collectors/volume_stats.go`. */

import { formatTimestamp } from '#pkg/base/clock.ts';
import type { MetricFamily } from '#pkg/base/metrics.ts';
import type { PodVolumeUsage } from '../volumes/volume-usage.ts';

/** What nobody says counts as nothing, as upstream tells it. */
const unknown = { available: 0, total: 0, used: 0 };

/** A `VolumeStats`; `namespace` is that of the pod. */
export function volumeStats(volume: PodVolumeUsage, namespace: string): object {
  const { bytes = unknown, claimName, condition, inodes = unknown, name, timeMs } = volume;
  return {
    time: formatTimestamp(timeMs),
    availableBytes: bytes.available,
    capacityBytes: bytes.total,
    usedBytes: bytes.used,
    inodesFree: inodes.available,
    inodes: inodes.total,
    inodesUsed: inodes.used,
    name,
    ...(claimName === undefined ? {} : { pvcRef: { name: claimName, namespace } }),
    ...(condition === undefined ? {} : { volumeHealthStats: { abnormal: condition.isAbnormal } }),
  };
}

/** A volume of some namespace. */
export interface NamespacedVolume {
  readonly namespace: string;
  readonly volume: PodVolumeUsage;
}

const families: readonly (readonly [name: string, help: string, of: (volume: PodVolumeUsage) => number | undefined])[] =
  [
    ['capacity_bytes', 'Capacity in bytes of the volume', ({ bytes = unknown }) => bytes.total],
    ['available_bytes', 'Number of available bytes in the volume', ({ bytes = unknown }) => bytes.available],
    ['used_bytes', 'Number of used bytes in the volume', ({ bytes = unknown }) => bytes.used],
    ['inodes', 'Maximum number of inodes in the volume', ({ inodes = unknown }) => inodes.total],
    ['inodes_free', 'Number of free inodes in the volume', ({ inodes = unknown }) => inodes.available],
    ['inodes_used', 'Number of used inodes in the volume', ({ inodes = unknown }) => inodes.used],
    [
      'health_status_abnormal',
      'Abnormal volume health status. The count is either 1 or 0. 1 indicates the volume is unhealthy, 0 indicates volume is healthy',
      ({ condition }) => (condition === undefined ? undefined : Number(condition.isAbnormal)),
    ],
  ];

/** Of volumes that are had by claims, each claim once. */
export function volumeMetrics(volumes: readonly NamespacedVolume[]): readonly MetricFamily[] {
  const byClaim = new Map<string, NamespacedVolume>();
  for (const one of volumes) {
    const { claimName } = one.volume;
    const key = `${one.namespace}/${claimName}`;
    if (claimName !== undefined && !byClaim.has(key)) byClaim.set(key, one);
  }
  return families.map(([name, help, of]) => ({
    name: `kubelet_volume_stats_${name}`,
    help,
    type: 'gauge',
    samples: [...byClaim.values()].flatMap(({ namespace, volume }) => {
      const value = of(volume);
      return value === undefined
        ? []
        : [{ labels: { namespace, persistentvolumeclaim: volume.claimName ?? '' }, value }];
    }),
  }));
}
