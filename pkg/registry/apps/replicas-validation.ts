/**
 * Rules for the kinds that keep a number of equal pods. Source: upstream `ValidateDeploymentSpec`, `ValidateReplicaSetSpec`,
 * `ValidateReplicationControllerSpec`.
 */
import {
  child,
  type FieldError,
  forbiddenField,
  invalid,
  notSupported,
  required,
} from '#pkg/apimachinery/field-error.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { numberAt, objectAt, stringMapAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { countOrPercentErrors, isZeroCount, percentAbove100Errors } from '../validation/numbers.ts';
import { checkLabelsAndTemplate, checkSelectorAndTemplate } from './pod-template-rules.ts';

/** What is wrong with a `Deployment`. Source: upstream `ValidateDeployment`. */
export function validateDeployment(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec') ?? {};
  into.notNegative('spec.replicas', spec.replicas);
  checkSelectorAndTemplate(into, spec, { kind: 'deployment', deadlineKind: 'ReplicaSet' });
  checkStrategy(into, objectAt(spec, 'strategy') ?? {});
  for (const field of ['minReadySeconds', 'revisionHistoryLimit', 'progressDeadlineSeconds']) {
    into.notNegative(child('spec', field), spec[field]);
  }
  const deadline = numberAt(spec, 'progressDeadlineSeconds');
  if (deadline !== undefined && deadline <= (numberAt(spec, 'minReadySeconds') ?? 0)) {
    into.add(invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'));
  }
  return into.errors;
}

function checkStrategy(into: Collector, strategy: JsonObject): void {
  const rolling = objectAt(strategy, 'rollingUpdate');
  const path = 'spec.strategy.rollingUpdate';
  if (strategy.type === 'Recreate') {
    const detail = "may not be specified when strategy `type` is 'Recreate'";
    if (rolling !== undefined) into.add(forbiddenField(path, detail));
  } else if (strategy.type !== 'RollingUpdate') {
    into.add(notSupported('spec.strategy', strategy, ['Recreate', 'RollingUpdate']));
  } else if (rolling === undefined) {
    into.add(required(path, 'this should be defaulted and never be nil'));
  } else {
    const { maxUnavailable, maxSurge } = rolling;
    into.add(...countOrPercentErrors(maxUnavailable, `${path}.maxUnavailable`));
    into.add(...countOrPercentErrors(maxSurge, `${path}.maxSurge`));
    if (isZeroCount(maxUnavailable) && isZeroCount(maxSurge)) {
      into.add(invalid(`${path}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
    }
    into.add(...percentAbove100Errors(maxUnavailable, `${path}.maxUnavailable`));
  }
}

/** What is wrong with a `ReplicaSet`. Source: upstream `ValidateReplicaSet`. */
export function validateReplicaSet(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec') ?? {};
  for (const field of ['replicas', 'minReadySeconds']) into.notNegative(child('spec', field), spec[field]);
  // Upstream's words name the deployment here too.
  checkSelectorAndTemplate(into, spec, { kind: 'deployment', deadlineKind: 'ReplicaSet' });
  return into.errors;
}

/** What is wrong with a `ReplicationController`. Source: upstream `ValidateReplicationController`. */
export function validateReplicationController(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec') ?? {};
  into.notNegative('spec.minReadySeconds', spec.minReadySeconds);
  if (Object.keys(stringMapAt(spec, 'selector')).length === 0) into.add(required('spec.selector'));
  into.notNegative('spec.replicas', spec.replicas);
  checkLabelsAndTemplate(into, spec, 'ReplicationController');
  return into.errors;
}
