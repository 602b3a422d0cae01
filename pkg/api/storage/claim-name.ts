/** Which claims pods have volumes by. Pure. Source: `component-helpers/storage/ephemeral` `VolumeClaimName`. */
import type { Pod, Volume } from '../types/core-v1.ts';

/** The claim, of the pod's namespace, that a volume is had by: the one that it names, or the one that is made for it; undefined for a volume that is had by none. */
export function claimNameOf(
  { metadata }: Pick<Pod, 'metadata'>,
  { name, ephemeral, persistentVolumeClaim }: Volume,
): string | undefined {
  if (persistentVolumeClaim !== undefined) return persistentVolumeClaim.claimName;
  return ephemeral === undefined ? undefined : `${metadata?.name}-${name}`;
}
