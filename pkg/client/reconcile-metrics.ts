/**
 * What a reconcile loop says of itself, under the names that operators know. Upstream's own controllers count their queues alone.
 * Source: controller-runtime `pkg/internal/controller/metrics`.
 */
import type { Histogram, Metrics, Tally } from '#pkg/base/metrics.ts';

const labels = ['controller'];

/** Source: controller-runtime. Seconds. */
const buckets = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75, 2,
  2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];

type Result = 'error' | 'requeue_after' | 'success';

/** The counts of one loop. */
export class ReconcileMetrics {
  readonly #results: Readonly<Record<Result, Tally>>;
  readonly #errors: Tally;
  readonly #terminal: Tally;
  readonly #panics: Tally;
  readonly #active: Tally;
  readonly #times: Histogram;

  /** Counts the turns of `workers` workers of the controller `name`. */
  constructor(name: string, workers: number, metrics: Metrics) {
    const prefix = 'controller_runtime';
    const counter = (what: string, help: string): Tally =>
      metrics.counter({ name: `${prefix}_${what}`, help, labels }).of(name);
    const turns = metrics.counter({
      name: `${prefix}_reconcile_total`,
      help: 'Turns of a controller by their result',
      labels: ['controller', 'result'],
    });
    this.#results = {
      error: turns.of(name, 'error'),
      requeue_after: turns.of(name, 'requeue_after'),
      success: turns.of(name, 'success'),
    };
    this.#errors = counter('reconcile_errors_total', 'Turns that failed');
    this.#terminal = counter('terminal_reconcile_errors_total', 'Turns that failed and are not tried again');
    this.#panics = counter('reconcile_panics_total', 'Turns that a fault of the program ended');
    this.#active = metrics.gauge({ name: `${prefix}_active_workers`, help: 'Workers with a key', labels }).of(name);
    metrics.gauge({ name: `${prefix}_max_concurrent_reconciles`, help: 'Workers', labels }).of(name).value = workers;
    this.#times = metrics
      .histogram({ name: `${prefix}_reconcile_time_seconds`, help: 'Duration of a turn', labels, buckets })
      .of(name);
  }

  began(): void {
    this.#active.value++;
  }

  ended(seconds: number): void {
    this.#active.value--;
    this.#times.observe(seconds);
  }

  count(result: Result): void {
    this.#results[result].value++;
    if (result === 'error') this.#errors.value++;
  }

  terminal(): void {
    this.#terminal.value++;
  }

  panicked(): void {
    this.#panics.value++;
  }
}
