/** What the autoscaling controller counts. Source: upstream `pkg/controller/podautoscaler/monitor`. */
import type { Clock } from '#pkg/base/clock.ts';
import { exponentialBuckets, type Histograms, type Metrics, type Tallies } from '#pkg/base/metrics.ts';

type Action = 'none' | 'scale_down' | 'scale_up';

const buckets = exponentialBuckets(0.001, 2, 16);
const prefix = 'horizontal_pod_autoscaler_controller';

/** The counts of one controller. */
export class AutoscalerMetrics {
  readonly #clock: Clock;
  readonly #looks: Tallies;
  readonly #lookTimes: Histograms;
  readonly #computations: Tallies;
  readonly #computationTimes: Histograms;

  constructor({ clock, metrics }: { readonly clock: Clock; readonly metrics: Metrics }) {
    this.#clock = clock;
    const labels = ['action', 'error'];
    const looks = { name: `${prefix}_reconciliations_total`, help: 'Looks at an autoscaler', labels };
    this.#looks = metrics.counter(looks);
    const times = { name: `${prefix}_reconciliation_duration_seconds`, help: 'How long a look took', labels, buckets };
    this.#lookTimes = metrics.histogram(times);
    const ofMetric = [...labels, 'metric_type'];
    const computed = { name: `${prefix}_metric_computation_total`, help: 'Metrics worked out', labels: ofMetric };
    this.#computations = metrics.counter(computed);
    this.#computationTimes = metrics.histogram({
      name: `${prefix}_metric_computation_duration_seconds`,
      help: 'How long a metric took to work out',
      labels: ofMetric,
      buckets,
    });
  }

  /** Counts a look; resolves to what went wrong. */
  async timed(look: () => Promise<{ readonly action: Action; readonly problem?: Error }>): Promise<Error | undefined> {
    const startMs = this.#clock.monotonicMs();
    const { action, problem } = await look();
    const error = problem === undefined ? 'none' : 'internal';
    this.#looks.of(action, error).value++;
    this.#lookTimes.of(action, error).observe((this.#clock.monotonicMs() - startMs) / 1_000);
    return problem;
  }

  /** Counts the working out of one metric. */
  async computed<T extends { readonly replicas: number }>(
    type: string,
    current: number,
    compute: () => Promise<T>,
  ): Promise<T> {
    const startMs = this.#clock.monotonicMs();
    let [action, error]: [Action, string] = ['none', 'internal'];
    try {
      const proposal = await compute();
      error = 'none';
      if (proposal.replicas !== current) action = proposal.replicas > current ? 'scale_up' : 'scale_down';
      return proposal;
    } finally {
      this.#computations.of(action, error, type).value++;
      this.#computationTimes.of(action, error, type).observe((this.#clock.monotonicMs() - startMs) / 1_000);
    }
  }
}
