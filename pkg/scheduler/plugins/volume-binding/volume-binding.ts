/**
 * Holds pods with persistent volume claims to nodes that can reach their volumes, and keeps pods whose claims are not bound from being
 * placed. It does not bind claims itself: those that wait for their first consumer are refused in words of its own.
 * Upstream counterpart: `plugins/volumebinding`.
 */

import { matchesNodeSelector } from '#pkg/api/scheduling/node-selector.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import { persistentVolumeClaims, persistentVolumes, storageClasses } from '#pkg/api/types/refs.ts';
import type { FilterPlugin, PreFilterPlugin } from '../../framework/plugin.ts';
import type { PluginContext } from '../../framework/plugin-context.ts';
import { type Status, success, unresolvable } from '../../framework/status.ts';
import type { PodInfo } from '../../model/pod-info.ts';

/** Where claims and volumes are found. */
export interface VolumeSource {
  /** By `namespace/name`. */
  claim(key: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  /** Whether claims of a storage class are bound only once a pod uses them. */
  waitsForConsumer(storageClass: string): boolean;
}

const affinityRefusal = unresolvable("node(s) didn't match PersistentVolume's node affinity");
const goneRefusal = unresolvable('node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)');
const immediateRefusal = unresolvable('pod has unbound immediate PersistentVolumeClaims');
const consumerRefusal = unresolvable(
  'pod has PersistentVolumeClaims that wait for their first consumer, which this scheduler cannot bind',
);

/** The plugin over the claims, volumes and classes of the API. */
export function volumeBindingOf({ lister }: Pick<PluginContext, 'lister'>): FilterPlugin & PreFilterPlugin {
  const [claims, volumes, classes] = [
    lister(persistentVolumeClaims),
    lister(persistentVolumes),
    lister(storageClasses),
  ];
  return createVolumeBinding({
    claim: (key) => claims.get(key),
    volume: (name) => volumes.get(name),
    waitsForConsumer: (name) => classes.get(name)?.volumeBindingMode === 'WaitForFirstConsumer',
  });
}

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
      for (const wanted of claimsOf(pod)) {
        const status = checkClaim(wanted, pod, source);
        if (status !== success) return { status };
      }
      return { status: success };
    },
    filter({ pod }) {
      const keys = claimsOf(pod).map(({ name }) => `${pod.namespace}/${name}`);
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

/** A claim that a pod names, or that is made for it. */
interface WantedClaim {
  readonly name: string;
  /** Made for a generic ephemeral volume of this pod, and of no use to it when it was made for another. */
  readonly isEphemeral: boolean;
}

function checkClaim({ name, isEphemeral }: WantedClaim, pod: PodInfo, source: VolumeSource): Status {
  const claim = source.claim(`${pod.namespace}/${name}`);
  if (claim === undefined) {
    if (!isEphemeral) return unresolvable(`persistentvolumeclaim "${name}" not found`);
    return unresolvable(`waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`);
  }
  const { volumeName, storageClassName = '' } = claim.spec ?? {};
  if (claim.status?.phase === 'Lost') {
    return unresolvable(`persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${volumeName ?? ''}"`);
  }
  if (claim.metadata?.deletionTimestamp !== undefined) {
    return unresolvable(`persistentvolumeclaim "${name}" is being deleted`);
  }
  const owner = claim.metadata?.ownerReferences?.find(({ controller }) => controller === true);
  if (isEphemeral && owner?.uid !== pod.uid) {
    return unresolvable(`PVC ${pod.namespace}/${name} was not created for pod ${pod.key} (pod is not owner)`);
  }
  if (volumeName && claim.status?.phase === 'Bound') return success;
  return !volumeName && source.waitsForConsumer(storageClassName) ? consumerRefusal : immediateRefusal;
}

/** In the order of the pod's volumes. The claim of a generic ephemeral volume is named for the pod and the volume. */
function claimsOf({ pod }: PodInfo): readonly WantedClaim[] {
  return (pod.spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }): WantedClaim[] => {
    if (persistentVolumeClaim !== undefined) return [{ name: persistentVolumeClaim.claimName, isEphemeral: false }];
    return ephemeral === undefined ? [] : [{ name: `${pod.metadata?.name}-${name}`, isEphemeral: true }];
  });
}
