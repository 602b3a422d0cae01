/** Limit ranges. Source: upstream `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/limitrange`. */

import type { LimitRangeItem } from '#pkg/api/types/core-v1.ts';
import { limitRanges } from '#pkg/api/types/refs.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { inKeyOrder } from '#pkg/apimachinery/json.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { nameAndCreatedTable } from '../printing/simple.ts';
import { validateLimitRange } from './validation/limit-range.ts';

/** Takes from `source` what `target` does not have. */
function fillFrom(target: Record<string, string>, source: Given<LimitRangeItem>['max']): void {
  for (const [name, quantity] of Object.entries(source ?? {}))
    if (!Object.hasOwn(target, name)) target[name] = quantity;
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
