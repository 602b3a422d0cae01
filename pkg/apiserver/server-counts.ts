/**
 * What a server counts beside its requests (`metrics.ts`): watches that go on, admission, deprecated versions that somebody asked for. Labels are looked
 * up once where it is often; series of what comes by itself are bounded by `Metrics`.
 * Source of names: apiserver `endpoints/metrics/metrics.go`, `admission/metrics/metrics.go`.
 */
import type { Clock } from '#pkg/base/clock.ts';
import { type Histogram, type Histograms, Metrics, type Tallies, type Tally } from '#pkg/base/metrics.ts';
import type { RequestInfo } from './request-info.ts';

/** Source: upstream's buckets. Seconds. */
const admissionBuckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5];

/** What admission was asked for, and how it ended. */
export interface AdmissionTurn {
  readonly operation: string;
  readonly step: 'admit' | 'validate';
  readonly isRejected: boolean;
}

/** The counts of one server. */
export class ServerCounts {
  readonly metrics = new Metrics();
  readonly clock: Clock;
  readonly #longRunning: Tallies;
  readonly #deprecated: Tallies;
  readonly #steps: Histograms;
  readonly #plugins: Histograms;
  /** Histograms of steps and plugins by a short text, so that labels need not be put together at each request. */
  readonly #known = new Map<string, Histogram>();

  constructor(clock: Clock) {
    this.clock = clock;
    this.#longRunning = this.metrics.gauge({
      name: 'apiserver_longrunning_requests',
      help: 'Watches that go on, by resource and scope',
      labels: ['component', 'group', 'resource', 'scope', 'subresource', 'verb', 'version'],
    });
    this.#deprecated = this.metrics.gauge({
      name: 'apiserver_requested_deprecated_apis',
      help: 'Deprecated versions that were asked for',
      labels: ['group', 'removed_release', 'resource', 'subresource', 'version'],
    });
    this.#steps = this.metrics.histogram({
      name: 'apiserver_admission_step_admission_duration_seconds',
      help: 'How long all plugins together took',
      labels: ['operation', 'rejected', 'type'],
      buckets: admissionBuckets,
    });
    this.#plugins = this.metrics.histogram({
      name: 'apiserver_admission_controller_admission_duration_seconds',
      help: 'How long one plugin took',
      labels: ['name', 'operation', 'rejected', 'type'],
      buckets: admissionBuckets,
    });
  }

  /** How many watches like this one there are. */
  watches({ group, version, resource, namespace, name }: RequestInfo): Tally {
    const scope = name === '' ? (namespace === '' ? 'cluster' : 'namespace') : 'resource';
    return this.#longRunning.of('apiserver', group, resource, scope, '', 'WATCH', version);
  }

  /** A version was asked for of which clients are warned. */
  deprecated({ group, version, resource, subresource }: RequestInfo): void {
    this.#deprecated.of(group, '', resource, subresource, version).value = 1;
  }

  /** All plugins of a step have had their turn since `startMs`. */
  stepped(turn: AdmissionTurn, startMs: number): void {
    const { operation, step, isRejected } = turn;
    const key = `${operation}${step}${isRejected}`;
    let histogram = this.#known.get(key);
    if (histogram === undefined) {
      histogram = this.#steps.of(operation, String(isRejected), step);
      this.#known.set(key, histogram);
    }
    histogram.observe((this.clock.monotonicMs() - startMs) / 1_000);
  }

  /** One plugin has had its turn since `startMs`. */
  asked(name: string, { operation, step, isRejected }: AdmissionTurn, startMs: number): void {
    const key = `${name} ${operation}${step}${isRejected}`;
    let histogram = this.#known.get(key);
    if (histogram === undefined) {
      histogram = this.#plugins.of(name, operation, String(isRejected), step);
      this.#known.set(key, histogram);
    }
    histogram.observe((this.clock.monotonicMs() - startMs) / 1_000);
  }
}
