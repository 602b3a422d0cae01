/** The kinds of `storage.k8s.io`. Source: upstream `pkg/apis/storage/v1/defaults.go`, `pkg/apis/storage/validation`. */
import { type FieldError, forbiddenField, invalid, required } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { fieldsOf, objectAt, semanticallySame, setDefault, stringAt } from '../draft.ts';
import { ownStatus, statusAlone } from '../status.ts';
import {
  csiDriverTable,
  csiNodeTable,
  csiStorageCapacityTable,
  storageClassTable,
  volumeAttachmentTable,
  volumeAttributesClassTable,
} from './tables.ts';

const group = 'storage.k8s.io';

function unchanged(draft: JsonObject, old: KubeObject, fields: readonly string[]): FieldError[] {
  const before = fieldsOf(old);
  return fields
    .filter((field) => !semanticallySame(draft[field], before[field]))
    .map((field) => forbiddenField(field, `updates to ${field} are forbidden.`));
}

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

export const storageStrategies: readonly Strategy[] = [
  {
    group,
    resource: 'storageclasses',
    setDefaults(draft) {
      setDefault(draft, 'reclaimPolicy', 'Delete');
      setDefault(draft, 'volumeBindingMode', 'Immediate');
    },
    validate: (draft) => (stringAt(draft, 'provisioner') === '' ? [required('provisioner')] : []),
    validateUpdate(draft, old) {
      const errors = unchanged(draft, old, ['parameters', 'provisioner', 'reclaimPolicy']);
      const mode = draft.volumeBindingMode;
      return mode === fieldsOf(old).volumeBindingMode
        ? errors
        : [...errors, invalid('volumeBindingMode', mode, 'field is immutable')];
    },
    table: storageClassTable,
  },
  {
    group,
    resource: 'volumeattributesclasses',
    validate: (draft) => (stringAt(draft, 'driverName') === '' ? [required('driverName')] : []),
    validateUpdate: (draft, old) => unchanged(draft, old, ['driverName', 'parameters']),
    table: volumeAttributesClassTable,
  },
  {
    group,
    resource: 'volumeattachments',
    ...ownStatus({ attached: false }),
    subresources: { status: statusAlone },
    table: volumeAttachmentTable,
  },
  { group, resource: 'csinodes', unconditionalUpdate: false, table: csiNodeTable },
  {
    group,
    resource: 'csidrivers',
    unconditionalUpdate: false,
    setDefaults: setCsiDriverDefaults,
    table: csiDriverTable,
  },
  { group, resource: 'csistoragecapacities', table: csiStorageCapacityTable },
];
