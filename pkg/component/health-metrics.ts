/**
 * The results of health checks as numbers, for service level indicators. Counted whenever checks are run, whoever asked.
 * Source: component-base `metrics/prometheus/slis`.
 */
import { Metrics, type Tallies } from '#pkg/base/metrics.ts';

/** The numbers of one process. */
export class HealthMetrics {
  readonly metrics = new Metrics();
  readonly #now: Tallies;
  readonly #all: Tallies;

  constructor() {
    const help = 'This metric records the result of a single healthcheck.';
    this.#now = this.metrics.gauge({ name: 'kubernetes_healthcheck', help, labels: ['name', 'type'] });
    this.#all = this.metrics.counter({
      name: 'kubernetes_healthchecks_total',
      help: 'This metric records the results of all healthcheck.',
      labels: ['name', 'type', 'status'],
    });
  }

  /** `type` is the page that was asked for: `healthz`, `livez` or `readyz`. */
  observe(type: string, name: string, isHealthy: boolean): void {
    this.#now.of(name, type).value = isHealthy ? 1 : 0;
    this.#all.of(name, type, isHealthy ? 'success' : 'error').value++;
  }
}
