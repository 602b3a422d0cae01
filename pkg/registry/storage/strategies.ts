/** The kinds of `storage.k8s.io`. Source: upstream `pkg/apis/storage/v1/defaults.go`, `pkg/apis/storage/validation`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { objectAt, setDefault } from '../draft.ts';
import { ownStatus, statusAlone } from '../status.ts';
import {
  csiDriverTable,
  csiNodeTable,
  csiStorageCapacityTable,
  storageClassTable,
  volumeAttachmentTable,
  volumeAttributesClassTable,
} from './tables.ts';
import {
  validateCsiDriver,
  validateCsiDriverUpdate,
  validateCsiNode,
  validateCsiNodeUpdate,
  validateCsiStorageCapacity,
  validateCsiStorageCapacityUpdate,
  validateStorageClass,
  validateStorageClassUpdate,
  validateVolumeAttachment,
  validateVolumeAttachmentUpdate,
  validateVolumeAttributesClass,
  validateVolumeAttributesClassUpdate,
} from './validation.ts';

const group = 'storage.k8s.io';

function setCsiDriverDefaults(draft: JsonObject): void {
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return;
  spec.attachRequired ??= true;
  spec.podInfoOnMount ??= false;
  spec.storageCapacity ??= false;
  spec.requiresRepublish ??= false;
  spec.seLinuxMount ??= false;
  setDefault(spec, 'fsGroupPolicy', 'ReadWriteOnceWithFSType');
  spec.volumeLifecycleModes ??= ['Persistent'];
}

/** Classes, attachments, and what CSI drivers say of themselves. */
export const storageStrategies: readonly Strategy[] = [
  {
    group,
    resource: 'storageclasses',
    returnsDeleted: true,
    setDefaults(draft) {
      setDefault(draft, 'reclaimPolicy', 'Delete');
      setDefault(draft, 'volumeBindingMode', 'Immediate');
    },
    validate: validateStorageClass,
    validateUpdate: validateStorageClassUpdate,
    table: storageClassTable,
  },
  {
    group,
    resource: 'volumeattributesclasses',
    returnsDeleted: true,
    validate: validateVolumeAttributesClass,
    validateUpdate: validateVolumeAttributesClassUpdate,
    table: volumeAttributesClassTable,
  },
  {
    group,
    resource: 'volumeattachments',
    returnsDeleted: true,
    tracksGeneration: false,
    ...ownStatus({ attached: false }),
    subresources: { status: statusAlone },
    validate: validateVolumeAttachment,
    validateUpdate: validateVolumeAttachmentUpdate,
    table: volumeAttachmentTable,
  },
  {
    group,
    resource: 'csinodes',
    returnsDeleted: true,
    unconditionalUpdate: false,
    validate: validateCsiNode,
    validateUpdate: validateCsiNodeUpdate,
    table: csiNodeTable,
  },
  {
    group,
    resource: 'csidrivers',
    returnsDeleted: true,
    unconditionalUpdate: false,
    setDefaults: setCsiDriverDefaults,
    validate: validateCsiDriver,
    validateUpdate: validateCsiDriverUpdate,
    table: csiDriverTable,
  },
  {
    group,
    resource: 'csistoragecapacities',
    validate: validateCsiStorageCapacity,
    validateUpdate: validateCsiStorageCapacityUpdate,
    table: csiStorageCapacityTable,
  },
];
