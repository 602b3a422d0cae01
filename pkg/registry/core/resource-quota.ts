/** Resource quotas. Source: upstream `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/resourcequota`. */

import { resourceQuotas } from '#pkg/api/types/refs.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { ownStatus } from '../status.ts';
import { resourceQuotaTable } from './tables.ts';
import {
  validateResourceQuota,
  validateResourceQuotaStatus,
  validateResourceQuotaUpdate,
} from './validation/resource-quota.ts';

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
