/** Persistent volumes. Source: upstream `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/persistentvolume`. */

import { persistentVolumes } from '#pkg/api/types/refs.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { timestamp } from '#pkg/base/clock.ts';
import { setDefault } from '../draft.ts';
import { keepStatus } from '../status.ts';
import { persistentVolumeTable } from './tables.ts';
import { validatePersistentVolume, validatePersistentVolumeUpdate } from './validation/persistent-volume.ts';

/** Volumes, which start as `Pending`. */
export const persistentVolumeStrategy = rulesOf(persistentVolumes, {
  tracksGeneration: false,
  setDefaults(draft) {
    const spec = draft.spec;
    if (spec === undefined) return;
    setDefault(spec, 'persistentVolumeReclaimPolicy', 'Retain');
    setDefault(spec, 'volumeMode', 'Filesystem');
    const hostPath = spec.hostPath;
    if (hostPath !== undefined) hostPath.type ??= '';
  },
  prepareForCreate(draft, context) {
    const now = timestamp(context.clock);
    draft.status = { phase: 'Pending', lastPhaseTransitionTime: now };
  },
  prepareForUpdate: keepStatus,
  validate: validatePersistentVolume,
  validateUpdate: validatePersistentVolumeUpdate,
  returnsDeleted: true,
  table: persistentVolumeTable,
});
