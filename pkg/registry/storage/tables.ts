/** How the kinds of `storage.k8s.io` are printed. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '#pkg/api/types/storage-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { age, ageColumn, column, nameColumn, nameOf, none, unset } from '../printing/columns.ts';

const defaultClassAnnotations = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];

function isDefaultClass(object: Given<StorageClass>): boolean {
  return defaultClassAnnotations.some((name) => object.metadata?.annotations?.[name] === 'true');
}

/** Source: upstream `printStorageClass`. */
export const storageClassTable: TablePrinter<Given<StorageClass>> = {
  columns: [
    nameColumn,
    column('Provisioner'),
    column('ReclaimPolicy'),
    column('VolumeBindingMode'),
    column('AllowVolumeExpansion'),
    ageColumn,
  ],
  cells: (object, nowMs) => [
    isDefaultClass(object) ? `${nameOf(object)} (default)` : nameOf(object),
    object.provisioner ?? '',
    (object.reclaimPolicy ?? '') || 'Delete',
    (object.volumeBindingMode ?? '') || 'Immediate',
    object.allowVolumeExpansion === true,
    age(object, nowMs),
  ],
};

/** Source: upstream `printVolumeAttributesClass`. */
export const volumeAttributesClassTable: TablePrinter<Given<VolumeAttributesClass>> = {
  columns: [nameColumn, column('DriverName'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), object.driverName ?? '', age(object, nowMs)],
};

/** Source: upstream `printVolumeAttachment`. */
export const volumeAttachmentTable: TablePrinter<Given<VolumeAttachment>> = {
  columns: [
    nameColumn,
    { ...column('Attacher'), format: 'name' },
    column('PV'),
    column('Node'),
    column('Attached', 'boolean'),
    ageColumn,
  ],
  cells: (object, nowMs) => [
    nameOf(object),
    object.spec?.attacher ?? '',
    object.spec?.source?.persistentVolumeName ?? '',
    object.spec?.nodeName ?? '',
    object.status?.attached === true,
    age(object, nowMs),
  ],
};

/** Source: upstream `printCSINode`. */
export const csiNodeTable: TablePrinter<Given<CSINode>> = {
  columns: [nameColumn, column('Drivers', 'integer'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), (object.spec?.drivers ?? []).length, age(object, nowMs)],
};

/** Source: upstream `printCSIDriver`. */
export const csiDriverTable: TablePrinter<Given<CSIDriver>> = {
  columns: [
    nameColumn,
    column('AttachRequired', 'boolean'),
    column('PodInfoOnMount', 'boolean'),
    column('StorageCapacity', 'boolean'),
    column('TokenRequests'),
    column('RequiresRepublish', 'boolean'),
    column('Modes'),
    ageColumn,
  ],
  cells(object, nowMs) {
    const requests = object.spec?.tokenRequests;
    const audiences = (object.spec?.tokenRequests ?? []).map((request) => request.audience ?? '');
    return [
      nameOf(object),
      object.spec?.attachRequired !== false,
      object.spec?.podInfoOnMount === true,
      object.spec?.storageCapacity === true,
      requests === undefined ? unset : audiences.join(','),
      object.spec?.requiresRepublish === true,
      (object.spec?.volumeLifecycleModes ?? []).join(',') || none,
      age(object, nowMs),
    ];
  },
};

/** Source: upstream `printCSIStorageCapacity`. */
export const csiStorageCapacityTable: TablePrinter<Given<CSIStorageCapacity>> = {
  columns: [nameColumn, column('StorageClassName'), column('Capacity')],
  cells(object) {
    const capacity = object.capacity;
    return [nameOf(object), object.storageClassName ?? '', capacity === undefined ? unset : String(capacity)];
  },
};
