/** How the kinds of `storage.k8s.io` are printed. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { fieldsOf, isTrueAt, listAt, objectsAt, stringAt, valueAt } from '../draft.ts';
import { age, ageColumn, column, nameColumn, nameOf, none, unset } from '../printing/columns.ts';

const defaultClassAnnotations = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];

function isDefaultClass(object: KubeObject): boolean {
  return defaultClassAnnotations.some((name) => object.metadata?.annotations?.[name] === 'true');
}

/** Source: upstream `printStorageClass`. */
export const storageClassTable: TablePrinter = {
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
    stringAt(object, 'provisioner'),
    stringAt(object, 'reclaimPolicy') || 'Delete',
    stringAt(object, 'volumeBindingMode') || 'Immediate',
    isTrueAt(object, 'allowVolumeExpansion'),
    age(object, nowMs),
  ],
};

/** Source: upstream `printVolumeAttributesClass`. */
export const volumeAttributesClassTable: TablePrinter = {
  columns: [nameColumn, column('DriverName'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), stringAt(object, 'driverName'), age(object, nowMs)],
};

/** Source: upstream `printVolumeAttachment`. */
export const volumeAttachmentTable: TablePrinter = {
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
    stringAt(object, 'spec', 'attacher'),
    stringAt(object, 'spec', 'source', 'persistentVolumeName'),
    stringAt(object, 'spec', 'nodeName'),
    isTrueAt(object, 'status', 'attached'),
    age(object, nowMs),
  ],
};

/** Source: upstream `printCSINode`. */
export const csiNodeTable: TablePrinter = {
  columns: [nameColumn, column('Drivers', 'integer'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), listAt(object, 'spec', 'drivers').length, age(object, nowMs)],
};

/** Source: upstream `printCSIDriver`. */
export const csiDriverTable: TablePrinter = {
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
    const requests = valueAt(object, 'spec', 'tokenRequests');
    const audiences = objectsAt(object, 'spec', 'tokenRequests').map((request) => stringAt(request, 'audience'));
    return [
      nameOf(object),
      valueAt(object, 'spec', 'attachRequired') !== false,
      isTrueAt(object, 'spec', 'podInfoOnMount'),
      isTrueAt(object, 'spec', 'storageCapacity'),
      requests === undefined ? unset : audiences.join(','),
      isTrueAt(object, 'spec', 'requiresRepublish'),
      listAt(object, 'spec', 'volumeLifecycleModes').join(',') || none,
      age(object, nowMs),
    ];
  },
};

/** Source: upstream `printCSIStorageCapacity`. */
export const csiStorageCapacityTable: TablePrinter = {
  columns: [nameColumn, column('StorageClassName'), column('Capacity')],
  cells(object) {
    const capacity = fieldsOf(object).capacity;
    return [nameOf(object), stringAt(object, 'storageClassName'), capacity === undefined ? unset : String(capacity)];
  },
};
