/** How jobs and cron jobs are printed. Source: upstream `printJob`, `printCronJob`. */
import type { CronJob, Job } from '#pkg/api/types/batch-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { humanDuration } from '#pkg/apimachinery/time.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import {
  age,
  ageColumn,
  column,
  nameColumn,
  nameOf,
  none,
  since,
  templateCells,
  templateColumns,
} from '../printing/columns.ts';

function jobStatus(job: Given<Job>): string {
  const conditions = job.status?.conditions ?? [];
  const isTrue = (type: string): boolean => conditions.find((condition) => condition.type === type)?.status === 'True';
  if (isTrue('Complete')) return 'Complete';
  if (isTrue('Failed')) return 'Failed';
  if (job.metadata?.deletionTimestamp !== undefined) return 'Terminating';
  if (isTrue('Suspended')) return 'Suspended';
  return isTrue('FailureTarget') ? 'FailureTarget' : 'Running';
}

function completionsText(job: Given<Job>): string {
  const succeeded = job.status?.succeeded ?? 0;
  const completions = job.spec?.completions;
  if (completions !== undefined) return `${succeeded}/${completions}`;
  const parallelism = job.spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function durationText(job: Given<Job>, nowMs: number): string {
  const started = job.status?.startTime ?? '';
  if (started === '') return '';
  const ended = job.status?.completionTime ?? '';
  return humanDuration((ended === '' ? nowMs : Date.parse(ended)) - Date.parse(started));
}

/** Source: upstream `printJob`. */
export const jobTable: TablePrinter<Given<Job>> = {
  columns: [nameColumn, column('Status'), column('Completions'), column('Duration'), ageColumn, ...templateColumns],
  cells: (job, nowMs) => [
    nameOf(job),
    jobStatus(job),
    completionsText(job),
    durationText(job, nowMs),
    age(job, nowMs),
    ...templateCells(job.spec),
  ],
};

/** Source: upstream `printCronJob`. */
export const cronJobTable: TablePrinter<Given<CronJob>> = {
  columns: [
    nameColumn,
    column('Schedule'),
    column('Timezone'),
    column('Suspend', 'boolean'),
    column('Active', 'integer'),
    column('Last Schedule'),
    ageColumn,
    ...templateColumns,
  ],
  cells(object, nowMs) {
    const last = object.status?.lastScheduleTime ?? '';
    return [
      nameOf(object),
      object.spec?.schedule ?? '',
      (object.spec?.timeZone ?? '') || none,
      object.spec?.suspend === true ? 'True' : 'False',
      (object.status?.active ?? []).length,
      last === '' ? none : since(last, nowMs),
      age(object, nowMs),
      ...templateCells(object.spec?.jobTemplate?.spec),
    ];
  },
};
