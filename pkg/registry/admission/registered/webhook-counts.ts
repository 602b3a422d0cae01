/** What is counted of the calls of admission webhooks. Source of names, labels and buckets: apiserver `admission/metrics/metrics.go`. */
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
  /** Undefined where the request was not refused. */
  readonly refusedFor?: 'apiserver_internal_error' | 'calling_webhook_error' | 'no_error' | undefined;
  /** It could not be asked, and that does not count. */
  readonly failedOpen: boolean;
}

/** The counts of one server. */
export class WebhookCounts {
  readonly #durations: Histograms;
  readonly #requests: Tallies;
  readonly #rejections: Tallies;
  readonly #failedOpen: Tallies;

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
    this.#rejections = metrics.counter({
      name: 'apiserver_admission_webhook_rejection_count',
      help: 'Requests that webhooks have refused, or that were refused because they could not be asked',
      labels: ['error_type', 'name', 'operation', 'rejection_code', 'type'],
    });
    this.#failedOpen = metrics.counter({
      name: 'apiserver_admission_webhook_fail_open_count',
      help: 'Webhooks that could not be asked and were passed by',
      labels: ['name', 'type'],
    });
  }

  count({ name, type, operation, seconds, code, refusedFor, failedOpen }: CountedCall): void {
    const [shown, rejected] = [String(Math.min(code, codeMax)), String(refusedFor !== undefined)];
    this.#durations.of(name, operation, rejected, type).observe(seconds);
    this.#requests.of(shown, name, operation, rejected, type).value++;
    if (refusedFor !== undefined) this.#rejections.of(refusedFor, name, operation, shown, type).value++;
    if (failedOpen) this.#failedOpen.of(name, type).value++;
  }
}
