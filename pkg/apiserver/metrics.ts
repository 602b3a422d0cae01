/**
 * What the server counts about its requests, in plain numbers: counting costs next to nothing, and the library that makes a text of them is
 * loaded when somebody asks. Source of names: apiserver `endpoints/metrics/metrics.go`.
 */
import { kubernetesVersion } from '#pkg/api/facts.ts';
import type { MetricSample } from '#pkg/base/metrics.ts';
import { renderMetrics } from '#pkg/component/metrics.ts';
import type { RequestInfo } from './request-info.ts';

/** Source: upstream's buckets. Seconds. */
const buckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];

/** The component that all series are of. */
const component = 'apiserver';

/** Verbs that upstream's metrics call by their method. */
const metricVerbs: ReadonlyMap<string, string> = new Map([
  ['create', 'POST'],
  ['update', 'PUT'],
  ['get', 'GET'],
  ['patch', 'PATCH'],
  ['watch', 'WATCH'],
]);

/** Subresources that carry another protocol. */
const connects: ReadonlySet<string> = new Set(['attach', 'exec', 'portforward', 'proxy']);

/** Series kept; what comes on top is counted as `other`. Unknown resources never make series. */
const seriesMax = 10_000;

/** What is counted of one request. */
export interface CountedRequest {
  readonly seconds: number;
  /** False for a resource that does not exist: those share one series. */
  readonly isServed: boolean;
  /** A server-side apply. */
  readonly isApply: boolean;
}

/** What tells series apart, beside the code of the answer. A type and no interface, so that it is a record of texts too. */
type Labels = Readonly<
  Record<'component' | 'dry_run' | 'group' | 'resource' | 'scope' | 'subresource' | 'verb' | 'version', string>
>;

/** Counts of one kind of request. */
class Series {
  readonly labels: Labels;
  readonly status: number;
  readonly code: string;
  total = 0;
  seconds = 0;
  /** Requests by the bucket they fall into, the last one beyond all. Watches are in none. */
  readonly buckets: number[] = new Array<number>(buckets.length + 1).fill(0);

  constructor(labels: Labels, code: number) {
    this.labels = labels;
    this.status = code;
    this.code = String(code);
  }

  observe(seconds: number): void {
    this.seconds += seconds;
    let at = 0;
    while (at < buckets.length && seconds > buckets[at]!) at++;
    this.buckets[at]!++;
  }
}

/** The counts of one server. */
export class ApiMetrics {
  readonly #series: Series[] = [];
  /** The same by the resource that they are of, of which each has few: looking through them costs less than making a key. */
  readonly #byResource = new Map<string, Series[]>();
  readonly #inFlight: () => { readonly reads: number; readonly writes: number };

  constructor(inFlight: () => { readonly reads: number; readonly writes: number }) {
    this.#inFlight = inFlight;
  }

  /** Counts one answered request. */
  count(info: RequestInfo, code: number, { seconds, isServed, isApply }: CountedRequest): void {
    const series = this.#find(info, code, { isServed, isApply });
    if (series === undefined) return;
    series.total++;
    if (info.verb !== 'watch') series.observe(seconds);
  }

  /** Undefined for one too many. */
  #find(info: RequestInfo, code: number, { isServed, isApply }: Omit<CountedRequest, 'seconds'>): Series | undefined {
    const dryRun = isServed && info.query.size > 0 && info.query.has('dryRun') ? 'All' : '';
    const resource = isServed ? info.resource : '';
    let ofResource = this.#byResource.get(resource);
    if (ofResource === undefined) {
      ofResource = [];
      this.#byResource.set(resource, ofResource);
    }
    const verb = isServed ? verbOf(info, isApply) : otherLabels.verb;
    const scope = isServed ? scopeOf(info) : '';
    const { group, version, subresource } = isServed ? info : otherLabels;
    for (const series of ofResource) {
      const { labels } = series;
      if (
        series.status === code &&
        labels.verb === verb &&
        labels.subresource === subresource &&
        labels.scope === scope &&
        labels.group === group &&
        labels.version === version &&
        labels.dry_run === dryRun
      )
        return series;
    }
    if (this.#series.length >= seriesMax) return undefined;
    const made = new Series({ verb, dry_run: dryRun, group, version, resource, subresource, scope, component }, code);
    this.#series.push(made);
    ofResource.push(made);
    return made;
  }

  /** The text exposition format, and its media type. */
  render(): Promise<{ readonly text: string; readonly contentType: string }> {
    const all = this.#series;
    const { reads, writes } = this.#inFlight();
    const kinds = { readOnly: reads, mutating: writes };
    return renderMetrics([
      {
        name: 'apiserver_request_total',
        help: 'Requests by verb, resource and answer code',
        type: 'counter',
        samples: all.map(({ labels, code, total }) => ({ labels: { ...labels, code }, value: total })),
      },
      {
        name: 'apiserver_request_duration_seconds',
        help: 'Time to answer, without watches',
        type: 'histogram',
        samples: durations(all),
      },
      {
        name: 'kubernetes_build_info',
        help: 'The version that is served',
        type: 'gauge',
        samples: [{ labels: { git_version: `v${kubernetesVersion}`, ...majorMinor() }, value: 1 }],
      },
      {
        name: 'apiserver_current_inflight_requests',
        help: 'Requests under way',
        type: 'gauge',
        samples: Object.entries(kinds).map(([kind, value]) => ({ labels: { request_kind: kind }, value })),
      },
    ]);
  }
}

/** Durations whatever the answer was: series that differ in their codes alone are one here. */
function durations(all: readonly Series[]): readonly MetricSample[] {
  const byLabels = new Map<string, Series>();
  for (const { labels, buckets: counts, seconds } of all) {
    const key = JSON.stringify(labels);
    let sum = byLabels.get(key);
    if (sum === undefined) {
      sum = new Series(labels, 0);
      byLabels.set(key, sum);
    }
    sum.seconds += seconds;
    for (let i = 0; i < counts.length; i++) sum.buckets[i]! += counts[i]!;
  }
  return [...byLabels.values()].flatMap(({ labels, buckets: counts, seconds }) => {
    let count = 0;
    const samples: MetricSample[] = counts.map((more, i) => {
      count += more;
      return { suffix: '_bucket', labels: { le: String(buckets[i] ?? '+Inf'), ...labels }, value: count };
    });
    // A watch has no duration, so it has no series of them.
    if (count === 0) return [];
    return [...samples, { suffix: '_sum', labels, value: seconds }, { suffix: '_count', labels, value: count }];
  });
}

function majorMinor(): { readonly major: string; readonly minor: string } {
  const [major = '', minor = ''] = kubernetesVersion.split('.');
  return { major, minor };
}

/** Of requests for what is not served. */
const otherLabels = { verb: 'OTHER', group: '', version: '', subresource: '' };

function verbOf({ verb, subresource }: RequestInfo, isApply: boolean): string {
  if (isApply) return 'APPLY';
  if (subresource !== '' && connects.has(subresource)) return 'CONNECT';
  return metricVerbs.get(verb) ?? verb.toUpperCase();
}

/** Source: apiserver `endpoints/metrics` `CleanScope`. */
function scopeOf({ verb, name, namespace }: RequestInfo): string {
  if (name !== '' || verb === 'create') return 'resource';
  return namespace === '' ? 'cluster' : 'namespace';
}
