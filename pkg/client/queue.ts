/** The work queue of `work-queue.ts`, put together from its layers: fair queue, delays, back-off. */
import type { Clock } from '#pkg/base/clock.ts';
import type { Metrics } from '#pkg/base/metrics.ts';
import { DelayingQueue } from './delaying-queue.ts';
import { FairQueue } from './fair-queue.ts';
import { QueueMetrics } from './queue-metrics.ts';
import { RateLimiter, type RateLimiterOptions } from './rate-limiter.ts';
import type { WorkQueue } from './work-queue.ts';

/** The queue's name, its clock and its delays. */
export interface WorkQueueOptions extends RateLimiterOptions {
  /** For logs and metrics. */
  readonly name: string;
  readonly clock: Clock;
  /** Where it counts. Default: nowhere. */
  readonly metrics?: Metrics;
}

/** An empty work queue. */
export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const { name, clock, metrics } = options;
  const counts = metrics === undefined ? undefined : new QueueMetrics({ name, clock, metrics });
  const fair = new FairQueue(counts);
  const delaying = new DelayingQueue(clock, (key) => fair.add(key));
  const limiter = new RateLimiter(options);
  return {
    add: (key) => fair.add(key),
    addAfter: (key, delayMs) => {
      counts?.retried();
      delaying.addAfter(key, delayMs);
    },
    addRateLimited: (key) => {
      counts?.retried();
      delaying.addAfter(key, limiter.when(key));
    },
    forget: (key) => limiter.forget(key),
    retries: (key) => limiter.retries(key),
    get: () => fair.get(),
    done: (key) => fair.done(key),
    get length() {
      return fair.length;
    },
    shutDown: () => {
      delaying.shutDown();
      fair.shutDown();
    },
  };
}
