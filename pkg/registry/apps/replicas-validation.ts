/**
 * Rules for the kinds that keep a number of equal pods. Source: upstream `ValidateDeploymentSpec`, `ValidateReplicaSetSpec`,
 * `ValidateReplicationControllerSpec`.
 */
import type { Deployment, DeploymentSpec, DeploymentStrategy, ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import type { ReplicationController } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  child,
  type FieldError,
  forbiddenField,
  invalid,
  notSupported,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { Collector } from '../validation/collector.ts';
import { countOrPercentErrors, isZeroCount, percentAbove100Errors } from '../validation/numbers.ts';
import { checkLabelsAndTemplate, checkSelectorAndTemplate } from './pod-template-rules.ts';

const field = pathsOf<Deployment>();

/** What is wrong with a `Deployment`. Source: upstream `ValidateDeployment`. */
export function validateDeployment(draft: Given<Deployment>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  into.notNegative(field('spec.replicas'), spec.replicas);
  checkSelectorAndTemplate(into, spec, { kind: 'deployment', deadlineKind: 'ReplicaSet' });
  checkStrategy(into, spec.strategy ?? {});
  const counts: readonly (keyof DeploymentSpec)[] = [
    'minReadySeconds',
    'revisionHistoryLimit',
    'progressDeadlineSeconds',
  ];
  for (const name of counts) {
    into.notNegative(child(field('spec'), name), spec[name]);
  }
  const deadline = spec.progressDeadlineSeconds;
  if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0)) {
    into.add(invalid(field('spec.progressDeadlineSeconds'), deadline, 'must be greater than minReadySeconds'));
  }
  return into.errors;
}

function checkStrategy(into: Collector, strategy: Given<DeploymentStrategy>): void {
  const rolling = strategy.rollingUpdate;
  const path = field('spec.strategy.rollingUpdate');
  if (strategy.type === 'Recreate') {
    const detail = "may not be specified when strategy `type` is 'Recreate'";
    if (rolling !== undefined) into.add(forbiddenField(path, detail));
  } else if (strategy.type !== 'RollingUpdate') {
    into.add(notSupported(field('spec.strategy'), strategy, ['Recreate', 'RollingUpdate']));
  } else if (rolling === undefined) {
    into.add(required(path, 'this should be defaulted and never be nil'));
  } else {
    const { maxUnavailable, maxSurge } = rolling;
    into.add(...countOrPercentErrors(maxUnavailable, child(path, 'maxUnavailable')));
    into.add(...countOrPercentErrors(maxSurge, child(path, 'maxSurge')));
    if (isZeroCount(maxUnavailable) && isZeroCount(maxSurge)) {
      into.add(invalid(child(path, 'maxUnavailable'), maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
    }
    into.add(...percentAbove100Errors(maxUnavailable, child(path, 'maxUnavailable')));
  }
}

/** What is wrong with a `ReplicaSet`. Source: upstream `ValidateReplicaSet`. */
export function validateReplicaSet(draft: Given<ReplicaSet>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  into.notNegative(field('spec.replicas'), spec.replicas);
  into.notNegative(field('spec.minReadySeconds'), spec.minReadySeconds);
  // Upstream's words name the deployment here too.
  checkSelectorAndTemplate(into, spec, { kind: 'deployment', deadlineKind: 'ReplicaSet' });
  return into.errors;
}

/** What is wrong with a `ReplicationController`. Source: upstream `ValidateReplicationController`. */
export function validateReplicationController(draft: Given<ReplicationController>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  into.notNegative(field('spec.minReadySeconds'), spec.minReadySeconds);
  if (Object.keys(spec.selector ?? {}).length === 0) into.add(required(field('spec.selector')));
  into.notNegative(field('spec.replicas'), spec.replicas);
  checkLabelsAndTemplate(into, spec, 'ReplicationController');
  return into.errors;
}
