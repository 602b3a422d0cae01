/**
 * What a controller may report about a job: a job that has ended says when and how, and does not begin again.
 * Source: upstream `validateJobStatus`, `ValidateJobStatusUpdate`.
 */
import { at, child, duplicate, type FieldError, invalid, required } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { listAt, numberAt, objectAt, objectsAt, stringAt, valueAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { parseIndexes } from './indexes.ts';

type Job = JsonObject | KubeObject;

function isTrue(job: Job, type: string): boolean {
  const condition = objectsAt(job, 'status', 'conditions').find((candidate) => candidate.type === type);
  return condition?.status === 'True';
}

function isFinished(job: Job): boolean {
  return isTrue(job, 'Complete') || isTrue(job, 'Failed');
}

/** Conditions that exclude each other: the job has both although it may have the first only without the second. */
const exclusive = [
  ['Complete', 'Failed'],
  ['Complete', 'FailureTarget'],
  ['SuccessCriteriaMet', 'Failed'],
  ['SuccessCriteriaMet', 'FailureTarget'],
] as const;

/** Conditions that are announced by another: `[condition, announcement]`. */
const announced = [
  ['Failed', 'FailureTarget'],
  ['Complete', 'SuccessCriteriaMet'],
] as const;

/** Conditions that stay once they are there. */
const lasting = ['Failed', 'Complete', 'FailureTarget', 'SuccessCriteriaMet'];

/** What is wrong with what the controller reports: counts, conditions and indexes that contradict each other or go back. */
export function validateJobStatus(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  const status = objectAt(draft, 'status') ?? {};
  for (const field of ['active', 'succeeded', 'failed', 'ready', 'terminating']) {
    into.notNegative(child('status', field), status[field]);
  }
  checkUncounted(into, status);
  checkConditions(into, draft, old);
  checkTimes(into, draft, old);
  checkCounts(into, draft, old);
  checkIndexes(into, draft);
  return into.errors;
}

function refuse(into: Collector, why: string): void {
  into.add({ reason: 'FieldValueInvalid', field: 'status.conditions', message: `Invalid value: ${why}` });
}

function checkConditions(into: Collector, draft: JsonObject, old: KubeObject): void {
  for (const [one, other] of exclusive) {
    if (isTrue(draft, one) && isTrue(draft, other)) refuse(into, `cannot set ${one}=True and ${other}=true conditions`);
  }
  for (const [condition, announcement] of announced) {
    // Jobs that had ended before their controller announced it stay as they are.
    if (isTrue(old, condition) || !isTrue(draft, condition) || isTrue(draft, announcement)) continue;
    refuse(into, `cannot set ${condition}=True condition without the ${announcement}=true condition`);
  }
  for (const condition of lasting) {
    if (!isTrue(old, condition) || isTrue(draft, condition)) continue;
    const what = condition === 'SuccessCriteriaMet' ? condition : `terminal ${condition}`;
    refuse(into, `cannot disable the ${what}=True condition`);
  }
}

function checkTimes(into: Collector, draft: JsonObject, old: KubeObject): void {
  const completed = stringAt(draft, 'status', 'completionTime');
  const started = stringAt(draft, 'status', 'startTime');
  const path = 'status.completionTime';
  if (completed !== '' && !isTrue(draft, 'Complete')) {
    into.add(invalid(path, completed, 'cannot set completionTime when there is no Complete=True condition'));
  }
  if (completed === '' && isTrue(draft, 'Complete')) {
    into.add(required(path, 'completionTime is required for Complete jobs'));
  }
  if (started !== '' && completed !== '' && Date.parse(completed) < Date.parse(started)) {
    into.add(invalid(path, completed, 'completionTime cannot be set before startTime'));
  }
  const before = stringAt(old, 'status', 'completionTime');
  if (before !== '' && completed !== '' && before !== completed) {
    into.add(invalid(path, completed, 'completionTime cannot be mutated'));
  }
  if (started === '' && isFinished(draft)) {
    into.add(required('status.startTime', 'startTime is required for finished job'));
  }
  const begun = stringAt(old, 'status', 'startTime');
  // A job that is resumed begins anew.
  const isResumed = isTrue(old, 'Suspended') && !isTrue(draft, 'Suspended');
  if (begun !== '' && begun !== started && !isResumed && valueAt(draft, 'spec', 'suspend') !== true) {
    into.add(required('status.startTime', 'startTime cannot be removed for unsuspended job'));
  }
}

function checkCounts(into: Collector, draft: JsonObject, old: KubeObject): void {
  const count = (job: Job, field: string): number => numberAt(job, 'status', field) ?? 0;
  for (const field of ['active', 'terminating']) {
    const value = count(draft, field);
    if (value > 0 && isFinished(draft)) {
      into.add(invalid(child('status', field), value, `${field}>0 is invalid for finished job`));
    }
  }
  if (count(draft, 'ready') > count(draft, 'active')) {
    into.add(invalid('status.ready', count(draft, 'ready'), 'cannot set more ready pods than active'));
  }
  for (const field of ['failed', 'succeeded']) {
    // An indexed job that shrinks forgets the indexes it no longer has.
    const mayShrink = field === 'succeeded' && valueAt(draft, 'spec', 'completionMode') === 'Indexed';
    if (mayShrink || count(draft, field) >= count(old, field)) continue;
    into.add(invalid(child('status', field), count(draft, field), `cannot decrease the ${field} counter`));
  }
}

function checkUncounted(into: Collector, status: JsonObject): void {
  const path = 'status.uncountedTerminatedPods';
  const seen = new Set<unknown>();
  for (const field of ['succeeded', 'failed']) {
    for (const [index, uid] of listAt(status, 'uncountedTerminatedPods', field).entries()) {
      const own = at(child(path, field), index);
      if (uid === '') into.add(invalid(own, uid, 'must not be empty'));
      else if (seen.has(uid)) into.add(duplicate(own, uid));
      seen.add(uid);
    }
  }
  if (seen.size === 0 || !isFinished({ status })) return;
  const detail = 'uncountedTerminatedPods needs to be empty for finished job';
  into.add(invalid(path, status.uncountedTerminatedPods, detail));
}

function checkIndexes(into: Collector, draft: JsonObject): void {
  const completions = numberAt(draft, 'spec', 'completions');
  const isIndexed = valueAt(draft, 'spec', 'completionMode') === 'Indexed';
  for (const field of ['completedIndexes', 'failedIndexes']) {
    const text = stringAt(draft, 'status', field);
    const path = child('status', field);
    if (text !== '' && !isIndexed) {
      into.add(invalid(path, text, `cannot set non-empty ${field} when non-indexed completion mode`));
    }
    if (completions === undefined) continue;
    const parsed = parseIndexes(text, completions);
    if ('problem' in parsed) into.add(invalid(path, text, `error parsing ${field}: ${parsed.problem}`));
  }
}
