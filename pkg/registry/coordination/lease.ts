/** Leases. Source: upstream `ValidateLeaseSpec`, `printLease`. */
import { type FieldError, forbiddenField, invalid } from '#pkg/apimachinery/field-error.ts';
import { qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { numberAt, stringAt, valueAt } from '../draft.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';
import { notNegativeErrors } from '../validation/numbers.ts';

function validate(draft: JsonObject): readonly FieldError[] {
  const errors: FieldError[] = [];
  const duration = numberAt(draft, 'spec', 'leaseDurationSeconds');
  if (duration !== undefined && duration <= 0) {
    errors.push(invalid('spec.leaseDurationSeconds', duration, 'must be greater than 0'));
  }
  errors.push(...notNegativeErrors(valueAt(draft, 'spec', 'leaseTransitions'), 'spec.leaseTransitions'));
  const strategy = valueAt(draft, 'spec', 'strategy');
  if (strategy === undefined) {
    if (valueAt(draft, 'spec', 'preferredHolder') !== undefined) {
      errors.push(forbiddenField('spec.preferredHolder', 'may only be specified if `strategy` is defined'));
    }
    return errors;
  }
  for (const problem of qualifiedNameProblems(String(strategy)))
    errors.push(invalid('spec.strategy', strategy, problem));
  return errors;
}

/** Leases of elections and of nodes. */
export const leaseStrategy: Strategy = {
  group: 'coordination.k8s.io',
  resource: 'leases',
  createOnUpdate: true,
  unconditionalUpdate: false,
  validate,
  table: {
    columns: [nameColumn, column('Holder'), ageColumn],
    cells: (lease, nowMs) => [nameOf(lease), stringAt(lease, 'spec', 'holderIdentity'), age(lease, nowMs)],
  },
};
