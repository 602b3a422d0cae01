/** Which run of a cron job is due, and when the next one is. Pure. Upstream counterpart: `pkg/controller/cronjob/utils.go`. */

import type { Schedule } from '#pkg/api/batch/schedule.ts';
import type { CronJob } from '#pkg/api/types/batch-v1.ts';
import { doubleOf } from '#pkg/apimachinery/json.ts';
import { timeMs } from '../common/pod.ts';

/** More missed runs than this are spoken of: clocks may be wrong, and old runs hardly matter. Source: upstream. */
const missedMax = 100;
/** How long after its time a run is looked for, so that clocks that are a little apart agree that it has come. Source: upstream `nextScheduleDelta`. */
const paddingMs = 100;

/** `never`: there is no run within years. */
export type Due =
  | 'never'
  | { readonly runMs: number | undefined; readonly isTooManyMissed: boolean; readonly sinceMs: number };

/** The latest run that should have begun by now, since the last one, or since the cron job was made; none before its deadline. */
export function dueRun(cronJob: CronJob, schedule: Schedule, nowMs: number): Due {
  const { startingDeadlineSeconds } = cronJob.spec;
  const sinceMs = lastRunMs(cronJob);
  if (startingDeadlineSeconds === undefined) return latestRun(schedule, sinceMs, nowMs);
  return latestRun(schedule, Math.max(sinceMs, nowMs - doubleOf(startingDeadlineSeconds) * 1_000), nowMs);
}

function lastRunMs({ metadata, status }: CronJob): number {
  return timeMs(status?.lastScheduleTime ?? metadata?.creationTimestamp);
}

function latestRun(schedule: Schedule, sinceMs: number, nowMs: number): Due {
  const none = { runMs: undefined, isTooManyMissed: false, sinceMs };
  const first = schedule.next(sinceMs);
  if (first === undefined) return 'never';
  if (nowMs < first) return none;
  const second = schedule.next(first);
  if (second === undefined) return 'never';
  if (nowMs < second) return { ...none, runMs: first };
  const periodMs = second - first;
  // A guess by the first period, made good by going on from a little before it: runs need not be evenly spaced.
  const passed = Math.floor((nowMs - first) / periodMs) + 1;
  let runMs: number | undefined;
  let next = schedule.next(first + (passed - 2) * periodMs);
  for (; next !== undefined && next <= nowMs; next = schedule.next(next)) runMs = next;
  return { runMs, isTooManyMissed: passed > missedMax, sinceMs };
}

/** Milliseconds until the next run is due; undefined when there is none within years. */
export function nextRunInMs(cronJob: CronJob, schedule: Schedule, nowMs: number): number | undefined {
  const due = latestRun(schedule, lastRunMs(cronJob), nowMs);
  const next = schedule.next(due === 'never' ? nowMs : (due.runMs ?? due.sinceMs));
  return next === undefined ? undefined : Math.max(0, next + paddingMs - nowMs);
}
