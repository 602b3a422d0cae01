/** Rules for the kinds that make pods from a template. Source: upstream `pkg/apis/apps/validation`, `ValidateReplicationController`. */
import {
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  notSupported,
  required,
} from '#pkg/apimachinery/field-error.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { checkPodTemplate } from '../core/validation/pod.ts';
import { numberAt, objectAt, semanticallySame, stringAt, stringMapAt, valueAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { countOrPercentErrors, percentAbove100Errors, percentOf } from '../validation/numbers.ts';
import { isEmptySelector, labelSelectorErrors, selectorMatches } from '../validation/selector.ts';

interface TemplateRules {
  /** As the message about an empty selector calls the kind. */
  readonly kind: string;
}

/** Selector and template of a kind whose pods are always restarted. */
function checkSelectorAndTemplate(into: Collector, spec: JsonObject, { kind }: TemplateRules): void {
  const selector = objectAt(spec, 'selector');
  const labels = stringMapAt(spec, 'template', 'metadata', 'labels');
  if (selector === undefined) into.add(required('spec.selector'));
  else {
    const errors = labelSelectorErrors(selector, 'spec.selector');
    into.add(...errors);
    if (isEmptySelector(selector)) {
      into.add(invalid('spec.selector', selector, `empty selector is invalid for ${kind}`));
    } else if (errors.length === 0 && !selectorMatches(selector, labels)) {
      into.add(invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
    }
  }
  checkTemplate(into, spec, kind);
}

function checkTemplate(into: Collector, spec: JsonObject, kind: string): void {
  const template = objectAt(spec, 'template');
  checkPodTemplate(into, template, 'spec.template');
  const policy = stringAt(template, 'spec', 'restartPolicy');
  if (policy !== '' && policy !== 'Always') {
    into.add(notSupported('spec.template.spec.restartPolicy', policy, ['Always']));
  }
  if (valueAt(template, 'spec', 'activeDeadlineSeconds') !== undefined) {
    const detail = `activeDeadlineSeconds in ${deadlineNames[kind] ?? kind} is not Supported`;
    into.add(forbiddenField('spec.template.spec.activeDeadlineSeconds', detail));
  }
}

const deadlineNames: Readonly<Record<string, string>> = {
  daemonset: 'DaemonSet',
  deployment: 'ReplicaSet',
  statefulset: 'StatefulSet',
};

function checkCounts(into: Collector, spec: JsonObject, fields: readonly string[]): void {
  for (const field of fields) into.notNegative(child('spec', field), spec[field]);
}

export function validateDeployment(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return into.errors;
  checkSelectorAndTemplate(into, spec, { kind: 'deployment' });
  checkDeploymentStrategy(into, objectAt(spec, 'strategy'));
  checkCounts(into, spec, ['replicas', 'minReadySeconds', 'revisionHistoryLimit', 'progressDeadlineSeconds']);
  const deadline = numberAt(spec, 'progressDeadlineSeconds');
  if (deadline !== undefined && deadline <= (numberAt(spec, 'minReadySeconds') ?? 0)) {
    into.add(invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'));
  }
  return into.errors;
}

function checkDeploymentStrategy(into: Collector, strategy: JsonObject | undefined): void {
  if (strategy === undefined) return;
  const rolling = objectAt(strategy, 'rollingUpdate');
  const path = 'spec.strategy.rollingUpdate';
  if (strategy.type === 'Recreate') {
    const detail = "may not be specified when strategy `type` is 'Recreate'";
    if (rolling !== undefined) into.add(forbiddenField(path, detail));
  } else if (strategy.type !== 'RollingUpdate') {
    into.add(notSupported('spec.strategy', strategy, ['Recreate', 'RollingUpdate']));
  } else if (rolling !== undefined) {
    const { maxUnavailable, maxSurge } = rolling;
    into.add(...countOrPercentErrors(maxUnavailable, `${path}.maxUnavailable`));
    into.add(...countOrPercentErrors(maxSurge, `${path}.maxSurge`));
    if (isZero(maxUnavailable) && isZero(maxSurge)) {
      into.add(invalid(`${path}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
    }
    into.add(...percentAbove100Errors(maxUnavailable, `${path}.maxUnavailable`));
  }
}

function isZero(value: unknown): boolean {
  return value === 0 || value === undefined || percentOf(value) === 0;
}

export function validateReplicaSet(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return into.errors;
  checkCounts(into, spec, ['replicas', 'minReadySeconds']);
  // Upstream's words name the deployment here too.
  checkSelectorAndTemplate(into, spec, { kind: 'deployment' });
  return into.errors;
}

export function validateReplicationController(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return into.errors;
  checkCounts(into, spec, ['minReadySeconds', 'replicas']);
  const selector = stringMapAt(spec, 'selector');
  if (Object.keys(selector).length === 0) into.add(required('spec.selector'));
  if (objectAt(spec, 'template') === undefined) {
    into.add(required('spec.template'));
    return into.errors;
  }
  const labels = stringMapAt(spec, 'template', 'metadata', 'labels');
  if (!selectorMatches({ matchLabels: selector }, labels)) {
    into.add(invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  }
  checkTemplate(into, spec, 'ReplicationController');
  return into.errors;
}

export function validateStatefulSet(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return into.errors;
  const policy = spec.podManagementPolicy;
  if (policy !== 'OrderedReady' && policy !== 'Parallel') {
    into.add(invalid('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'"));
  }
  checkStatefulStrategy(into, objectAt(spec, 'updateStrategy'));
  checkCounts(into, spec, ['replicas', 'minReadySeconds', 'revisionHistoryLimit']);
  const start = numberAt(spec, 'ordinals', 'start');
  into.notNegative('spec.ordinals.start', start);
  const retention = objectAt(spec, 'persistentVolumeClaimRetentionPolicy');
  for (const field of ['whenDeleted', 'whenScaled']) {
    into.oneOf(`spec.persistentVolumeClaimRetentionPolicy.${field}`, retention?.[field], ['Delete', 'Retain']);
  }
  checkSelectorAndTemplate(into, spec, { kind: 'statefulset' });
  return into.errors;
}

function checkStatefulStrategy(into: Collector, strategy: JsonObject | undefined): void {
  const path: FieldPath = 'spec.updateStrategy';
  const rolling = objectAt(strategy, 'rollingUpdate');
  switch (strategy?.type) {
    case 'OnDelete':
      if (rolling !== undefined) {
        into.add(invalid(`${path}.rollingUpdate`, rolling, "only allowed for updateStrategy 'RollingUpdate'"));
      }
      return;
    case 'RollingUpdate':
      into.notNegative(`${path}.rollingUpdate.partition`, rolling?.partition);
      if (rolling?.maxUnavailable !== undefined) {
        into.add(...countOrPercentErrors(rolling.maxUnavailable, `${path}.rollingUpdate.maxUnavailable`));
      }
      return;
    default:
      into.add(invalid(path, strategy?.type ?? '', "must be 'RollingUpdate' or 'OnDelete'"));
  }
}

/** Fields of a stateful set's spec that may change, in the order of the message. */
const changeableStateful = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];

export function validateStatefulSetUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const fixed = (object: JsonObject | KubeObject): JsonObject => {
    const spec = { ...objectAt(object, 'spec') };
    for (const field of changeableStateful) delete spec[field];
    return spec;
  };
  if (semanticallySame(fixed(draft), fixed(old))) return [];
  const quoted = changeableStateful.map((field) => `'${field}'`);
  const listed = `${quoted.slice(0, -1).join(', ')} and ${quoted.at(-1)}`;
  return [forbiddenField('spec', `updates to statefulset spec for fields other than ${listed} are forbidden`)];
}

export function validateDaemonSet(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return into.errors;
  checkSelectorAndTemplate(into, spec, { kind: 'daemonset' });
  checkCounts(into, spec, ['minReadySeconds', 'revisionHistoryLimit']);
  const strategy = objectAt(spec, 'updateStrategy');
  if (strategy?.type === 'RollingUpdate') checkDaemonRolling(into, objectAt(strategy, 'rollingUpdate'));
  else if (strategy?.type !== 'OnDelete') {
    into.add(notSupported('spec.updateStrategy', strategy?.type ?? '', ['OnDelete', 'RollingUpdate']));
  }
  return into.errors;
}

function checkDaemonRolling(into: Collector, rolling: JsonObject | undefined): void {
  const path = 'spec.updateStrategy.rollingUpdate';
  if (rolling === undefined) {
    into.add(required(path));
    return;
  }
  for (const field of ['maxUnavailable', 'maxSurge']) {
    into.add(...countOrPercentErrors(rolling[field], child(path, field)));
    into.add(...percentAbove100Errors(rolling[field], child(path, field)));
  }
  const { maxUnavailable, maxSurge } = rolling;
  if (isZero(maxUnavailable) && isZero(maxSurge)) {
    into.add(invalid(child(path, 'maxUnavailable'), maxUnavailable, 'cannot be 0 when maxSurge is 0'));
  } else if (!isZero(maxUnavailable) && !isZero(maxSurge)) {
    into.add(invalid(child(path, 'maxSurge'), maxSurge, 'may not be set when maxUnavailable is non-zero'));
  }
}

/** A selector is fixed: otherwise a workload would leave pods behind. */
export function validateSelectorUnchanged(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const selector = valueAt(draft, 'spec', 'selector');
  if (semanticallySame(selector, valueAt(old, 'spec', 'selector'))) return [];
  return [invalid('spec.selector', selector, 'field is immutable')];
}
