/** Rules for daemon sets. Source: upstream `ValidateDaemonSetSpec`, `ValidateDaemonSetUpdateStrategy`. */
import type { DaemonSet, RollingUpdateDaemonSet } from '#pkg/api/types/apps-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { child, type FieldError, invalid, notSupported, pathsOf, required } from '#pkg/apimachinery/field-error.ts';
import { Collector } from '../validation/collector.ts';
import { countOrPercentErrors, isZeroCount, percentAbove100Errors } from '../validation/numbers.ts';
import { checkSelectorAndTemplate } from './pod-template-rules.ts';

const field = pathsOf<DaemonSet>();

/** What is wrong with a `DaemonSet`. Source: upstream `ValidateDaemonSet`. */
export function validateDaemonSet(draft: Given<DaemonSet>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  checkSelectorAndTemplate(into, spec, { kind: 'daemonset', deadlineKind: 'DaemonSet' });
  into.notNegative(field('spec.minReadySeconds'), spec.minReadySeconds);
  const strategy = spec.updateStrategy ?? {};
  if (strategy.type === 'RollingUpdate') checkRolling(into, strategy.rollingUpdate);
  else if (strategy.type !== 'OnDelete') {
    into.add(notSupported(field('spec.updateStrategy'), strategy, ['RollingUpdate', 'OnDelete']));
  }
  into.notNegative(field('spec.revisionHistoryLimit'), spec.revisionHistoryLimit);
  return into.errors;
}

/** Pods are replaced after the old one is gone or before, not both. */
function checkRolling(into: Collector, rolling: Given<RollingUpdateDaemonSet> | undefined): void {
  const path = field('spec.updateStrategy.rollingUpdate');
  if (rolling === undefined) {
    into.add(required(path));
    return;
  }
  const fields: readonly (keyof RollingUpdateDaemonSet)[] = ['maxUnavailable', 'maxSurge'];
  for (const name of fields) into.add(...countOrPercentErrors(rolling[name], child(path, name)));
  for (const name of fields) into.add(...percentAbove100Errors(rolling[name], child(path, name)));
  const { maxUnavailable, maxSurge } = rolling;
  if (isZeroCount(maxUnavailable) && isZeroCount(maxSurge)) {
    into.add(required(child(path, 'maxUnavailable'), 'cannot be 0 when maxSurge is 0'));
  } else if (!isZeroCount(maxUnavailable) && !isZeroCount(maxSurge)) {
    into.add(invalid(child(path, 'maxSurge'), maxSurge, 'may not be set when maxUnavailable is non-zero'));
  }
}
