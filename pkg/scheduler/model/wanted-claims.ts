/** The claims for volumes that a pod names, or that are made for it. */
import { claimNameOf } from '#pkg/api/storage/claim-name.ts';
import type { PodInfo } from './pod-info.ts';

/** One claim, by its name in the pod's namespace. */
export interface WantedClaim {
  readonly name: string;
  /** Made for a generic ephemeral volume of this pod, and of no use to it when it was made for another. */
  readonly isEphemeral: boolean;
}

/** In the order of the pod's volumes. The claim of a generic ephemeral volume is named for the pod and the volume. */
export function wantedClaimsOf({ pod }: Pick<PodInfo, 'pod'>): readonly WantedClaim[] {
  return (pod.spec?.volumes ?? []).flatMap((volume): WantedClaim[] => {
    const name = claimNameOf(pod, volume);
    return name === undefined ? [] : [{ name, isEphemeral: volume.persistentVolumeClaim === undefined }];
  });
}
