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
const metricVerbs: Readonly<Record<string, string>> = { create: 'POST', update: 'PUT' };

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

/** Counts of one kind of request. */
class Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly code: string;
  total = 0;
  seconds = 0;
  /** Requests by the bucket they fall into, the last one beyond all. Watches are in none. */
  readonly buckets: number[] = new Array<number>(buckets.length + 1).fill(0);

  constructor(labels: Readonly<Record<string, string>>, code: number) {
    this.labels = labels;
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
  readonly #series = new Map<string, Series>();
  readonly #inFlight: () => { readonly reads: number; readonly writes: number };

  constructor(inFlight: () => { readonly reads: number; readonly writes: number }) {
    this.#inFlight = inFlight;
  }

  /** Counts one answered request. */
  count(info: RequestInfo, code: number, { seconds, isServed, isApply }: CountedRequest): void {
    const dryRun = info.query.size > 0 && info.query.has('dryRun') ? 'All' : '';
    const key = isServed
      ? `${info.verb} ${isApply} ${dryRun} ${info.resource} ${info.group} ${info.version} ${info.subresource} ${scopeOf(info)} ${code}`
      : `other ${code}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      if (this.#series.size >= seriesMax) return;
      series = new Series(isServed ? labelsOf(info, { isApply, dryRun }) : otherLabels, code);
      this.#series.set(key, series);
    }
    series.total++;
    if (info.verb !== 'watch') series.observe(seconds);
  }

  /** The text exposition format, and its media type. */
  render(): Promise<{ readonly text: string; readonly contentType: string }> {
    const all = [...this.#series.values()];
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

const otherLabels: Readonly<Record<string, string>> = {
  verb: 'OTHER',
  dry_run: '',
  group: '',
  version: '',
  resource: '',
  subresource: '',
  scope: '',
  component,
};

function labelsOf(info: RequestInfo, { isApply, dryRun }: { isApply: boolean; dryRun: string }) {
  const { verb, group, version, resource, subresource } = info;
  const called = isApply ? 'APPLY' : connects.has(subresource) ? 'CONNECT' : (metricVerbs[verb] ?? verb.toUpperCase());
  return { verb: called, dry_run: dryRun, group, version, resource, subresource, scope: scopeOf(info), component };
}

/** Source: apiserver `endpoints/metrics` `CleanScope`. */
function scopeOf({ verb, name, namespace }: RequestInfo): string {
  if (name !== '' || verb === 'create') return 'resource';
  return namespace === '' ? 'cluster' : 'namespace';
}
