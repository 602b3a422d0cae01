/** Rules for jobs and for templates of jobs. Source: upstream `pkg/apis/batch/validation`. Their policies: `job-policies.ts`. */

import type { Job, JobSpec, SuccessPolicy } from '#pkg/api/types/batch-v1.ts';
import type { PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import { type FieldsWith, fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  invalid,
  notSupported,
  pathsOf,
  required,
  tooLong,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems } from '#pkg/apimachinery/names.ts';
import { checkPodTemplate } from '../core/validation/pod.ts';
import { semanticallySame } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { domainPrefixedPathErrors } from '../validation/domain-names.ts';
import { labelSelectorErrors, selectorMatches } from '../validation/selector.ts';
import { checkPodFailurePolicy, checkSuccessPolicy } from './job-policies.ts';

const field = pathsOf<Job>();

/** So that the lists of finished indexes in a job's status stay within bounds. */
const indexedParallelismMax = 100_000;
const failedIndexesMax = 100_000;
const manyCompletions = 100_000;
const manyCompletionsLimit = 10_000;
const managedByLengthMax = 63;

const counts = fields(
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
);

/** Checks a `JobSpec` but for its selector, which templates do not have. */
export function checkJobSpec(into: Collector, spec: Given<JobSpec>, path: FieldPath<JobSpec>): void {
  for (const name of counts) into.notNegative(child(path, name), spec[name]);
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) {
    into.add(required(child(path, 'backoffLimitPerIndex'), 'when maxFailedIndexes is specified'));
  }
  checkManagedBy(into, spec.managedBy, child(path, 'managedBy'));
  const mode = spec.completionMode ?? 'NonIndexed';
  into.oneOf(child(path, 'completionMode'), mode, ['NonIndexed', 'Indexed']);
  if (mode === 'Indexed') checkIndexed(into, spec, path);
  else if (mode === 'NonIndexed') refuseIndexes(into, spec, path);
  if (spec.podFailurePolicy !== undefined) {
    checkPodFailurePolicy(into, spec, child(path, 'podFailurePolicy'));
  }
  checkSuccess(into, spec, child(path, 'successPolicy'));
  const replacement = child(path, 'podReplacementPolicy');
  const replacements = spec.podFailurePolicy === undefined ? ['Failed', 'TerminatingOrFailed'] : ['Failed'];
  into.oneOf(replacement, spec.podReplacementPolicy, replacements);
  checkPodTemplate(into, spec.template ?? {}, child(path, 'template'));
  checkRestartPolicy(into, spec, child(path, 'template.spec.restartPolicy'));
}

function checkManagedBy(into: Collector, name: unknown, path: FieldPath): void {
  if (typeof name !== 'string') return;
  into.add(...domainPrefixedPathErrors(name, path));
  if (name.length > managedByLengthMax) into.add(tooLong(path, managedByLengthMax));
}

function checkIndexed(into: Collector, spec: Given<JobSpec>, path: FieldPath<JobSpec>): void {
  const completions = spec.completions;
  const parallelism = spec.parallelism ?? 0;
  const failed = spec.maxFailedIndexes;
  const tooMuch = (name: FieldsWith<JobSpec, number>, value: number, detail: string): void =>
    into.add(invalid(child(path, name), value, `must be less than or equal to ${detail}`));
  if (completions === undefined) into.add(required(child(path, 'completions'), 'when completion mode is Indexed'));
  if (parallelism > indexedParallelismMax) {
    tooMuch('parallelism', parallelism, `${indexedParallelismMax} when completion mode is Indexed`);
  }
  if (failed !== undefined && completions !== undefined && failed > completions) {
    tooMuch('maxFailedIndexes', failed, 'completions');
  }
  if (failed !== undefined && failed > failedIndexesMax) tooMuch('maxFailedIndexes', failed, `${failedIndexesMax}`);
  if (completions === undefined || completions <= manyCompletions || spec.backoffLimitPerIndex === undefined) return;
  const limit = `${manyCompletionsLimit} when completions are above ${manyCompletions} and used with backoff limit per index`;
  if (failed === undefined) {
    const detail = `must be specified when completions is above ${manyCompletions}`;
    into.add(required(child(path, 'maxFailedIndexes'), detail));
  }
  if (parallelism > manyCompletionsLimit) tooMuch('parallelism', parallelism, limit);
  if (failed !== undefined && failed > manyCompletionsLimit) tooMuch('maxFailedIndexes', failed, limit);
}

function refuseIndexes(into: Collector, spec: Given<JobSpec>, path: FieldPath<JobSpec>): void {
  for (const name of fields('backoffLimitPerIndex', 'maxFailedIndexes')) {
    if (spec[name] === undefined) continue;
    into.add(invalid(child(path, name), spec[name], 'requires indexed completion mode'));
  }
}

function checkSuccess(into: Collector, spec: Given<JobSpec>, path: FieldPath<SuccessPolicy>): void {
  const policy = spec.successPolicy;
  if (policy === undefined) return;
  if (spec.completionMode === 'Indexed') checkSuccessPolicy(into, spec, path);
  else into.add(invalid(path, policy, 'requires indexed completion mode'));
}

function checkRestartPolicy(into: Collector, spec: Given<JobSpec>, path: FieldPath): void {
  const policy = spec.template?.spec?.restartPolicy ?? '';
  if (policy === '' || policy === 'Always') into.add(required(path, 'valid values: "OnFailure", "Never"'));
  else if (policy !== 'OnFailure' && policy !== 'Never') {
    into.add(notSupported(path, policy, ['OnFailure', 'Never']));
  } else if (policy !== 'Never' && spec.podFailurePolicy !== undefined) {
    into.add(invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified'));
  }
}

/** What is wrong with a `Job`. Source: upstream `ValidateJob`. */
export function validateJob(draft: Given<Job>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  checkJobSpec(into, spec, field('spec'));
  const selector = spec.selector;
  if (selector === undefined) into.add(required(field('spec.selector')));
  const errors = labelSelectorErrors(selector, field('spec.selector'));
  into.add(...errors);
  const labels = spec.template?.metadata?.labels ?? {};
  if (errors.length === 0 && (selector === undefined || !selectorMatches(selector, labels))) {
    into.add(invalid(field('spec.template.metadata.labels'), labels, '`selector` does not match template `labels`'));
  }
  return into.errors;
}

const uidLabels = ['controller-uid', 'batch.kubernetes.io/controller-uid'];
const nameLabels = ['job-name', 'batch.kubernetes.io/job-name'];

/** What holds for a new job: its generated selector is its own, and its pods can be named for it. */
export function newJobErrors(draft: Given<Job>): readonly FieldError[] {
  const into = new Collector();
  const name = draft.metadata?.name ?? '';
  if (draft.spec?.manualSelector !== true) checkGeneratedSelector(into, draft, name);
  const completions = draft.spec?.completions ?? 0;
  if (completions === 0 || draft.spec?.completionMode !== 'Indexed') return into.errors;
  const hostname = `${name}-${completions - 1}`;
  if (dns1123LabelProblems(hostname).length > 0) {
    const detail = `will not able to create pod with invalid DNS label: ${hostname}`;
    into.add(invalid(field('metadata.name'), name, detail));
  }
  return into.errors;
}

/** Pods that a client labels as another job's would be taken from that. */
function checkGeneratedSelector(into: Collector, draft: Given<Job>, name: string): void {
  const selector = draft.spec?.selector;
  if (selector === undefined) return;
  const uid = draft.metadata?.uid ?? '';
  const labels = draft.spec?.template?.metadata?.labels ?? {};
  const wanted: Record<string, string> = {};
  for (const label of uidLabels) wanted[label] = uid;
  for (const label of nameLabels) wanted[label] = name;
  const path = field('spec.template.metadata.labels');
  for (const [label, value] of Object.entries(wanted)) {
    if (labels[label] === undefined) into.add(required(at(path, label), `must be '${value}'`));
    else if (labels[label] !== value) into.add(invalid(at(path, label), labels, `must be '${value}'`));
  }
  const isValid = labelSelectorErrors(selector, field('spec.selector')).length === 0;
  if (!isValid || selectorMatches(selector, wanted)) return;
  into.add(invalid(field('spec.selector'), selector, '`selector` not auto-generated'));
}

const immutable = fields(
  'selector',
  'completionMode',
  'podFailurePolicy',
  'backoffLimitPerIndex',
  'managedBy',
  'successPolicy',
);

/** What is wrong with a change of a `Job`. Source: upstream `ValidateJobUpdate`. */
export function validateJobUpdate(draft: Given<Job>, old: Given<Job>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  const before = old.spec ?? {};
  checkCompletions(into, spec, before);
  const hasNotBegun = before.suspend === true && old.status?.startTime === undefined;
  const template = hasNotBegun ? withNewDirectives(before.template, spec.template) : before.template;
  into.unchanged(field('spec.template'), spec.template, template);
  for (const name of immutable) into.unchanged(child(field('spec'), name), spec[name], before[name]);
  return into.errors;
}

/** An indexed job may grow and shrink as long as it runs all of its pods at once. */
function checkCompletions(into: Collector, spec: Given<JobSpec>, before: Given<JobSpec>): void {
  const path = field('spec.completions');
  if (spec.completionMode !== 'Indexed') into.unchanged(path, spec.completions, before.completions);
  else if (semanticallySame(spec.completions, before.completions) || spec.completions === undefined) return;
  else if (spec.completions !== spec.parallelism) {
    into.add(invalid(path, spec.completions, 'can only be modified in tandem with spec.parallelism'));
  }
}

/** The old template with what a job that has not begun may change: where its pods run, and what they are labeled. */
function withNewDirectives(
  before: Given<PodTemplateSpec> = {},
  now: Given<PodTemplateSpec> = {},
): Given<PodTemplateSpec> {
  const { annotations, labels } = now.metadata ?? {};
  const { nodeSelector, tolerations, schedulingGates, affinity } = now.spec ?? {};
  return {
    ...before,
    metadata: { ...before.metadata, annotations, labels },
    spec: {
      ...before.spec,
      nodeSelector,
      tolerations,
      schedulingGates,
      affinity: { ...before.spec?.affinity, nodeAffinity: affinity?.nodeAffinity },
    },
  };
}
