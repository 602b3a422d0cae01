/** The kinds of `resource.k8s.io`. Source: upstream `pkg/apis/resource/v1/defaults.go`, `pkg/registry/resource`. */

import { deviceClasses, resourceClaims, resourceClaimTemplates, resourceSlices } from '#pkg/api/types/refs.ts';
import type { ResourceClaimSpec } from '#pkg/api/types/resource-v1.ts';
import type { Draft } from '#pkg/apimachinery/draft.ts';
import { type FieldError, invalid, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import { semanticallySame, setDefault } from '../draft.ts';
import { nameAndAgeTable } from '../printing/simple.ts';
import { ownStatus, statusAlone } from '../status.ts';
import { resourceClaimConverter, resourceClaimTemplateConverter, resourceSliceConverter } from './converter.ts';
import { deviceTaintRuleStrategy, stampTaints } from './device-taints.ts';
import { resourceClaimTable, resourceSliceTable } from './tables.ts';
import {
  validateDeviceClass,
  validateResourceClaim,
  validateResourceClaimTemplate,
  validateResourceSlice,
} from './validation.ts';

const group = 'resource.k8s.io';

function setClaimDefaults(spec: Draft<ResourceClaimSpec> | undefined): void {
  for (const request of spec?.devices?.requests ?? []) {
    const exact = request.exactly;
    for (const wanted of [...(exact === undefined ? [] : [exact]), ...(request.firstAvailable ?? [])]) {
      setDefault(wanted, 'allocationMode', 'ExactCount');
      if (wanted.allocationMode === 'ExactCount') setDefault(wanted, 'count', 1);
      for (const toleration of wanted.tolerations ?? []) setDefault(toleration, 'operator', 'Equal');
    }
  }
}

interface Specified {
  readonly spec?: unknown;
}

function specUnchanged(draft: Specified, old: Specified): FieldError[] {
  return semanticallySame(draft.spec, old.spec)
    ? []
    : [invalid(pathsOf<Specified>()('spec'), draft.spec, 'field is immutable')];
}

/** Claims of devices, their templates, classes of devices, what drivers offer, and what taints it. */
export const resourceStrategies: readonly Strategy[] = [
  rulesOf(resourceClaims, {
    versions: { v1beta1: { converter: resourceClaimConverter, stored: `${group}/v1` } },
    tracksGeneration: false,
    setDefaults: (draft) => setClaimDefaults(draft.spec),
    ...ownStatus(),
    subresources: { status: statusAlone },
    validate: validateResourceClaim,
    validateUpdate: specUnchanged,
    table: resourceClaimTable,
  }),
  rulesOf(resourceClaimTemplates, {
    versions: { v1beta1: { converter: resourceClaimTemplateConverter, stored: `${group}/v1` } },
    setDefaults: (draft) => setClaimDefaults(draft.spec?.spec),
    validate: validateResourceClaimTemplate,
    validateUpdate: specUnchanged,
    table: nameAndAgeTable,
  }),
  rulesOf(deviceClasses, { tracksGeneration: true, validate: validateDeviceClass, table: nameAndAgeTable }),
  rulesOf(resourceSlices, {
    versions: { v1beta1: { converter: resourceSliceConverter, stored: `${group}/v1` } },
    tracksGeneration: true,
    prepareForCreate: stampTaints,
    prepareForUpdate: (draft, _, context) => stampTaints(draft, context),
    validate: validateResourceSlice,
    selectableFields: (slice) => ({
      'spec.driver': slice.spec?.driver ?? '',
      'spec.nodeName': slice.spec?.nodeName ?? '',
    }),
    table: resourceSliceTable,
  }),
  deviceTaintRuleStrategy,
];
