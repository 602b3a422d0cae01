/** The volumes of pods, as pod workers see them. Contract only; `volume-manager.ts` implements it. */
import type { Pod, Volume } from '#pkg/api/types/core-v1.ts';
import type { FieldContext } from '../env/field-ref.ts';
import type { VolumeMounted } from './volume-mounted.ts';
import type { VolumeDependency } from './volume-plugin.ts';

/** Where the volumes are, or which of them cannot be had. */
export type MountOutcome =
  /** By name of the volume; `renewAtMs` is when contents have to be made anew, such as tokens that expire. */
  | {
      readonly ok: true;
      readonly volumes: ReadonlyMap<string, VolumeMounted>;
      readonly renewAtMs?: number;
    }
  | { readonly ok: false; readonly volume: string; readonly message: string };

/** A part of a volume for one mount of a container that is about to start. */
export interface SubPath {
  readonly podUid: string;
  /** Of the container and its place there; the next container of the name takes it over. */
  readonly mount: string;
  /** Relative and without `..`. */
  readonly path: string;
  /** Whether nothing may be made in the volume. */
  readonly isReadOnly: boolean;
}

/** Kinds whose files the kubelet writes, and nobody else. */
export const writtenKinds: ReadonlySet<string> = new Set(['configMap', 'downwardAPI', 'projected', 'secret']);

/** Whether no container may write to it, whatever its mounts say. Source: `Attributes.ReadOnly` of kubelet's volume plugins, `makeMounts`. */
export function isReadOnlyVolume(volume: Volume | undefined): boolean {
  if (volume === undefined) return false;
  return volume.persistentVolumeClaim?.readOnly === true || Object.keys(volume).some((kind) => writtenKinds.has(kind));
}

/** The volumes of all pods of a node. */
export interface PodVolumes {
  /**
   * Brings all volumes of the pod up to date: makes what is missing, renews contents that have changed. Idempotent. Contents that change later are
   * announced by the callback the implementation was made with, after which it is to be called again.
   */
  mount(pod: Pod, fields: FieldContext): Promise<MountOutcome>;
  /** Whether a change of this has to be followed by `mount`. */
  dependsOn(pod: Pod, what: VolumeDependency): boolean;
  /** The path of a part of a mounted volume, where a folder is made if there is nothing. Throws where it leads out of the volume. */
  within(root: string, subPath: SubPath): Promise<string>;
  /** Writes a file of the pod that is in none of its volumes, such as `/etc/hosts`, and returns its path; it goes with the volumes. */
  writeFile(podUid: string, name: string, text: string): Promise<string>;
  /** Removes the volumes of a pod, with their contents. */
  unmount(podUid: string): Promise<void>;
}
