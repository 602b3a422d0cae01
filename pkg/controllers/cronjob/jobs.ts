/** The jobs of a cron job: what a new one looks like, and which old ones go. Pure. Upstream counterpart: `pkg/controller/cronjob/utils.go`. */
import { formatInZone } from '#pkg/api/batch/zone-time.ts';
import type { CronJob, Job } from '#pkg/api/types/batch-v1.ts';
import type { ObjectReference } from '#pkg/api/types/core-v1.ts';
import { cronJobs } from '#pkg/api/types/refs.ts';
import { controllerReference } from '#pkg/apimachinery/owner.ts';
import { timeMs } from '../common/pod.ts';
import { isJobFinished } from '../job/job-pods.ts';

/** The time for which a job was made, in the cron job's zone. */
export const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp';

/** One job for each minute: its name keeps it from being made twice. */
export function jobName({ metadata }: CronJob, runMs: number): string {
  return `${metadata?.name}-${Math.floor(runMs / 60_000)}`;
}

/** The job of a run. */
export function jobFor(cronJob: CronJob, runMs: number): Job {
  const { metadata, spec } = cronJob.spec.jobTemplate;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobName(cronJob, runMs),
      namespace: cronJob.metadata?.namespace ?? '',
      ...(metadata?.labels === undefined ? {} : { labels: metadata.labels }),
      annotations: {
        ...metadata?.annotations,
        [scheduledAnnotation]: formatInZone(runMs, cronJob.spec.timeZone ?? 'UTC'),
      },
      ownerReferences: [controllerReference(cronJob, cronJobs)],
    },
    ...(spec === undefined ? {} : { spec }),
  };
}

/** What `status.active` says of a job. */
export function referenceTo({ metadata }: Job): ObjectReference {
  const { name = '', namespace = '', uid = '', resourceVersion = '' } = metadata ?? {};
  return { kind: 'Job', apiVersion: 'batch/v1', namespace, name, uid, resourceVersion };
}

/** `Complete` or `Failed`; undefined while a job goes on. */
export function outcomeOf(job: Job): 'Complete' | 'Failed' | undefined {
  if (!isJobFinished(job)) return undefined;
  const isComplete = job.status?.conditions?.some(({ type, status }) => type === 'Complete' && status === 'True');
  return isComplete ? 'Complete' : 'Failed';
}

/** Finished jobs beyond those that the cron job keeps, oldest first. */
export function surplusJobs({ spec }: CronJob, jobs: readonly Job[]): readonly Job[] {
  const beyond = (outcome: 'Complete' | 'Failed', limit: number | undefined): readonly Job[] => {
    if (limit === undefined) return [];
    const ended = jobs.filter((job) => outcomeOf(job) === outcome).sort(byStart);
    return ended.slice(0, Math.max(0, ended.length - limit));
  };
  return [...beyond('Complete', spec.successfulJobsHistoryLimit), ...beyond('Failed', spec.failedJobsHistoryLimit)];
}

/** Those that never started last. */
function byStart(a: Job, b: Job): number {
  const start = ({ status }: Job): number => (status?.startTime ? timeMs(status.startTime) : Number.MAX_SAFE_INTEGER);
  return start(a) - start(b) || ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1);
}
