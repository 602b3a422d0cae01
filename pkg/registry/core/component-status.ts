/** Component statuses. Source: upstream `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/componentstatus`. */

import { componentStatuses } from '#pkg/api/types/refs.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { componentStatusTable } from './tables.ts';

/** Component statuses, which are only read. */
export const componentStatusStrategy = rulesOf(componentStatuses, {
  versions: { v1: { deprecated: { since: 'v1.19' } } },
  table: componentStatusTable,
});
