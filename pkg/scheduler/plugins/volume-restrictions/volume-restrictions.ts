/**
 * Keeps apart pods that cannot share a volume: disks that only one may write to, and claims that one pod in the cluster may use.
 * Upstream counterpart: `plugins/volumerestrictions`.
 */
import type { PersistentVolumeClaim, Pod, Volume } from '#pkg/api/types/core-v1.ts';
import { persistentVolumeClaims } from '#pkg/api/types/refs.ts';
import { type ClusterEvent, podOf } from '../../framework/events.ts';
import type { FilterPlugin, NodeCheck } from '../../framework/plugin.ts';
import type { PluginContext, PluginEntry } from '../../framework/plugin-context.ts';
import { success, unschedulable } from '../../framework/status.ts';
import type { ClusterView } from '../../model/cluster-view.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import { wantedClaimsOf } from '../../model/wanted-claims.ts';

const diskRefusal = unschedulable('node(s) had no available disk');
const claimRefusal = unschedulable(
  'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode',
);

/** The line of the table. */
export const volumeRestrictions: PluginEntry = {
  name: 'VolumeRestrictions',
  create: ({ lister }: Pick<PluginContext, 'lister'>) => {
    const claims = lister(persistentVolumeClaims);
    return createVolumeRestrictions((key) => claims.get(key));
  },
};

/** The plugin over a way to find claims, by `namespace/name`. */
export function createVolumeRestrictions(claim: (key: string) => PersistentVolumeClaim | undefined): FilterPlugin {
  /** The names of the claims of the pod that one pod alone may use. */
  const onlyOnce = (pod: PodInfo): readonly string[] =>
    wantedClaimsOf(pod)
      .filter(({ name, isEphemeral }) => !isEphemeral && isForOnePod(claim(`${pod.namespace}/${name}`)))
      .map(({ name }) => name);
  return {
    name: 'VolumeRestrictions',
    events: [
      { resource: 'AssignedPod', actions: ['Delete'], hint: (pod, event) => hintOfPod(pod, event) },
      { resource: 'Node', actions: ['Add'] },
      { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'] },
    ],
    filter({ pod, cluster }): NodeCheck | undefined {
      const disks = (pod.pod.spec?.volumes ?? []).filter(isDisk);
      const claims = onlyOnce(pod);
      if (disks.length === 0 && claims.length === 0) return undefined;
      const isTaken = claims.length > 0 && isUsed(claims, pod, cluster);
      return (node) => {
        for (const other of node.pods.values())
          if (disks.some((disk) => isConflict(disk, other.pod))) return diskRefusal;
        return isTaken ? claimRefusal : success;
      };
    },
  };
}

function isForOnePod(claim: PersistentVolumeClaim | undefined): boolean {
  return claim?.spec?.accessModes?.includes('ReadWriteOncePod') === true;
}

function isUsed(claims: readonly string[], { uid, namespace }: PodInfo, cluster: ClusterView): boolean {
  for (const node of cluster.nodes()) {
    for (const other of node.pods.values()) {
      if (other.uid === uid || other.namespace !== namespace) continue;
      if (wantedClaimsOf(other).some(({ name }) => claims.includes(name))) return true;
    }
  }
  return false;
}

function isDisk(volume: Volume): boolean {
  const { gcePersistentDisk, awsElasticBlockStore, iscsi, rbd } = volume;
  return [gcePersistentDisk, awsElasticBlockStore, iscsi, rbd].some((disk) => disk !== undefined);
}

/** Whether both volumes are one disk, and not both only read it. An EBS volume is never shared. */
function isConflict({ gcePersistentDisk: gce, awsElasticBlockStore: ebs, iscsi, rbd }: Volume, other: Pod): boolean {
  const bothRead = (a: { readonly readOnly?: boolean }, b: { readonly readOnly?: boolean }): boolean =>
    a.readOnly === true && b.readOnly === true;
  return (other.spec?.volumes ?? []).some((held) => {
    const disk = held.gcePersistentDisk;
    if (gce !== undefined && disk !== undefined && gce.pdName === disk.pdName && !bothRead(gce, disk)) return true;
    if (ebs !== undefined && ebs.volumeID === held.awsElasticBlockStore?.volumeID) return true;
    if (iscsi !== undefined && held.iscsi !== undefined && iscsi.iqn === held.iscsi.iqn && !bothRead(iscsi, held.iscsi))
      return true;
    if (rbd === undefined || held.rbd === undefined || bothRead(rbd, held.rbd)) return false;
    const isOnePool = (rbd.pool ?? 'rbd') === (held.rbd.pool ?? 'rbd') && rbd.image === held.rbd.image;
    return isOnePool && rbd.monitors.some((monitor) => held.rbd?.monitors.includes(monitor));
  });
}

/** A pod that leaves helps where it has a disk or a claim in common with the one that waits. */
function hintOfPod(pod: PodInfo, event: ClusterEvent): 'Queue' | 'Skip' {
  const gone = podOf(event);
  if ((pod.pod.spec?.volumes ?? []).some((volume) => isDisk(volume) && isConflict(volume, gone))) return 'Queue';
  if (gone.metadata?.namespace !== pod.namespace) return 'Skip';
  const names = new Set(wantedClaimsOf({ pod: gone }).map(({ name }) => name));
  return wantedClaimsOf(pod).some(({ name }) => names.has(name)) ? 'Queue' : 'Skip';
}
