/** Kinds of the core group whose rules are few. Source: upstream `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/*`. */

import type { PersistentVolumeClaimStatus, PodTemplate } from '#pkg/api/types/core-v1.ts';
import {
  componentStatuses,
  endpoints,
  limitRanges,
  persistentVolumeClaims,
  persistentVolumes,
  podTemplates,
  resourceQuotas,
  serviceAccounts,
} from '#pkg/api/types/refs.ts';
import { pathsOf } from '#pkg/apimachinery/field-error.ts';
import { inKeyOrder, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import { timestamp } from '#pkg/base/clock.ts';
import { podTemplateTable } from '../apps/workload-tables.ts';
import type { ServiceAccountIssuer } from '../authentication/service-account-issuer.ts';
import { tokenSubresource } from '../authentication/token-request.ts';
import { setDefault } from '../draft.ts';
import { nameAndCreatedTable } from '../printing/simple.ts';
import { keepStatus, ownStatus } from '../status.ts';
import { Collector } from '../validation/collector.ts';
import type { IpRules } from '../validation/ips.ts';
import { setTemplateDefaults } from './pod-defaults.ts';
import {
  componentStatusTable,
  endpointsTable,
  persistentVolumeClaimTable,
  persistentVolumeTable,
  resourceQuotaTable,
  serviceAccountTable,
} from './tables.ts';
import { validateEndpoints } from './validation/endpoints.ts';
import { validateLimitRange } from './validation/limit-range.ts';
import { validatePersistentVolume, validatePersistentVolumeUpdate } from './validation/persistent-volume.ts';
import {
  validatePersistentVolumeClaim,
  validatePersistentVolumeClaimUpdate,
} from './validation/persistent-volume-claim.ts';
import { checkPodTemplate } from './validation/pod.ts';
import {
  validateResourceQuota,
  validateResourceQuotaStatus,
  validateResourceQuotaUpdate,
} from './validation/resource-quota.ts';

/** Service accounts; without an issuer they have no tokens. */
export function createServiceAccountStrategy(issuer: ServiceAccountIssuer | undefined): Strategy {
  return rulesOf(serviceAccounts, {
    returnsDeleted: true,
    table: serviceAccountTable,
    ...(issuer === undefined ? {} : { creates: { token: tokenSubresource(issuer) } }),
  });
}

/** Pod templates that stand alone. */
export const podTemplateStrategy = rulesOf(podTemplates, {
  tracksGeneration: true,
  setDefaults: setTemplateDefaults,
  validate(draft) {
    const into = new Collector();
    checkPodTemplate(into, draft.template ?? {}, pathsOf<PodTemplate>()('template'));
    return into.errors;
  },
  returnsDeleted: true,
  table: podTemplateTable,
});

/** Endpoints, whose addresses may be loopback ones only where pods have such. */
export function createEndpointsStrategy(rules: IpRules): Strategy {
  return rulesOf(endpoints, {
    keeping: { keyName: 'services/endpoints' },
    createOnUpdate: true,
    setDefaults(draft) {
      for (const subset of draft.subsets ?? []) {
        for (const port of subset.ports ?? []) setDefault(port, 'protocol', 'TCP');
      }
    },
    validate: (draft) => validateEndpoints(draft, rules),
    versions: { v1: { deprecated: { since: 'v1.33', instead: 'discovery.k8s.io/v1 EndpointSlice' } } },
    table: endpointsTable,
  });
}

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

/** Component statuses, which are only read. */
export const componentStatusStrategy = rulesOf(componentStatuses, {
  versions: { v1: { deprecated: { since: 'v1.19' } } },
  table: componentStatusTable,
});

/** Quotas; the controller reports what is used. */
export const resourceQuotaStrategy = rulesOf(resourceQuotas, {
  tracksGeneration: false,
  ...ownStatus(),
  validate: validateResourceQuota,
  validateUpdate: validateResourceQuotaUpdate,
  subresources: { status: { validateUpdate: validateResourceQuotaStatus } },
  returnsDeleted: true,
  table: resourceQuotaTable,
});

/** Takes from `source` what `target` does not have. */
function fillFrom(target: JsonObject, source: unknown): void {
  if (!isObject(source)) return;
  for (const [name, quantity] of Object.entries(source)) if (!Object.hasOwn(target, name)) target[name] = quantity;
}

/** Ranges, whose defaults for containers follow from their limits. */
export const limitRangeStrategy = rulesOf(limitRanges, {
  createOnUpdate: true,
  setDefaults(draft) {
    for (const limit of draft.spec?.limits ?? []) {
      if ((limit.type ?? '') !== 'Container') continue;
      const limits = limit.default ?? {};
      const requests = limit.defaultRequest ?? {};
      fillFrom(limits, limit.max);
      fillFrom(requests, limits);
      fillFrom(requests, limit.min);
      if (Object.keys(limits).length > 0) limit.default = inKeyOrder(limits);
      if (Object.keys(requests).length > 0) limit.defaultRequest = inKeyOrder(requests);
    }
  },
  validate: validateLimitRange,
  table: nameAndCreatedTable,
});
