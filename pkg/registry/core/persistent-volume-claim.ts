/** Claims of persistent volumes. Source: upstream `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/persistentvolumeclaim`. */

import type { PersistentVolumeClaimStatus } from '#pkg/api/types/core-v1.ts';
import { persistentVolumeClaims } from '#pkg/api/types/refs.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { setDefault } from '../draft.ts';
import { ownStatus } from '../status.ts';
import { persistentVolumeClaimTable } from './tables.ts';
import {
  validatePersistentVolumeClaim,
  validatePersistentVolumeClaimUpdate,
} from './validation/persistent-volume-claim.ts';

/** Claims, which start as `Pending`. */
export const persistentVolumeClaimStrategy = rulesOf(persistentVolumeClaims, {
  tracksGeneration: false,
  setDefaults(draft) {
    const spec = draft.spec;
    if (spec !== undefined) setDefault(spec, 'volumeMode', 'Filesystem');
  },
  ...ownStatus<PersistentVolumeClaimStatus>({ phase: 'Pending' }),
  validate: validatePersistentVolumeClaim,
  validateUpdate: validatePersistentVolumeClaimUpdate,
  returnsDeleted: true,
  table: persistentVolumeClaimTable,
});
