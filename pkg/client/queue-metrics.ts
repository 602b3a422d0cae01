/**
 * What a work queue says of itself: how many keys wait, for how long, and how long they are worked on. Holds the time of each key that waits or is
 * worked on, as many as there are.
 * Upstream counterpart: client-go `util/workqueue/metrics.go`; names and buckets are component-base `metrics/prometheus/workqueue`.
 */
import type { Clock } from '#pkg/base/clock.ts';
import { exponentialBuckets, type Histogram, type Metrics, type Tally } from '#pkg/base/metrics.ts';
import type { QueueWatcher } from './fair-queue.ts';

const labels = ['name'];
/** Seconds: 10 ns to 10 s. */
const buckets = exponentialBuckets(1e-8, 10, 10);

/** The counts of one queue. */
export class QueueMetrics implements QueueWatcher {
  readonly #clock: Clock;
  readonly #waitingSinceMs = new Map<string, number>();
  readonly #workedSinceMs = new Map<string, number>();
  readonly #adds: Tally;
  readonly #retries: Tally;
  readonly #waited: Histogram;
  readonly #worked: Histogram;

  /** Counts under `name` in `metrics`. */
  constructor({ name, clock, metrics }: { readonly name: string; readonly clock: Clock; readonly metrics: Metrics }) {
    this.#clock = clock;
    this.#adds = metrics
      .counter({ name: 'workqueue_adds_total', help: 'Keys that were added to the queue', labels })
      .of(name);
    this.#retries = metrics
      .counter({ name: 'workqueue_retries_total', help: 'Keys that were to come back later', labels })
      .of(name);
    const waited = { name: 'workqueue_queue_duration_seconds', help: 'How long a key waited to be taken', labels };
    this.#waited = metrics.histogram({ ...waited, buckets }).of(name);
    const worked = { name: 'workqueue_work_duration_seconds', help: 'How long a key was worked on', labels };
    this.#worked = metrics.histogram({ ...worked, buckets }).of(name);
    metrics.collect(`workqueue ${name}`, () => this.#now(name));
  }

  added(key: string): void {
    this.#adds.value++;
    this.#waitingSinceMs.set(key, this.#clock.monotonicMs());
  }

  taken(key: string): void {
    const nowMs = this.#clock.monotonicMs();
    this.#waited.observe((nowMs - (this.#waitingSinceMs.get(key) ?? nowMs)) / 1_000);
    this.#waitingSinceMs.delete(key);
    this.#workedSinceMs.set(key, nowMs);
  }

  done(key: string): void {
    const sinceMs = this.#workedSinceMs.get(key);
    if (sinceMs === undefined) return;
    this.#worked.observe((this.#clock.monotonicMs() - sinceMs) / 1_000);
    this.#workedSinceMs.delete(key);
  }

  /** A key is to come back after a delay. */
  retried(): void {
    this.#retries.value++;
  }

  #now(name: string) {
    const nowMs = this.#clock.monotonicMs();
    let sum = 0;
    let longest = 0;
    for (const sinceMs of this.#workedSinceMs.values()) {
      sum += (nowMs - sinceMs) / 1_000;
      longest = Math.max(longest, (nowMs - sinceMs) / 1_000);
    }
    const gauge = (metric: string, help: string, value: number) =>
      ({ name: metric, help, type: 'gauge', samples: [{ labels: { name }, value }] }) as const;
    return [
      gauge('workqueue_depth', 'Keys that wait', this.#waitingSinceMs.size),
      gauge('workqueue_unfinished_work_seconds', 'Time spent so far on all keys that are worked on', sum),
      gauge('workqueue_longest_running_processor_seconds', 'Time spent so far on the oldest of them', longest),
    ];
  }
}
