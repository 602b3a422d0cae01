/**
 * Jobs. Unless told otherwise the server makes a job's selector from its uid, so that no two jobs share pods.
 * Source: upstream `pkg/apis/batch/v1/defaults.go`, `pkg/registry/batch/job/strategy.go`.
 */

import type { Job, JobSpec } from '#pkg/api/types/batch-v1.ts';
import { jobs } from '#pkg/api/types/refs.ts';
import type { Draft } from '#pkg/apimachinery/draft.ts';
import { inKeyOrder } from '#pkg/apimachinery/json.ts';
import { rulesOf, type StrategyContext } from '#pkg/apiserver/strategy.ts';
import { setTemplateDefaults } from '../core/pod-defaults.ts';
import { setDefault } from '../draft.ts';
import { ownStatus } from '../status.ts';
import { validateJobStatus } from './job-status-validation.ts';
import { newJobErrors, validateJob, validateJobUpdate } from './job-validation.ts';
import { jobTable } from './tables.ts';

const backoffLimitMax = 2 ** 31 - 1;

function setJobSpecDefaults(spec: Draft<JobSpec>): void {
  setTemplateDefaults(spec);
  if (spec.completions === undefined && spec.parallelism === undefined) {
    spec.completions = 1;
    spec.parallelism = 1;
  }
  setDefault(spec, 'parallelism', 1);
  setDefault(spec, 'backoffLimit', spec.backoffLimitPerIndex === undefined ? 6 : backoffLimitMax);
  setDefault(spec, 'completionMode', 'NonIndexed');
  setDefault(spec, 'suspend', false);
  const hasPolicy = spec.podFailurePolicy !== undefined;
  setDefault(spec, 'podReplacementPolicy', hasPolicy ? 'Failed' : 'TerminatingOrFailed');
  for (const rule of spec.podFailurePolicy?.rules ?? []) {
    for (const pattern of rule.onPodConditions ?? []) setDefault(pattern, 'status', 'True');
  }
}

function setDefaults(draft: Draft<Job>): void {
  const spec = draft.spec;
  if (spec === undefined) return;
  setJobSpecDefaults(spec);
  labelAsTemplate(draft);
}

/** A job without labels gets those of its pods. */
function labelAsTemplate(draft: Draft<Job>): void {
  const labels = draft.spec?.template?.metadata?.labels ?? {};
  draft.metadata ??= {};
  if (Object.keys(labels).length === 0) return;
  if (Object.keys(draft.metadata.labels ?? {}).length === 0) draft.metadata.labels = { ...labels };
}

function generateSelector(draft: Draft<Job>, context: StrategyContext): void {
  const spec = draft.spec;
  draft.metadata ??= {};
  if (spec === undefined || spec.manualSelector === true) return;
  setDefault(draft.metadata, 'uid', context.random.uuid());
  const { uid = '', name = '' } = draft.metadata;
  spec.template ??= {};
  spec.template.metadata ??= {};
  const labels = spec.template.metadata.labels ?? {};
  setDefault(labels, 'controller-uid', uid);
  setDefault(labels, 'batch.kubernetes.io/controller-uid', uid);
  setDefault(labels, 'job-name', name);
  setDefault(labels, 'batch.kubernetes.io/job-name', name);
  spec.template.metadata.labels = inKeyOrder(labels);
  spec.selector ??= {};
  const matchLabels = spec.selector.matchLabels ?? {};
  setDefault(matchLabels, 'batch.kubernetes.io/controller-uid', uid);
  spec.selector.matchLabels = inKeyOrder(matchLabels);
}

const status = ownStatus();

/** Jobs, with their generated selectors. */
export const jobStrategy = rulesOf(jobs, {
  setDefaults,
  prepareForCreate(draft, context) {
    status.prepareForCreate(draft);
    generateSelector(draft, context);
    labelAsTemplate(draft);
  },
  prepareForUpdate: status.prepareForUpdate,
  validate: validateJob,
  validateCreate: newJobErrors,
  subresources: { status: { validateUpdate: validateJobStatus } },
  validateUpdate: validateJobUpdate,
  selectableFields: (job) => ({ 'status.successful': String(job.status?.succeeded ?? 0) }),
  // Source: upstream `jobStrategy.DefaultGarbageCollectionPolicy`, `storage.go` `deleteOptionWarnings`.
  dependents: 'orphan',
  dependentsWarning:
    'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning',
  table: jobTable,
});
