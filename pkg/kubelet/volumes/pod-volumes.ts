/** The volumes of pods, as pod workers see them. Contract only; `volume-manager.ts` implements it. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { FieldContext } from '../env/field-ref.ts';

export type MountOutcome =
  /** Host path by name of the volume; `renewAtMs` is when contents have to be made anew, such as tokens that expire. */
  | { readonly ok: true; readonly paths: ReadonlyMap<string, string>; readonly renewAtMs?: number }
  | { readonly ok: false; readonly volume: string; readonly message: string };

export interface PodVolumes {
  /**
   * Brings all volumes of the pod up to date: makes what is missing, renews contents that have changed. Idempotent. Contents that change later are
   * announced by the callback the implementation was made with, after which it is to be called again.
   */
  mount(pod: Pod, fields: FieldContext): Promise<MountOutcome>;
  /** The path of a `subPath` of a mounted volume, where a folder is made if there is nothing. Throws where it leads out of the volume. */
  within(root: string, subPath: string): Promise<string>;
  /** Removes the volumes of a pod, with their contents. */
  unmount(podUid: string): Promise<void>;
}
