/** How full volumes are. Types alone. Source: kubelet `pkg/apis/stats/v1alpha1` `VolumeStats`, CSI `NodeGetVolumeStatsResponse`. */

/** How much of something there is. */
export interface VolumeAmounts {
  readonly available: number;
  readonly total: number;
  readonly used: number;
}

/** How full a volume is; absent is what nobody says. */
export interface VolumeUsage {
  readonly bytes?: VolumeAmounts;
  readonly inodes?: VolumeAmounts;
  /** How it is, of drivers that tell. */
  readonly condition?: { readonly isAbnormal: boolean; readonly message: string };
}

/** What tells how full a volume is: its driver, the sum of its files, or the file system that it is. */
export type VolumeMeasure = 'driver' | 'files' | 'filesystem';

/** A volume of a pod that was looked at. */
export interface PodVolumeUsage extends VolumeUsage {
  readonly name: string;
  readonly timeMs: number;
  /** The claim that it is had by, of the pod's namespace. */
  readonly claimName?: string | undefined;
}
