/**
 * Holds pods with persistent volume claims to nodes that can reach their volumes, and keeps pods whose claims are not bound from being
 * placed. It does not bind claims itself: those that wait for their first consumer are refused in words of its own.
 * Upstream counterpart: `plugins/volumebinding`.
 */
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '#pkg/api/types/core-v1.ts';
import { matchesNodeSelector } from '../../framework/node-selector.ts';
import type { FilterPlugin, PreFilterPlugin } from '../../framework/plugin.ts';
import type { PodInfo } from '../../framework/pod-info.ts';
import { type Status, success, unresolvable } from '../../framework/status.ts';

/** Where claims and volumes are found. */
export interface VolumeSource {
  /** By `namespace/name`. */
  claim(key: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  /** Whether claims of a storage class are bound only once a pod uses them. */
  waitsForConsumer(storageClass: string): boolean;
}

/** A cluster without volumes. */
export const noVolumes: VolumeSource = {
  claim: () => undefined,
  volume: () => undefined,
  waitsForConsumer: () => false,
};

const affinityRefusal = unresolvable("node(s) didn't match PersistentVolume's node affinity");
const goneRefusal = unresolvable('node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)');
const immediateRefusal = unresolvable('pod has unbound immediate PersistentVolumeClaims');
const consumerRefusal = unresolvable(
  'pod has PersistentVolumeClaims that wait for their first consumer, which this scheduler cannot bind',
);

/** The plugin over a way to find claims and volumes. */
export function createVolumeBinding(source: VolumeSource): FilterPlugin & PreFilterPlugin {
  return {
    name: 'VolumeBinding',
    events: [
      { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'] },
      { resource: 'PersistentVolume', actions: ['Add', 'Update'] },
      { resource: 'Node', actions: ['Add', 'UpdateLabels'] },
    ],
    preFilter({ pod }) {
      for (const key of claimKeysOf(pod)) {
        const status = checkClaim(key, source);
        if (status !== success) return { status };
      }
      return { status: success };
    },
    filter({ pod }) {
      const keys = claimKeysOf(pod);
      if (keys.length === 0) return undefined;
      const volumes = keys.map((key) => source.volume(source.claim(key)?.spec?.volumeName ?? ''));
      return (node) => {
        for (const volume of volumes) {
          if (volume === undefined) return goneRefusal;
          const required = volume.spec?.nodeAffinity?.required;
          if (required !== undefined && !matchesNodeSelector(required, node)) return affinityRefusal;
        }
        return success;
      };
    },
  };
}

function checkClaim(key: string, source: VolumeSource): Status {
  const name = key.slice(key.indexOf('/') + 1);
  const claim = source.claim(key);
  if (claim === undefined) return unresolvable(`persistentvolumeclaim "${name}" not found`);
  if (claim.metadata?.deletionTimestamp !== undefined) {
    return unresolvable(`persistentvolumeclaim "${name}" is being deleted`);
  }
  const { volumeName, storageClassName = '' } = claim.spec ?? {};
  if (claim.status?.phase === 'Lost') {
    return unresolvable(`persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${volumeName ?? ''}"`);
  }
  if (volumeName && claim.status?.phase === 'Bound') return success;
  return !volumeName && source.waitsForConsumer(storageClassName) ? consumerRefusal : immediateRefusal;
}

function claimKeysOf({ pod, namespace }: PodInfo): readonly string[] {
  return (pod.spec?.volumes ?? []).flatMap((volume) => {
    const name = claimNameOf(pod, volume);
    return name === undefined ? [] : [`${namespace}/${name}`];
  });
}

/** A generic ephemeral volume has a claim named for the pod and the volume. */
function claimNameOf(pod: Pod, volume: Volume): string | undefined {
  if (volume.ephemeral !== undefined) return `${pod.metadata?.name}-${volume.name}`;
  return volume.persistentVolumeClaim?.claimName;
}
