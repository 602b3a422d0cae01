/**
 * Jobs. Unless told otherwise the server makes a job's selector from its uid, so that no two jobs share pods.
 * Source: upstream `pkg/apis/batch/v1/defaults.go`, `pkg/registry/batch/job/strategy.go`.
 */
import { inKeyOrder } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy, StrategyContext } from '#pkg/apiserver/strategy.ts';
import { setTemplateDefaults } from '../core/pod-defaults.ts';
import { ensureObject, numberAt, objectAt, objectsAt, setDefault, stringAt, stringMapAt } from '../draft.ts';
import { ownStatus } from '../status.ts';
import { validateJobStatus } from './job-status-validation.ts';
import { newJobErrors, validateJob, validateJobUpdate } from './job-validation.ts';
import { jobTable } from './tables.ts';

const backoffLimitMax = 2 ** 31 - 1;

function setJobSpecDefaults(spec: JsonObject): void {
  setTemplateDefaults(spec);
  if (spec.completions === undefined && spec.parallelism === undefined) {
    spec.completions = 1;
    spec.parallelism = 1;
  }
  setDefault(spec, 'parallelism', 1);
  setDefault(spec, 'backoffLimit', spec.backoffLimitPerIndex === undefined ? 6 : backoffLimitMax);
  setDefault(spec, 'completionMode', 'NonIndexed');
  setDefault(spec, 'suspend', false);
  const hasPolicy = objectAt(spec, 'podFailurePolicy') !== undefined;
  setDefault(spec, 'podReplacementPolicy', hasPolicy ? 'Failed' : 'TerminatingOrFailed');
  for (const rule of objectsAt(spec, 'podFailurePolicy', 'rules')) {
    for (const pattern of objectsAt(rule, 'onPodConditions')) setDefault(pattern, 'status', 'True');
  }
}

function setDefaults(draft: JsonObject): void {
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return;
  setJobSpecDefaults(spec);
  labelAsTemplate(draft);
}

/** A job without labels gets those of its pods. */
function labelAsTemplate(draft: JsonObject): void {
  const labels = stringMapAt(draft, 'spec', 'template', 'metadata', 'labels');
  const metadata = ensureObject(draft, 'metadata');
  if (metadata === undefined || Object.keys(labels).length === 0) return;
  if (Object.keys(stringMapAt(metadata, 'labels')).length === 0) metadata.labels = { ...labels };
}

function generateSelector(draft: JsonObject, context: StrategyContext): void {
  const spec = objectAt(draft, 'spec');
  const metadata = ensureObject(draft, 'metadata');
  if (spec === undefined || metadata === undefined || spec.manualSelector === true) return;
  setDefault(metadata, 'uid', context.random.uuid());
  const uid = stringAt(metadata, 'uid');
  const template = ensureObject(spec, 'template');
  const templateMetadata = template === undefined ? undefined : ensureObject(template, 'metadata');
  const labels = templateMetadata === undefined ? undefined : ensureObject(templateMetadata, 'labels');
  if (templateMetadata === undefined || labels === undefined) return;
  setDefault(labels, 'controller-uid', uid);
  setDefault(labels, 'batch.kubernetes.io/controller-uid', uid);
  setDefault(labels, 'job-name', stringAt(metadata, 'name'));
  setDefault(labels, 'batch.kubernetes.io/job-name', stringAt(metadata, 'name'));
  templateMetadata.labels = inKeyOrder(labels);
  const selector = ensureObject(spec, 'selector');
  const matchLabels = selector === undefined ? undefined : ensureObject(selector, 'matchLabels');
  if (selector === undefined || matchLabels === undefined) return;
  setDefault(matchLabels, 'batch.kubernetes.io/controller-uid', uid);
  selector.matchLabels = inKeyOrder(matchLabels);
}

const status = ownStatus();

/** Jobs, with their generated selectors. */
export const jobStrategy: Strategy = {
  group: 'batch',
  resource: 'jobs',
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
  selectableFields: (job) => ({ 'status.successful': String(numberAt(job, 'status', 'succeeded') ?? 0) }),
  // Source: upstream `jobStrategy.DefaultGarbageCollectionPolicy`, `storage.go` `deleteOptionWarnings`.
  dependents: 'orphan',
  dependentsWarning:
    'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning',
  table: jobTable,
};
