/**
 * What priority and fairness counts, by level and flow schema. A flow schema finds its numbers once; counting is then an addition.
 * Upstream counterpart: apiserver `util/flowcontrol/metrics/metrics.go`, of which the ratios over time (`*_utilization`, `demand_seats`) and the positions of
 * virtual time are left out: they are alpha.
 */
import type { SeatCounts } from '#pkg/apiserver/flow/queue-set.ts';
import type { Histogram, Histograms, Metrics, Tallies, Tally } from '#pkg/base/metrics.ts';
import type { DemandStats } from './priority-level.ts';

const prefix = 'apiserver_flowcontrol';
/** Source: upstream's buckets. Seconds. */
const durationBuckets = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const lengthBuckets = [0, 10, 25, 50, 100, 250, 500, 1_000];
const seatBuckets = [1, 2, 4, 8, 16, 32, 64, 100];
const watchBuckets = [0, 1, 10, 100, 1_000, 10_000];

/** Why a request was refused. */
export type RejectReason = 'concurrency-limit' | 'queue-full' | 'time-out';

/** The numbers of one flow schema in one level. */
export interface SchemaCounts extends SeatCounts {
  readonly dispatched: Tally;
  readonly waited: Histogram;
  readonly waitedInVain: Histogram;
  readonly executed: Histogram;
  readonly initialized: Histogram;
  readonly queueLengths: Histogram;
  readonly estimates: Histogram;
  readonly watchers: Histogram;
  readonly tooWide: Tally;
  rejected(reason: RejectReason): Tally;
}

/** Seats of a level, as its gauges tell them. */
export type LevelGauge =
  | 'current_limit_seats'
  | 'demand_seats_average'
  | 'demand_seats_high_watermark'
  | 'demand_seats_smoothed'
  | 'demand_seats_stdev'
  | 'lower_limit_seats'
  | 'nominal_limit_seats'
  | 'target_seats'
  | 'upper_limit_seats';

const levelGauges: Readonly<Record<LevelGauge, string>> = {
  nominal_limit_seats: 'Nominal seats of each level',
  lower_limit_seats: 'Seats that a level always has',
  upper_limit_seats: 'Seats that a level has at most',
  current_limit_seats: 'Seats that a level has now',
  demand_seats_high_watermark: 'Most seats that were wanted in the last period',
  demand_seats_average: 'Seats that were wanted in the last period, on the average over time',
  demand_seats_stdev: 'Standard deviation of the seats that were wanted in the last period',
  demand_seats_smoothed: 'Seats that are wanted, smoothed over the past',
  target_seats: 'Seats that a level is meant to have',
};

/** The families. */
export class FairnessMetrics {
  readonly #metrics: Metrics;
  readonly #gauges: ReadonlyMap<string, Tallies>;
  /** The numbers of a level that change with each period, found once. */
  readonly #demands = new Map<string, Readonly<Record<keyof DemandStats, Tally>>>();
  readonly #fraction: Tally;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.#gauges = new Map(
      Object.entries(levelGauges).map(([name, help]) => [
        name,
        metrics.gauge({ name: `${prefix}_${name}`, help, labels: ['priority_level'] }),
      ]),
    );
    this.#fraction = metrics
      .gauge({ name: `${prefix}_seat_fair_frac`, help: 'Seats of each level by what it aims at' })
      .of();
  }

  /** Which fraction of what they aim at levels get. */
  setFraction(fraction: number): void {
    this.#fraction.value = fraction;
  }

  setLevel(level: string, values: Readonly<Partial<Record<LevelGauge, number>>>): void {
    for (const [name, value] of Object.entries(values)) {
      const tally = this.#gauges.get(name)?.of(level);
      if (tally !== undefined) tally.value = value;
    }
  }

  /** What a level wanted in the last period. */
  setDemand(level: string, { highest, average, deviation, smoothed }: DemandStats): void {
    let tallies = this.#demands.get(level);
    if (tallies === undefined) {
      const of = (name: LevelGauge): Tally => this.#gauges.get(name)?.of(level) ?? { value: 0 };
      tallies = {
        highest: of('demand_seats_high_watermark'),
        average: of('demand_seats_average'),
        deviation: of('demand_seats_stdev'),
        smoothed: of('demand_seats_smoothed'),
      };
      this.#demands.set(level, tallies);
    }
    tallies.highest.value = highest;
    tallies.average.value = average;
    tallies.deviation.value = deviation;
    tallies.smoothed.value = smoothed;
  }

  /** A level that is no more. */
  forgetLevel(level: string): void {
    this.#demands.delete(level);
    for (const gauge of this.#gauges.values()) gauge.delete(level);
  }

  of(level: string, schema: string): SchemaCounts {
    const gauge = (name: string, help: string): Tally => this.#tallies('gauge', name, help).of(level, schema);
    const counter = (name: string, help: string): Tally => this.#tallies('counter', name, help).of(level, schema);
    const waits = this.#histograms('request_wait_duration_seconds', 'Time that requests were in line', ['execute']);
    const runs = this.#histograms('request_execution_seconds', 'Time that requests were worked on', ['type']);
    const rejected = this.#tallies('counter', 'rejected_requests_total', 'Requests that were refused', ['reason']);
    return {
      executing: gauge('current_executing_requests', 'Requests that are worked on'),
      executingSeats: gauge('current_executing_seats', 'Seats of requests that are worked on'),
      waiting: gauge('current_inqueue_requests', 'Requests in line'),
      waitingSeats: gauge('current_inqueue_seats', 'Seats of requests in line'),
      dispatched: counter('dispatched_requests_total', 'Requests that were worked on'),
      tooWide: counter('request_dispatch_no_accommodation_total', 'Turns at which a request did not fit'),
      rejected: (reason) => rejected.of(level, schema, reason),
      waited: waits.of(level, schema, 'true'),
      waitedInVain: waits.of(level, schema, 'false'),
      executed: runs.of(level, schema, 'regular'),
      initialized: runs.of(level, schema, 'watch'),
      queueLengths: this.#histograms(
        'request_queue_length_after_enqueue',
        'Requests in the queue that one joined',
        [],
        {
          buckets: lengthBuckets,
        },
      ).of(level, schema),
      estimates: this.#histograms('work_estimated_seats', 'Seats that requests were estimated at', [], {
        buckets: seatBuckets,
      }).of(level, schema),
      watchers: this.#histograms('watch_count_samples', 'Watches that were told of a write', [], {
        buckets: watchBuckets,
      }).of(level, schema),
    };
  }

  #tallies(type: 'counter' | 'gauge', name: string, help: string, more: readonly string[] = []): Tallies {
    return this.#metrics[type]({ name: `${prefix}_${name}`, help, labels: ['priority_level', 'flow_schema', ...more] });
  }

  #histograms(
    name: string,
    help: string,
    more: readonly string[],
    { buckets }: { readonly buckets: readonly number[] } = { buckets: durationBuckets },
  ): Histograms {
    const labels = ['priority_level', 'flow_schema', ...more];
    return this.#metrics.histogram({ name: `${prefix}_${name}`, help, labels, buckets });
  }
}
