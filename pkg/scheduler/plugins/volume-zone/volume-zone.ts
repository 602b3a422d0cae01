/**
 * Holds pods to the zones and regions that the labels of their bound volumes name. Volumes say by node affinity where they are nowadays; these labels are
 * those of older ones. Upstream counterpart: `plugins/volumezone`.
 */
import type { PersistentVolume, PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import { persistentVolumeClaims, persistentVolumes } from '#pkg/api/types/refs.ts';
import type { FilterPlugin } from '../../framework/plugin.ts';
import type { PluginEntry } from '../../framework/plugin-context.ts';
import { success, unresolvable } from '../../framework/status.ts';
import { labelOf } from '../../model/topology-counts.ts';
import { wantedClaimsOf } from '../../model/wanted-claims.ts';

const refusal = unresolvable('node(s) had no available volume zone');

/** The labels, each with the name it has today. */
const topologyLabels: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region': 'topology.kubernetes.io/region',
};
const keys: readonly string[] = Object.keys(topologyLabels);

/** Between the zones of a volume that is in several. */
const zoneSeparator = '__';

/** Where claims and volumes are found. */
export interface ZoneSource {
  /** By `namespace/name`. */
  claim(key: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
}

/** The line of the table. */
export const volumeZone: PluginEntry = {
  name: 'VolumeZone',
  create: ({ lister }) => {
    const [claims, volumes] = [lister(persistentVolumeClaims), lister(persistentVolumes)];
    return createVolumeZone({ claim: (key) => claims.get(key), volume: (name) => volumes.get(name) });
  },
};

/** The plugin. Claims that have no volume yet are the business of `VolumeBinding`. */
export function createVolumeZone(source: ZoneSource): FilterPlugin {
  return {
    name: 'VolumeZone',
    events: [
      { resource: 'Node', actions: ['Add', 'UpdateLabels'] },
      { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'] },
      { resource: 'PersistentVolume', actions: ['Add', 'Update'] },
    ],
    filter({ pod }) {
      const wanted = wantedClaimsOf(pod).flatMap(({ name, isEphemeral }) => {
        const volumeName = isEphemeral ? undefined : source.claim(`${pod.namespace}/${name}`)?.spec?.volumeName;
        const labels = volumeName ? source.volume(volumeName)?.metadata?.labels : undefined;
        return keys.flatMap((key) => {
          const value = labels?.[key];
          return value === undefined ? [] : [{ key, zones: new Set(value.split(zoneSeparator)) }];
        });
      });
      if (wanted.length === 0) return undefined;
      return (node) => {
        // A node that says nothing of zones is in none that could be wrong.
        if (keys.every((key) => labelOf(node, key) === undefined)) return success;
        const isThere = wanted.every(({ key, zones }) => {
          const zone = labelOf(node, key) ?? labelOf(node, topologyLabels[key] ?? key);
          return zone !== undefined && zones.has(zone);
        });
        return isThere ? success : refusal;
      };
    },
  };
}
