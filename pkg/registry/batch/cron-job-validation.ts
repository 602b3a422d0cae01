/** Rules for cron jobs. Source: upstream `validateCronJobSpec`, `validateTimeZone`. */
import { parseSchedule } from '#pkg/api/batch/schedule.ts';
import type { CronJob, CronJobSpec } from '#pkg/api/types/batch-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import { child, type FieldError, invalid, notSupported, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { Collector } from '../validation/collector.ts';
import { checkJobSpec } from './job-validation.ts';

const field = pathsOf<CronJob>();

/** The controller adds eleven characters to the name. */
const nameLengthMax = 52;

/** What is wrong with a `CronJob`. Source: upstream `ValidateCronJobCreate`. */
export function validateCronJob(draft: Given<CronJob>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  const schedule = spec.schedule;
  if (into.needsText(field('spec.schedule'), schedule)) {
    const parsed = parseSchedule(schedule);
    if ('problem' in parsed) into.add(invalid(field('spec.schedule'), schedule, parsed.problem));
    if (schedule.includes('TZ')) {
      const detail = 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead';
      into.add(invalid(field('spec.schedule'), schedule, detail));
    }
  }
  into.notNegative(field('spec.startingDeadlineSeconds'), spec.startingDeadlineSeconds);
  into.needsOneOf(field('spec.concurrencyPolicy'), spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']);
  checkJobTemplate(into, spec);
  for (const name of fields('successfulJobsHistoryLimit', 'failedJobsHistoryLimit')) {
    into.notNegative(child(field('spec'), name), spec[name]);
  }
  return into.errors;
}

function checkJobTemplate(into: Collector, spec: Given<CronJobSpec>): void {
  const path = field('spec.jobTemplate.spec');
  const jobSpec = spec.jobTemplate?.spec ?? {};
  checkJobSpec(into, jobSpec, path);
  if (jobSpec.selector !== undefined) {
    into.add(invalid(child(path, 'selector'), jobSpec.selector, '`selector` will be auto-generated'));
  }
  if (jobSpec.manualSelector === true) {
    into.add(notSupported(child(path, 'manualSelector'), true, ['nil', 'false']));
  }
}

/** What holds for a new cron job: older ones may have longer names and zones that are no longer known. */
export function newCronJobErrors(draft: Given<CronJob>): readonly FieldError[] {
  const into = new Collector();
  checkTimeZone(into, draft.spec?.timeZone);
  const name = draft.metadata?.name ?? '';
  if (name.length > nameLengthMax) {
    into.add(invalid(field('metadata.name'), name, `must be no more than ${nameLengthMax} characters`));
  }
  return into.errors;
}

/** What is wrong with a change of a `CronJob`. Source: upstream `ValidateCronJobUpdate`. */
export function validateCronJobUpdate(draft: Given<CronJob>, old: Given<CronJob>): readonly FieldError[] {
  const into = new Collector();
  const zone = draft.spec?.timeZone;
  if (zone !== old.spec?.timeZone) checkTimeZone(into, zone);
  return into.errors;
}

const zonePart = /^(?!\.{1,2}$)(?!-)[A-Za-z._0-9+-]{1,14}$/;

function checkTimeZone(into: Collector, zone: unknown): void {
  if (typeof zone !== 'string') return;
  const path = field('spec.timeZone');
  if (zone === '') {
    into.add(invalid(path, zone, 'timeZone must be nil or non-empty string'));
  } else if (zone.toLowerCase() === 'local') {
    const detail = 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones';
    into.add(invalid(path, zone, detail));
  } else if (!zone.split('/').every((part) => zonePart.test(part)) || !isKnownZone(zone)) {
    into.add(invalid(path, zone, `unknown time zone ${zone}`));
  }
}

function isKnownZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined;
  } catch {
    return false;
  }
}
