/** Leases. Source: upstream `ValidateLeaseSpec`, `printLease`. */

import type { Lease } from '#pkg/api/types/coordination-v1.ts';
import { leases } from '#pkg/api/types/refs.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { type FieldError, forbiddenField, invalid, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';
import { notNegativeErrors } from '../validation/numbers.ts';

const field = pathsOf<Lease>();

function validate(draft: Given<Lease>): readonly FieldError[] {
  const errors: FieldError[] = [];
  const duration = draft.spec?.leaseDurationSeconds;
  if (duration !== undefined && duration <= 0) {
    errors.push(invalid(field('spec.leaseDurationSeconds'), duration, 'must be greater than 0'));
  }
  errors.push(...notNegativeErrors(draft.spec?.leaseTransitions, field('spec.leaseTransitions')));
  const strategy = draft.spec?.strategy;
  if (strategy === undefined) {
    if (draft.spec?.preferredHolder !== undefined) {
      errors.push(forbiddenField(field('spec.preferredHolder'), 'may only be specified if `strategy` is defined'));
    }
    return errors;
  }
  for (const problem of qualifiedNameProblems(String(strategy)))
    errors.push(invalid(field('spec.strategy'), strategy, problem));
  return errors;
}

/** Leases of elections and of nodes. */
export const leaseStrategy = rulesOf(leases, {
  createOnUpdate: true,
  unconditionalUpdate: false,
  validate,
  table: {
    columns: [nameColumn, column('Holder'), ageColumn],
    cells: (lease, nowMs) => [nameOf(lease), lease.spec?.holderIdentity ?? '', age(lease, nowMs)],
  },
});
