/** The kinds of `storage.k8s.io`. Source: upstream `pkg/apis/storage/v1/defaults.go`, `pkg/apis/storage/validation`. */
import { nodeFolderDriver } from '#pkg/api/storage/volume-match.ts';
import {
  csiDrivers,
  csiNodes,
  csiStorageCapacities,
  storageClasses,
  volumeAttachments,
  volumeAttributesClasses,
} from '#pkg/api/types/refs.ts';
import type { CSIDriver, VolumeAttachmentStatus } from '#pkg/api/types/storage-v1.ts';
import type { Draft } from '#pkg/apimachinery/draft.ts';
import { rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import { setDefault } from '../draft.ts';
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

function setCsiDriverDefaults(draft: Draft<CSIDriver>): void {
  const spec = draft.spec;
  if (spec === undefined) return;
  spec.attachRequired ??= true;
  spec.podInfoOnMount ??= false;
  spec.storageCapacity ??= false;
  spec.requiresRepublish ??= false;
  spec.seLinuxMount ??= false;
  setDefault(spec, 'fsGroupPolicy', 'ReadWriteOnceWithFSType');
  spec.volumeLifecycleModes ??= ['Persistent'];
}

/** The class of the built-in provisioner, which claims that name none get. Who does not want it to be the default takes its annotation off. */
const nodeFolderClass = {
  metadata: { name: 'node-folder', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner: nodeFolderDriver,
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
  allowVolumeExpansion: true,
};

/** Its volumes need not be attached to nodes. */
const nodeFolderCsiDriver = {
  metadata: { name: nodeFolderDriver },
  spec: { attachRequired: false, fsGroupPolicy: 'None', volumeLifecycleModes: ['Persistent'] },
};

/** Classes, attachments, and what CSI drivers say of themselves. */
export const storageStrategies: readonly Strategy[] = [
  rulesOf(storageClasses, {
    returnsDeleted: true,
    setDefaults(draft) {
      setDefault(draft, 'reclaimPolicy', 'Delete');
      setDefault(draft, 'volumeBindingMode', 'Immediate');
    },
    bootstrap: [nodeFolderClass],
    validate: validateStorageClass,
    validateUpdate: validateStorageClassUpdate,
    table: storageClassTable,
  }),
  rulesOf(volumeAttributesClasses, {
    returnsDeleted: true,
    validate: validateVolumeAttributesClass,
    validateUpdate: validateVolumeAttributesClassUpdate,
    table: volumeAttributesClassTable,
  }),
  rulesOf(volumeAttachments, {
    returnsDeleted: true,
    tracksGeneration: false,
    ...ownStatus<VolumeAttachmentStatus>({ attached: false }),
    subresources: { status: statusAlone },
    validate: validateVolumeAttachment,
    validateUpdate: validateVolumeAttachmentUpdate,
    table: volumeAttachmentTable,
  }),
  rulesOf(csiNodes, {
    returnsDeleted: true,
    unconditionalUpdate: false,
    validate: validateCsiNode,
    validateUpdate: validateCsiNodeUpdate,
    table: csiNodeTable,
  }),
  rulesOf(csiDrivers, {
    bootstrap: [nodeFolderCsiDriver],
    returnsDeleted: true,
    unconditionalUpdate: false,
    setDefaults: setCsiDriverDefaults,
    validate: validateCsiDriver,
    validateUpdate: validateCsiDriverUpdate,
    table: csiDriverTable,
  }),
  rulesOf(csiStorageCapacities, {
    validate: validateCsiStorageCapacity,
    validateUpdate: validateCsiStorageCapacityUpdate,
    table: csiStorageCapacityTable,
  }),
];
