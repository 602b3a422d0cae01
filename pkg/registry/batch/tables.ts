/** How jobs and cron jobs are printed. Source: upstream `printJob`, `printCronJob`. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { humanDuration } from '#pkg/apimachinery/time.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { isTrueAt, listAt, numberAt, objectAt, objectsAt, stringAt } from '../draft.ts';
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

function jobStatus(job: KubeObject): string {
  const conditions = objectsAt(job, 'status', 'conditions');
  const isTrue = (type: string): boolean => conditions.find((condition) => condition.type === type)?.status === 'True';
  if (isTrue('Complete')) return 'Complete';
  if (isTrue('Failed')) return 'Failed';
  if (job.metadata?.deletionTimestamp !== undefined) return 'Terminating';
  if (isTrue('Suspended')) return 'Suspended';
  return isTrue('FailureTarget') ? 'FailureTarget' : 'Running';
}

function completionsText(job: KubeObject): string {
  const succeeded = numberAt(job, 'status', 'succeeded') ?? 0;
  const completions = numberAt(job, 'spec', 'completions');
  if (completions !== undefined) return `${succeeded}/${completions}`;
  const parallelism = numberAt(job, 'spec', 'parallelism') ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function durationText(job: KubeObject, nowMs: number): string {
  const started = stringAt(job, 'status', 'startTime');
  if (started === '') return '';
  const ended = stringAt(job, 'status', 'completionTime');
  return humanDuration((ended === '' ? nowMs : Date.parse(ended)) - Date.parse(started));
}

/** Source: upstream `printJob`. */
export const jobTable: TablePrinter = {
  columns: [nameColumn, column('Status'), column('Completions'), column('Duration'), ageColumn, ...templateColumns],
  cells: (job, nowMs) => [
    nameOf(job),
    jobStatus(job),
    completionsText(job),
    durationText(job, nowMs),
    age(job, nowMs),
    ...templateCells(objectAt(job, 'spec')),
  ],
};

/** Source: upstream `printCronJob`. */
export const cronJobTable: TablePrinter = {
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
    const last = stringAt(object, 'status', 'lastScheduleTime');
    return [
      nameOf(object),
      stringAt(object, 'spec', 'schedule'),
      stringAt(object, 'spec', 'timeZone') || none,
      isTrueAt(object, 'spec', 'suspend') ? 'True' : 'False',
      listAt(object, 'status', 'active').length,
      last === '' ? none : since(last, nowMs),
      age(object, nowMs),
      ...templateCells(objectAt(object, 'spec', 'jobTemplate', 'spec')),
    ];
  },
};
