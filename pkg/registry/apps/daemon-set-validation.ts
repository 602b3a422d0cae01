/** Rules for daemon sets. Source: upstream `ValidateDaemonSetSpec`, `ValidateDaemonSetUpdateStrategy`. */
import { child, type FieldError, invalid, notSupported, required } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { objectAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { countOrPercentErrors, isZeroCount, percentAbove100Errors } from '../validation/numbers.ts';
import { checkSelectorAndTemplate } from './pod-template-rules.ts';

/** What is wrong with a `DaemonSet`. Source: upstream `ValidateDaemonSet`. */
export function validateDaemonSet(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec') ?? {};
  checkSelectorAndTemplate(into, spec, { kind: 'daemonset', deadlineKind: 'DaemonSet' });
  into.notNegative('spec.minReadySeconds', spec.minReadySeconds);
  const strategy = objectAt(spec, 'updateStrategy') ?? {};
  if (strategy.type === 'RollingUpdate') checkRolling(into, objectAt(strategy, 'rollingUpdate'));
  else if (strategy.type !== 'OnDelete') {
    into.add(notSupported('spec.updateStrategy', strategy, ['RollingUpdate', 'OnDelete']));
  }
  into.notNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit);
  return into.errors;
}

/** Pods are replaced after the old one is gone or before, not both. */
function checkRolling(into: Collector, rolling: JsonObject | undefined): void {
  const path = 'spec.updateStrategy.rollingUpdate';
  if (rolling === undefined) {
    into.add(required(path));
    return;
  }
  const fields = ['maxUnavailable', 'maxSurge'];
  for (const field of fields) into.add(...countOrPercentErrors(rolling[field], child(path, field)));
  for (const field of fields) into.add(...percentAbove100Errors(rolling[field], child(path, field)));
  const { maxUnavailable, maxSurge } = rolling;
  if (isZeroCount(maxUnavailable) && isZeroCount(maxSurge)) {
    into.add(required(child(path, 'maxUnavailable'), 'cannot be 0 when maxSurge is 0'));
  } else if (!isZeroCount(maxUnavailable) && !isZeroCount(maxSurge)) {
    into.add(invalid(child(path, 'maxSurge'), maxSurge, 'may not be set when maxUnavailable is non-zero'));
  }
}
