/**
 * Volumes that drivers beside the kubelet have, as the kinds of volumes see them. Contract only; `csi/csi-volumes.ts` implements it. Absent on nodes that have no drivers.
 *
 * Laws:
 * 1. `mount` resolves once the volume is there for the pod. It is idempotent, and throws as `setUp` of a `VolumePlugin` does.
 * 2. What a pod has is the pod's until `unmount` has resolved, also over a restart of the kubelet; where a driver cannot be asked that rejects, and may be called again.
 */
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '#pkg/api/types/core-v1.ts';
import type { VolumeMounted } from './volume-mounted.ts';
import type { VolumeUsage } from './volume-usage.ts';

/** A volume of a claim, for a pod. */
export interface PersistentUse {
  readonly pod: Pod;
  readonly volume: PersistentVolume;
  readonly claim: PersistentVolumeClaim;
  /** No container of the pod may write to it. */
  readonly isReadOnly: boolean;
}

/** The volumes; see the laws above. */
export interface DriverVolumes {
  mount(use: PersistentUse): Promise<VolumeMounted>;
  /** A volume that is the pod's own. */
  mountOwn(pod: Pod, volume: Volume): Promise<VolumeMounted>;
  /** How full the volume at a path is, as its driver says; undefined where it does not say. Rejects with what the driver says against it. */
  usageOf(path: string): Promise<VolumeUsage | undefined>;
  unmount(podUid: string): Promise<void>;
  /** Pods that have volumes. */
  podUids(): Promise<readonly string[]>;
}
