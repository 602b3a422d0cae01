/** Cron jobs. Source: upstream `pkg/apis/batch/v1/defaults.go`, `pkg/registry/batch/cronjob/strategy.go`. */
import { cronJobs } from '#pkg/api/types/refs.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { setTemplateDefaults } from '../core/pod-defaults.ts';
import { setDefault } from '../draft.ts';
import { ownStatus } from '../status.ts';
import { newCronJobErrors, validateCronJob, validateCronJobUpdate } from './cron-job-validation.ts';
import { cronJobTable } from './tables.ts';

/** Cron jobs; the jobs they make get defaults when they are made. */
export const cronJobStrategy = rulesOf(cronJobs, {
  setDefaults(draft) {
    const spec = draft.spec;
    if (spec === undefined) return;
    setDefault(spec, 'concurrencyPolicy', 'Allow');
    setDefault(spec, 'suspend', false);
    setDefault(spec, 'successfulJobsHistoryLimit', 3);
    setDefault(spec, 'failedJobsHistoryLimit', 1);
    // Only the pods' part: what a job gets by default shows on the job, not in the template of one.
    setTemplateDefaults(spec.jobTemplate?.spec);
  },
  ...ownStatus(),
  validate: validateCronJob,
  validateCreate: newCronJobErrors,
  validateUpdate: validateCronJobUpdate,
  table: cronJobTable,
});
