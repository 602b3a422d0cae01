/** Pod disruption budgets. Source: upstream `ValidatePodDisruptionBudget`, `pkg/registry/policy/poddisruptionbudget/strategy.go`. */

import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '#pkg/api/types/policy-v1.ts';
import { podDisruptionBudgets } from '#pkg/api/types/refs.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import { child, type FieldError, invalid, notSupported, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';
import { ownStatus } from '../status.ts';
import { Collector } from '../validation/collector.ts';
import { countOrPercentErrors, percentAbove100Errors } from '../validation/numbers.ts';
import { labelSelectorErrors } from '../validation/selector.ts';

const field = pathsOf<PodDisruptionBudget>();

const evictionPolicies = ['AlwaysAllow', 'IfHealthyBudget'];

/** Source: upstream `ValidatePodDisruptionBudgetStatusUpdate`. */
function validateStatus(draft: Given<PodDisruptionBudget>): readonly FieldError[] {
  const into = new Collector();
  for (const name of fields('disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods')) {
    into.notNegative(child(field('status'), name), draft.status?.[name]);
  }
  return into.errors;
}

function validate(draft: Given<PodDisruptionBudget>): readonly FieldError[] {
  const spec = draft.spec;
  const errors: FieldError[] = [];
  if (spec?.minAvailable !== undefined && spec.maxUnavailable !== undefined) {
    const shown = { minAvailable: spec.minAvailable, maxUnavailable: spec.maxUnavailable };
    errors.push(invalid(field('spec'), shown, 'minAvailable and maxUnavailable cannot be both set'));
  }
  for (const name of fields('minAvailable', 'maxUnavailable')) {
    const value = spec?.[name];
    const path = child(field('spec'), name);
    errors.push(...countOrPercentErrors(value, path), ...percentAbove100Errors(value, path));
  }
  errors.push(...labelSelectorErrors(spec?.selector, field('spec.selector')));
  const policy = spec?.unhealthyPodEvictionPolicy;
  if (policy !== undefined && !evictionPolicies.includes(policy)) {
    errors.push(notSupported(field('spec.unhealthyPodEvictionPolicy'), policy, evictionPolicies));
  }
  return errors;
}

/** Budgets, which an eviction counts against. */
export const podDisruptionBudgetStrategy = rulesOf(podDisruptionBudgets, {
  unconditionalUpdate: false,
  ...ownStatus<PodDisruptionBudgetStatus>({
    disruptionsAllowed: 0,
    currentHealthy: 0,
    desiredHealthy: 0,
    expectedPods: 0,
  }),
  validate,
  subresources: { status: { validateUpdate: validateStatus } },
  table: {
    columns: [
      nameColumn,
      column('Min Available'),
      column('Max Unavailable'),
      column('Allowed Disruptions', 'integer'),
      ageColumn,
    ],
    cells: (object, nowMs) => [
      nameOf(object),
      String(object.spec?.minAvailable ?? 'N/A'),
      String(object.spec?.maxUnavailable ?? 'N/A'),
      object.status?.disruptionsAllowed ?? 0,
      age(object, nowMs),
    ],
  },
});
