/** What the job controller counts. Source: upstream `pkg/controller/job/metrics`. */
import type { Job } from '#pkg/api/types/batch-v1.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { exponentialBuckets, type Histograms, type Metrics, type Tallies } from '#pkg/base/metrics.ts';

/** What a look at a job did. */
export type SyncAction = 'pods_created' | 'pods_deleted' | 'reconciling' | 'tracking';

const syncLabels = ['action', 'completion_mode', 'result'];

/** The counts of one controller. */
export class JobMetrics {
  readonly #clock: Clock;
  readonly #syncs: Tallies;
  readonly #syncTimes: Histograms;
  readonly #finished: Tallies;
  readonly #pods: Tallies;

  constructor({ clock, metrics }: { readonly clock: Clock; readonly metrics: Metrics }) {
    this.#clock = clock;
    this.#syncs = metrics.counter({
      name: 'job_controller_job_syncs_total',
      help: 'Looks at a job, by what they did',
      labels: syncLabels,
    });
    this.#syncTimes = metrics.histogram({
      name: 'job_controller_job_sync_duration_seconds',
      help: 'How long a look at a job took',
      labels: syncLabels,
      buckets: exponentialBuckets(0.004, 2, 15),
    });
    this.#finished = metrics.counter({
      name: 'job_controller_jobs_finished_total',
      help: 'Jobs that have ended',
      labels: ['completion_mode', 'reason', 'result'],
    });
    this.#pods = metrics.counter({
      name: 'job_controller_job_pods_finished_total',
      help: 'Pods that have ended and are counted in the status of their job',
      labels: ['completion_mode', 'result'],
    });
  }

  /** Counts one look; `look` says what it did once it has ended. */
  async synced<T>(job: Job, look: () => Promise<{ readonly action: SyncAction; readonly value: T }>): Promise<T> {
    const startMs = this.#clock.monotonicMs();
    let [action, result]: [SyncAction, string] = ['reconciling', 'error'];
    try {
      const done = await look();
      [action, result] = [done.action, 'success'];
      return done.value;
    } finally {
      const labels = [action, modeOf(job), result];
      this.#syncs.of(...labels).value++;
      this.#syncTimes.of(...labels).observe((this.#clock.monotonicMs() - startMs) / 1_000);
    }
  }

  /** A job has ended. */
  finished(job: Job, end: { readonly isComplete: boolean; readonly reason: string }): void {
    const [reason, result] = end.isComplete ? [end.reason, 'succeeded'] : [end.reason, 'failed'];
    this.#finished.of(modeOf(job), reason, result).value++;
  }

  /** So many more pods are counted. */
  counted(job: Job, { succeeded, failed }: { readonly succeeded: number; readonly failed: number }): void {
    if (succeeded > 0) this.#pods.of(modeOf(job), 'succeeded').value += succeeded;
    if (failed > 0) this.#pods.of(modeOf(job), 'failed').value += failed;
  }
}

function modeOf({ spec }: Job): string {
  return spec?.completionMode ?? 'NonIndexed';
}
