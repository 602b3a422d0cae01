/**
 * What a server counts beside its requests (`metrics.ts`): watches that go on, admission, deprecated versions that somebody asked for. Labels are looked
 * up once where it is often; series of what comes by itself are bounded by `Metrics`.
 * Source of names: apiserver `endpoints/metrics/metrics.go`, `admission/metrics/metrics.go`.
 */
import type { Clock } from '#pkg/base/clock.ts';
import { type Histogram, type Histograms, Metrics, type Tallies, type Tally } from '#pkg/base/metrics.ts';
import { WatchCounts } from './flow/watch-counts.ts';
import type { RequestInfo } from './request-info.ts';

/** Source: upstream's buckets. Seconds. */
const admissionBuckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5];

/** The counts of one server. */
export class ServerCounts {
  readonly metrics = new Metrics();
  readonly clock: Clock;
  readonly watchCounts = new WatchCounts();
  readonly #longRunning: Tallies;
  readonly #deprecated: Tallies;
  readonly #steps: Histograms;
  readonly #plugins: Histograms;

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

  /** Where the turns of a step are counted: of one plugin, or of all together. */
  turnsOf(step: string, plugin?: string): AdmissionTurns {
    return new AdmissionTurns((operation, isRejected) =>
      plugin === undefined
        ? this.#steps.of(operation, String(isRejected), step)
        : this.#plugins.of(plugin, operation, String(isRejected), step),
    );
  }

  /** Counts a turn that began at `startMs`, and says when it ended. */
  observe(histogram: Histogram, startMs: number): number {
    const nowMs = this.clock.monotonicMs();
    histogram.observe((nowMs - startMs) / 1_000);
    return nowMs;
  }
}

/** The turns of one step or plugin by operation, of which there are four: found with no text put together. */
export class AdmissionTurns {
  readonly #make: (operation: string, isRejected: boolean) => Histogram;
  readonly #known = new Map<string, { readonly passed: Histogram; readonly refused: Histogram }>();

  constructor(make: (operation: string, isRejected: boolean) => Histogram) {
    this.#make = make;
  }

  of(operation: string): { readonly passed: Histogram; readonly refused: Histogram } {
    let turns = this.#known.get(operation);
    if (turns === undefined) {
      turns = { passed: this.#make(operation, false), refused: this.#make(operation, true) };
      this.#known.set(operation, turns);
    }
    return turns;
  }
}
