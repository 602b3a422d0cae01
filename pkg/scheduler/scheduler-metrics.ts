/** What a scheduler says of its attempts and its queue. Source: upstream `pkg/scheduler/metrics/metrics.go`. */
import type { Clock } from '#pkg/base/clock.ts';
import {
  exponentialBuckets,
  type Histogram,
  type Histograms,
  type Metrics,
  type Tallies,
  type Tally,
} from '#pkg/base/metrics.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';

/** How an attempt ended. */
export type AttemptResult = 'error' | 'scheduled' | 'unschedulable';

/** Where the latency of plugins is told: `Bind` with what comes before it. The decision itself asks all plugins of all nodes at once, by columns. */
export type ExtensionPoint = 'Bind' | 'PostFilter';

/** The counts of one scheduler, whose profile is called `profile`. */
export class SchedulerMetrics {
  readonly #clock: Clock;
  readonly #profile: string;
  readonly #attempts: Tallies;
  readonly #attemptTimes: Histograms;
  readonly #points: Histograms;
  readonly #incoming: Tallies;
  readonly #tries: Histogram;
  readonly #sli: Histograms;
  readonly #preemptions: Tally;
  readonly #victims: Histogram;

  /** Counts in `metrics`. */
  constructor({ clock, metrics }: { readonly clock: Clock; readonly metrics: Metrics }, profile: string) {
    this.#clock = clock;
    this.#profile = profile;
    const labels = ['profile', 'result'];
    this.#attempts = metrics.counter({
      name: 'scheduler_schedule_attempts_total',
      help: 'Attempts to schedule a pod, by their result',
      labels,
    });
    this.#attemptTimes = metrics.histogram({
      name: 'scheduler_scheduling_attempt_duration_seconds',
      help: 'How long an attempt took, with its binding',
      labels,
      buckets: exponentialBuckets(0.001, 2, 15),
    });
    this.#points = metrics.histogram({
      name: 'scheduler_framework_extension_point_duration_seconds',
      help: 'How long all plugins of an extension point took',
      labels: ['extension_point', 'profile', 'status'],
      buckets: exponentialBuckets(0.0001, 2, 12),
    });
    this.#incoming = metrics.counter({
      name: 'scheduler_queue_incoming_pods_total',
      help: 'Pods that came to a queue, by the event that brought them',
      labels: ['event', 'queue'],
    });
    this.#tries = metrics
      .histogram({
        name: 'scheduler_pod_scheduling_attempts',
        help: 'Attempts until a pod was scheduled',
        buckets: exponentialBuckets(1, 2, 5),
      })
      .of();
    this.#sli = metrics.histogram({
      name: 'scheduler_pod_scheduling_sli_duration_seconds',
      help: 'Time from a pod coming to the queue until it was scheduled',
      labels: ['attempts'],
      buckets: exponentialBuckets(0.01, 2, 20),
    });
    const preemptions = { name: 'scheduler_preemption_attempts_total', help: 'Times that pods were to make room' };
    this.#preemptions = metrics.counter(preemptions).of();
    this.#victims = metrics
      .histogram({
        name: 'scheduler_preemption_victims',
        help: 'Pods chosen to make room',
        buckets: exponentialBuckets(1, 2, 7),
      })
      .of();
  }

  /** Tells of the pods in a queue from now on, in place of one before. */
  follow({ counts }: Pick<SchedulingQueue, 'counts'>, metrics: Metrics): void {
    metrics.collect('scheduler queue', () => {
      const { active, backoff, errorBackoff, unschedulable, gated } = counts;
      const queues = { active, backoff: backoff + errorBackoff, unschedulable, gated };
      const samples = Object.entries(queues).map(([queue, value]) => ({ labels: { queue }, value }));
      return [{ name: 'scheduler_pending_pods', help: 'Pods that wait, by their queue', type: 'gauge', samples }];
    });
  }

  /** A pod came to a queue. */
  readonly incoming = (queue: string, event: string): void => {
    this.#incoming.of(event, queue).value++;
  };

  /** An attempt that began at `startMs` has ended. */
  attempted(result: AttemptResult, startMs: number): void {
    this.#attempts.of(this.#profile, result).value++;
    this.#attemptTimes.of(this.#profile, result).observe((this.#clock.monotonicMs() - startMs) / 1_000);
  }

  /** A pod that came to the queue at `sinceMs` was scheduled at this attempt. */
  scheduled(attempts: number, sinceMs: number): void {
    this.#tries.observe(attempts);
    const label = attempts > 15 ? '16+' : String(attempts);
    this.#sli.of(label).observe((this.#clock.monotonicMs() - sinceMs) / 1_000);
  }

  /** Pods are to make room. */
  preempted(victims: number): void {
    this.#preemptions.value++;
    this.#victims.observe(victims);
  }

  /** The plugins of an extension point have had their turn since `startMs`. */
  point(point: ExtensionPoint, status: string, startMs: number): void {
    this.#points.of(point, this.#profile, status).observe((this.#clock.monotonicMs() - startMs) / 1_000);
  }
}
