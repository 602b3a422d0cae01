/**
 * What is counted of the calls of admission webhooks. Two of upstream's alpha counters are left out, as their names are none that Prometheus accepts of
 * a counter (`…_rejection_count`, `…_fail_open_count`).
 * Source of names, labels and buckets: apiserver `admission/metrics/metrics.go`.
 */
import type { Histograms, Metrics, Tallies } from '#pkg/base/metrics.ts';

/** Seconds. */
const buckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25];

/** Greater codes are counted as this one. */
const codeMax = 600;

/** One call of a webhook, and what came of it. */
export interface CountedCall {
  readonly name: string;
  readonly type: 'admit' | 'validating';
  readonly operation: string;
  readonly seconds: number;
  /** Of the answer; 200 where it let the request pass. */
  readonly code: number;
  /** Whether the request was refused for it. */
  readonly isRefused: boolean;
}

/** The counts of one server. */
export class WebhookCounts {
  readonly #durations: Histograms;
  readonly #requests: Tallies;

  constructor(metrics: Metrics) {
    this.#durations = metrics.histogram({
      name: 'apiserver_admission_webhook_admission_duration_seconds',
      help: 'How long a webhook took',
      labels: ['name', 'operation', 'rejected', 'type'],
      buckets,
    });
    this.#requests = metrics.counter({
      name: 'apiserver_admission_webhook_request_total',
      help: 'Calls of webhooks, by what they answered',
      labels: ['code', 'name', 'operation', 'rejected', 'type'],
    });
  }

  count({ name, type, operation, seconds, code, isRefused }: CountedCall): void {
    const [shown, rejected] = [String(Math.min(code, codeMax)), String(isRefused)];
    this.#durations.of(name, operation, rejected, type).observe(seconds);
    this.#requests.of(shown, name, operation, rejected, type).value++;
  }
}
