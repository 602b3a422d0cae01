/** The attachment of a volume to a node, and which volumes need one. Pure. Source: `pkg/volume/csi/csi_attacher.go`, `csi_plugin.go`. */
import { createHash } from 'node:crypto';
import type { PersistentVolume } from '../types/core-v1.ts';
import type { CSIDriver, VolumeAttachment } from '../types/storage-v1.ts';
import { nodeFolderDriver } from './volume-match.ts';

/** Whether a volume is of a driver that has volumes attached: every one that does not say otherwise, known or not. */
export function needsAttachment({ spec }: PersistentVolume, driver: CSIDriver | undefined): boolean {
  const name = spec?.csi?.driver;
  if (name === undefined || name === nodeFolderDriver) return false;
  return driver?.spec.attachRequired !== false;
}

/** Whether one node alone may have it at a time. */
export function isExclusive({ spec }: PersistentVolume): boolean {
  const modes = spec?.accessModes ?? [];
  return modes.length > 0 && !modes.includes('ReadWriteMany') && !modes.includes('ReadOnlyMany');
}

/** The volume as nodes name it in their status. */
export function deviceName({ spec }: PersistentVolume): string {
  return csiDeviceName(spec?.csi?.driver ?? '', spec?.csi?.volumeHandle ?? '');
}

/** The same by its driver, and the name that this one has for it. */
export function csiDeviceName(driver: string, volumeHandle: string): string {
  return `kubernetes.io/csi/${driver}^${volumeHandle}`;
}

/** The object, whose name follows from what it is of. */
export function attachmentFor({ metadata, spec }: PersistentVolume, nodeName: string): VolumeAttachment {
  const { driver = '', volumeHandle = '' } = spec?.csi ?? {};
  const hash = createHash('sha256').update(`${volumeHandle}${driver}${nodeName}`).digest('hex');
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'VolumeAttachment',
    metadata: { name: `csi-${hash}` },
    spec: { attacher: driver, nodeName, source: { persistentVolumeName: metadata?.name ?? '' } },
  };
}
