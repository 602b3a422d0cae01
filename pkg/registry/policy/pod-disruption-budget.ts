/** Pod disruption budgets. Source: upstream `ValidatePodDisruptionBudget`, `pkg/registry/policy/poddisruptionbudget/strategy.go`. */
import { child, type FieldError, invalid, notSupported } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { numberAt, objectAt, valueAt } from '../draft.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';
import { ownStatus } from '../status.ts';
import { Collector } from '../validation/collector.ts';
import { countOrPercentErrors, percentAbove100Errors } from '../validation/numbers.ts';
import { labelSelectorErrors } from '../validation/selector.ts';

const evictionPolicies = ['AlwaysAllow', 'IfHealthyBudget'];

/** Source: upstream `ValidatePodDisruptionBudgetStatusUpdate`. */
function validateStatus(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  for (const field of ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods']) {
    into.notNegative(child('status', field), valueAt(draft, 'status', field));
  }
  return into.errors;
}

function validate(draft: JsonObject): readonly FieldError[] {
  const spec = objectAt(draft, 'spec');
  const errors: FieldError[] = [];
  if (spec?.minAvailable !== undefined && spec.maxUnavailable !== undefined) {
    const shown = { minAvailable: spec.minAvailable, maxUnavailable: spec.maxUnavailable };
    errors.push(invalid('spec', shown, 'minAvailable and maxUnavailable cannot be both set'));
  }
  for (const field of ['minAvailable', 'maxUnavailable']) {
    const value = valueAt(spec, field);
    errors.push(...countOrPercentErrors(value, `spec.${field}`), ...percentAbove100Errors(value, `spec.${field}`));
  }
  errors.push(...labelSelectorErrors(valueAt(spec, 'selector'), 'spec.selector'));
  const policy = valueAt(spec, 'unhealthyPodEvictionPolicy');
  if (policy !== undefined && !evictionPolicies.includes(policy as string)) {
    errors.push(notSupported('spec.unhealthyPodEvictionPolicy', policy, evictionPolicies));
  }
  return errors;
}

/** Budgets, which an eviction counts against. */
export const podDisruptionBudgetStrategy: Strategy = {
  group: 'policy',
  resource: 'poddisruptionbudgets',
  unconditionalUpdate: false,
  ...ownStatus({ disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }),
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
      String(valueAt(object, 'spec', 'minAvailable') ?? 'N/A'),
      String(valueAt(object, 'spec', 'maxUnavailable') ?? 'N/A'),
      numberAt(object, 'status', 'disruptionsAllowed') ?? 0,
      age(object, nowMs),
    ],
  },
};
