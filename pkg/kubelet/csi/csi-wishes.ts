/** What a CSIDriver object asks for its driver, and what a volume is given by that. Pure. Source: kubelet `volume/csi/csi_mounter.go`. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { CSIDriver } from '#pkg/api/types/storage-v1.ts';
import type { CsiCapability, CsiUse, Texts } from './csi-messages.ts';

/** Whose a volume is: the pod's own, or there before and after it. */
export type LifecycleMode = 'Ephemeral' | 'Persistent';

/** Why a driver has no volumes of a mode; undefined where it has. Drivers without an object have persistent ones. */
export function modeProblem(name: string, object: CSIDriver | undefined, mode: LifecycleMode): string | undefined {
  if (object === undefined)
    return mode === 'Persistent'
      ? undefined
      : `volume mode "${mode}" not supported by driver ${name} (no CSIDriver object)`;
  const modes = object.spec.volumeLifecycleModes ?? ['Persistent'];
  if (modes.includes(mode)) return undefined;
  const said = modes.map((one) => `"${one}"`).join(' ');
  return `volume mode "${mode}" not supported by driver ${name} (only supports [${said}])`;
}

/** What a driver is told of the pod, where it asks for that. */
export function podInfo(object: CSIDriver | undefined, { metadata, spec }: Pod, mode: LifecycleMode): Texts {
  if (object?.spec.podInfoOnMount !== true) return {};
  return {
    'csi.storage.k8s.io/pod.name': metadata?.name ?? '',
    'csi.storage.k8s.io/pod.namespace': metadata?.namespace ?? '',
    'csi.storage.k8s.io/pod.uid': metadata?.uid ?? '',
    'csi.storage.k8s.io/serviceAccount.name': spec?.serviceAccountName ?? '',
    'csi.storage.k8s.io/ephemeral': String(mode === 'Ephemeral'),
  };
}

/** A volume, as far as groups look at it. */
export interface GroupedVolume {
  /** A device, which has no files. */
  readonly isBlock: boolean;
  readonly fsType: string;
  readonly isReadOnly: boolean;
  /** Absent for one of a pod's own. */
  readonly accessModes?: readonly string[] | undefined;
}

/** Who gives a volume to the pod's group: its driver, the kubelet, or nobody. */
export function groupGiver(
  object: CSIDriver | undefined,
  volume: GroupedVolume,
  capabilities: ReadonlySet<CsiCapability>,
): 'driver' | 'kubelet' | 'nobody' {
  if (volume.isBlock) return 'nobody';
  if (capabilities.has('volumeMountGroup')) return 'driver';
  const policy = object?.spec.fsGroupPolicy ?? 'ReadWriteOnceWithFSType';
  if (policy === 'None' || volume.isReadOnly) return 'nobody';
  if (policy === 'File') return 'kubelet';
  const { accessModes = ['ReadWriteOnce'], fsType } = volume;
  const isForOne = accessModes.includes('ReadWriteOnce') || accessModes.includes('ReadWriteOncePod');
  return fsType !== '' && isForOne ? 'kubelet' : 'nobody';
}

/** What is said of how a volume is used. */
export interface SaidUse {
  readonly isBlock: boolean;
  readonly fsType: string | undefined;
  readonly accessMode: string | undefined;
  readonly mountOptions: readonly string[] | undefined;
}

/** How a driver is told that a volume is used. */
export function useOf(
  capabilities: ReadonlySet<CsiCapability>,
  { isBlock, fsType = '', accessMode = 'ReadWriteOnce', mountOptions = [] }: SaidUse,
): CsiUse {
  return { isBlock, fsType, accessMode, mountOptions, tellsWriters: capabilities.has('singleNodeMultiWriter') };
}
