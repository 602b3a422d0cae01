/** The kinds of `resource.k8s.io`. Source: upstream `pkg/apis/resource/v1/defaults.go`, `pkg/registry/resource`. */

import { type FieldError, invalid } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { fieldsOf, objectAt, objectsAt, semanticallySame, setDefault, stringAt } from '../draft.ts';
import { nameAndAgeTable } from '../printing/simple.ts';
import { ownStatus, statusAlone } from '../status.ts';
import { resourceClaimConverter, resourceClaimTemplateConverter, resourceSliceConverter } from './converter.ts';
import { resourceClaimTable, resourceSliceTable } from './tables.ts';
import {
  validateDeviceClass,
  validateResourceClaim,
  validateResourceClaimTemplate,
  validateResourceSlice,
} from './validation.ts';

const group = 'resource.k8s.io';

function setClaimDefaults(spec: JsonObject | undefined): void {
  for (const request of objectsAt(spec, 'devices', 'requests')) {
    const exact = objectAt(request, 'exactly');
    for (const wanted of [...(exact === undefined ? [] : [exact]), ...objectsAt(request, 'firstAvailable')]) {
      setDefault(wanted, 'allocationMode', 'ExactCount');
      if (wanted.allocationMode === 'ExactCount') setDefault(wanted, 'count', 1);
      for (const toleration of objectsAt(wanted, 'tolerations')) setDefault(toleration, 'operator', 'Equal');
    }
  }
}

function specUnchanged(draft: JsonObject, old: KubeObject): FieldError[] {
  return semanticallySame(draft.spec, fieldsOf(old).spec) ? [] : [invalid('spec', draft.spec, 'field is immutable')];
}

/** Claims of devices, their templates, classes of devices, and what drivers offer. */
export const resourceStrategies: readonly Strategy[] = [
  {
    group,
    resource: 'resourceclaims',
    versions: { v1beta1: { converter: resourceClaimConverter, stored: `${group}/v1` } },
    tracksGeneration: false,
    setDefaults: (draft) => setClaimDefaults(objectAt(draft, 'spec')),
    ...ownStatus(),
    subresources: { status: statusAlone },
    validate: validateResourceClaim,
    validateUpdate: specUnchanged,
    table: resourceClaimTable,
  },
  {
    group,
    resource: 'resourceclaimtemplates',
    versions: { v1beta1: { converter: resourceClaimTemplateConverter, stored: `${group}/v1` } },
    setDefaults: (draft) => setClaimDefaults(objectAt(draft, 'spec', 'spec')),
    validate: validateResourceClaimTemplate,
    validateUpdate: specUnchanged,
    table: nameAndAgeTable,
  },
  { group, resource: 'deviceclasses', tracksGeneration: true, validate: validateDeviceClass, table: nameAndAgeTable },
  {
    group,
    resource: 'resourceslices',
    versions: { v1beta1: { converter: resourceSliceConverter, stored: `${group}/v1` } },
    tracksGeneration: true,
    validate: validateResourceSlice,
    selectableFields: (slice) => ({
      'spec.driver': stringAt(slice, 'spec', 'driver'),
      'spec.nodeName': stringAt(slice, 'spec', 'nodeName'),
    }),
    table: resourceSliceTable,
  },
];
