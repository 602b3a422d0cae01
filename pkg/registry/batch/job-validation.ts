/** Rules for jobs and cron jobs. Source: upstream `pkg/apis/batch/validation`. */
import {
  child,
  type FieldError,
  type FieldPath,
  invalid,
  notSupported,
  required,
} from '#pkg/apimachinery/field-error.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { checkPodTemplate } from '../core/validation/pod.ts';
import { isTrueAt, numberAt, objectAt, semanticallySame, stringAt, stringMapAt, valueAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { labelSelectorErrors, selectorMatches } from '../validation/selector.ts';
import { scheduleProblem } from './schedule.ts';

/** The controller adds eleven characters to the name. */
const cronJobNameMax = 52;

function checkJobSpec(into: Collector, spec: JsonObject, path: FieldPath): void {
  const counts = [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
    'maxFailedIndexes',
  ];
  for (const field of counts) into.notNegative(child(path, field), spec[field]);
  const mode = spec.completionMode;
  into.oneOf(child(path, 'completionMode'), mode, ['Indexed', 'NonIndexed']);
  if (mode === 'Indexed' && numberAt(spec, 'completions') === undefined) {
    into.add(required(child(path, 'completions'), 'when completion mode is Indexed'));
  }
  into.oneOf(child(path, 'podReplacementPolicy'), spec.podReplacementPolicy, ['Failed', 'TerminatingOrFailed']);
  const template = objectAt(spec, 'template');
  checkPodTemplate(into, template, child(path, 'template'));
  const policyPath = `${path}.template.spec.restartPolicy`;
  const policy = stringAt(template, 'spec', 'restartPolicy');
  if (policy === 'Always') into.add(required(policyPath, 'valid values: "OnFailure", "Never"'));
  else if (policy !== '' && policy !== 'OnFailure' && policy !== 'Never') {
    into.add(notSupported(policyPath, policy, ['Never', 'OnFailure']));
  }
}

export function validateJob(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return into.errors;
  checkJobSpec(into, spec, 'spec');
  const selector = objectAt(spec, 'selector');
  if (selector === undefined) {
    into.add(required('spec.selector'));
    return into.errors;
  }
  into.add(...labelSelectorErrors(selector, 'spec.selector'));
  const labels = stringMapAt(spec, 'template', 'metadata', 'labels');
  if (!selectorMatches(selector, labels)) {
    into.add(invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  }
  return into.errors;
}

/** The parts of a template that a job may change while it has not begun. */
function withoutSchedulingWishes(template: unknown): unknown {
  const spec = objectAt(template, 'spec');
  if (spec === undefined) return template;
  const { nodeSelector: _n, affinity: _a, tolerations: _t, schedulingGates: _g, ...rest } = spec;
  const { metadata: _m, ...outer } = template as JsonObject;
  return { ...outer, spec: rest };
}

export function validateJobUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const errors: FieldError[] = [];
  const spec = objectAt(draft, 'spec') ?? {};
  const before = objectAt(old, 'spec') ?? {};
  const immutable = [
    'selector',
    'completionMode',
    'podFailurePolicy',
    'backoffLimitPerIndex',
    'managedBy',
    'successPolicy',
  ];
  if (spec.completionMode !== 'Indexed' || spec.completions === undefined) immutable.unshift('completions');
  const hasNotBegun = isTrueAt(before, 'suspend') && valueAt(old, 'status', 'startTime') === undefined;
  const mayDiffer = hasNotBegun ? withoutSchedulingWishes : (template: unknown) => template;
  if (!semanticallySame(mayDiffer(spec.template), mayDiffer(before.template))) {
    errors.push(invalid('spec.template', spec.template, 'field is immutable'));
  }
  for (const field of immutable) {
    if (!semanticallySame(spec[field], before[field])) {
      errors.push(invalid(child('spec', field), spec[field], 'field is immutable'));
    }
  }
  return errors;
}

export function validateCronJob(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return into.errors;
  const name = stringAt(draft, 'metadata', 'name');
  if (name.length > cronJobNameMax) {
    into.add(invalid('metadata.name', name, `must be no more than ${cronJobNameMax} characters`));
  }
  const schedule = spec.schedule;
  if (into.needsText('spec.schedule', schedule)) {
    const problem = scheduleProblem(schedule);
    if (problem !== undefined) into.add(invalid('spec.schedule', schedule, problem));
  }
  for (const field of ['startingDeadlineSeconds', 'successfulJobsHistoryLimit', 'failedJobsHistoryLimit']) {
    into.notNegative(child('spec', field), spec[field]);
  }
  into.oneOf('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']);
  const jobSpec = objectAt(spec, 'jobTemplate', 'spec');
  if (jobSpec !== undefined) checkJobSpec(into, jobSpec, 'spec.jobTemplate.spec');
  return into.errors;
}
