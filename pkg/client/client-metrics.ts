/** What a client says of its requests. Source: component-base `metrics/prometheus/restclient`. */
import type { Clock } from '#pkg/base/clock.ts';
import type { Histogram, Histograms, Metrics, Tallies, Tally } from '#pkg/base/metrics.ts';

/** Source: upstream's buckets. Seconds. */
const buckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

/** The counts of all clients that share a `Metrics`. */
export class ClientMetrics {
  readonly #clock: Clock;
  readonly #requests: Tallies;
  readonly #durations: Histograms;
  /** By method, then by code: found with no text put together. */
  readonly #known = new Map<string, { readonly duration: Histogram; readonly codes: Map<number, Tally> }>();

  /** Counts in `metrics`, by the time of `clock`. */
  constructor(metrics: Metrics, clock: Clock) {
    this.#clock = clock;
    this.#requests = metrics.counter({
      name: 'rest_client_requests_total',
      help: 'Requests by method and answer code; the host is empty, as there is one server',
      labels: ['code', 'method', 'host'],
    });
    this.#durations = metrics.histogram({
      name: 'rest_client_request_duration_seconds',
      help: 'Time until the head of the answer',
      labels: ['verb', 'host'],
      buckets,
    });
  }

  get nowMs(): number {
    return this.#clock.monotonicMs();
  }

  /** A request that was sent at `startMs` was answered. */
  count(method: string, code: number, startMs = this.nowMs): void {
    let known = this.#known.get(method);
    if (known === undefined) {
      known = { duration: this.#durations.of(method, ''), codes: new Map() };
      this.#known.set(method, known);
    }
    let tally = known.codes.get(code);
    if (tally === undefined) {
      tally = this.#requests.of(String(code), method, '');
      known.codes.set(code, tally);
    }
    tally.value++;
    known.duration.observe((this.nowMs - startMs) / 1_000);
  }
}
