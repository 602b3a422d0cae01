/**
 * Keeps the number of volumes that are attached to a node within what its CSI drivers allow. Upstream counterpart: `plugins/nodevolumelimits`.
 */
import { storageClassOf } from '#pkg/api/storage/volume-match.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import { csiNodes, persistentVolumeClaims, persistentVolumes, storageClasses } from '#pkg/api/types/refs.ts';
import type { CSINode, StorageClass } from '#pkg/api/types/storage-v1.ts';
import { podOf } from '../../framework/events.ts';
import type { FilterPlugin } from '../../framework/plugin.ts';
import type { PluginEntry } from '../../framework/plugin-context.ts';
import { success, unschedulable } from '../../framework/status.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import { wantedClaimsOf } from '../../model/wanted-claims.ts';

const refusal = unschedulable('node(s) exceed max volume count');

/** Where limits and volumes are found. */
export interface LimitSource {
  csiNode(name: string): CSINode | undefined;
  /** By `namespace/name`. */
  claim(key: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  storageClass(name: string): StorageClass | undefined;
}

/** The line of the table. */
export const nodeVolumeLimits: PluginEntry = {
  name: 'NodeVolumeLimits',
  create: ({ lister }) => {
    const [nodes, claims, volumes, classes] = [
      lister(csiNodes),
      lister(persistentVolumeClaims),
      lister(persistentVolumes),
      lister(storageClasses),
    ];
    return createNodeVolumeLimits({
      csiNode: (name) => nodes.get(name),
      claim: (key) => claims.get(key),
      volume: (name) => volumes.get(name),
      storageClass: (name) => classes.get(name),
    });
  },
};

/** The plugin. A volume that several pods of a node use counts once. */
export function createNodeVolumeLimits(source: LimitSource): FilterPlugin {
  return {
    name: 'NodeVolumeLimits',
    events: [
      { resource: 'CSINode', actions: ['Add', 'Update'] },
      {
        resource: 'AssignedPod',
        actions: ['Delete'],
        hint: (_pod, event) => (wantedClaimsOf({ pod: podOf(event) }).length > 0 ? 'Queue' : 'Skip'),
      },
      { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'] },
    ],
    filter({ pod }) {
      const wanted = attachedBy(pod, source);
      if (wanted.size === 0) return undefined;
      return (node) => {
        const limits = limitsOf(source.csiNode(node.name));
        if (limits.size === 0) return success;
        const held = new Map<string, string>();
        for (const other of node.pods.values())
          for (const [volume, driver] of attachedBy(other, source)) held.set(volume, driver);
        const counts = countsOf(held.values());
        const fresh = countsOf([...wanted].filter(([volume]) => !held.has(volume)).map(([, driver]) => driver));
        for (const [driver, count] of fresh) {
          const limit = limits.get(driver);
          if (limit !== undefined && (counts.get(driver) ?? 0) + count > limit) return refusal;
        }
        return success;
      };
    },
  };
}

/** The volumes of CSI drivers that a pod needs attached, each with its driver. One that is still to be made is known by its claim. */
function attachedBy(pod: PodInfo, source: LimitSource): ReadonlyMap<string, string> {
  const attached = new Map<string, string>();
  for (const { name } of wantedClaimsOf(pod)) {
    const claim = source.claim(`${pod.namespace}/${name}`);
    if (claim === undefined) continue;
    const csi = claim.spec?.volumeName ? source.volume(claim.spec.volumeName)?.spec?.csi : undefined;
    if (csi !== undefined) attached.set(`${csi.driver}/${csi.volumeHandle}`, csi.driver);
    else if (!claim.spec?.volumeName) {
      const provisioner = source.storageClass(storageClassOf(claim))?.provisioner;
      if (provisioner !== undefined) attached.set(`${provisioner}/${pod.namespace}/${name}`, provisioner);
    }
  }
  return attached;
}

function limitsOf(node: CSINode | undefined): ReadonlyMap<string, number> {
  const limits = new Map<string, number>();
  for (const { name, allocatable } of node?.spec?.drivers ?? [])
    if (allocatable?.count !== undefined) limits.set(name, allocatable.count);
  return limits;
}

function countsOf(names: Iterable<string>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
