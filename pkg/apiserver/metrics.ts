/**
 * What the server counts about its requests, in plain numbers: counting costs next to nothing, and the library that makes a text of them is
 * loaded when somebody asks. Source of names: apiserver `endpoints/metrics/metrics.go`.
 */
import { kubernetesVersion } from '#pkg/api/facts.ts';
import { Histogram, histogramSamples, type MetricFamily, type MetricSample, type Metrics } from '#pkg/base/metrics.ts';
import { renderMetrics } from '#pkg/component/metrics.ts';
import type { Catalog } from './catalog.ts';
import type { RequestInfo } from './request-info.ts';

/** Source: upstream's buckets. Seconds. */
const buckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];

/** Source: upstream's buckets. Bytes. */
const sizeBuckets = [1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

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

/** What is looked up when somebody asks. */
export interface ApiMetricsSources {
  inFlight(): { readonly reads: number; readonly writes: number };
  readonly counts: Metrics;
  readonly catalog: Pick<Catalog, 'served'>;
  /** What the process of the server uses. */
  process(): readonly MetricFamily[];
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
  /** Of all but watches. */
  readonly times = new Histogram(buckets);
  /** Of bodies that went over the network whole. */
  readonly sizes = new Histogram(sizeBuckets);

  constructor(labels: Labels, code: number) {
    this.labels = labels;
    this.status = code;
    this.code = String(code);
  }
}

/** The counts of one server. */
export class ApiMetrics {
  readonly #series: Series[] = [];
  /** The same by the resource that they are of, of which each has few: looking through them costs less than making a key. */
  readonly #byResource = new Map<string, Series[]>();
  readonly #sources: ApiMetricsSources;

  constructor(sources: ApiMetricsSources) {
    this.#sources = sources;
  }

  /** Counts one answered request; what is returned is told of the size of its body. */
  count(info: RequestInfo, code: number, { seconds, isServed, isApply }: CountedRequest): Histogram | undefined {
    const series = this.#find(info, code, { isServed, isApply });
    if (series === undefined) return undefined;
    series.total++;
    if (info.verb !== 'watch') series.times.observe(seconds);
    return series.sizes;
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
    const { inFlight, counts, process, catalog } = this.#sources;
    const { reads, writes } = inFlight();
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
        samples: histogramsOf(all, ({ times }) => times),
      },
      {
        name: 'apiserver_response_sizes',
        help: 'Sizes of bodies that went over the network whole',
        type: 'histogram',
        samples: histogramsOf(all, ({ sizes }) => sizes, { dry_run: '' }),
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
      ...storedObjects(catalog),
      ...counts.families(),
      ...process(),
    ]);
  }
}

/** Histograms whatever the answer was: series that differ in their codes alone are one here, as are those that differ in what `without` has. */
function histogramsOf(
  all: readonly Series[],
  of: (series: Series) => Histogram,
  without: Readonly<Partial<Labels>> = {},
): readonly MetricSample[] {
  const sums = new Map<string, { readonly labels: Readonly<Record<string, string>>; readonly sum: Histogram }>();
  for (const series of all) {
    const labels = Object.fromEntries(Object.entries(series.labels).filter(([name]) => !Object.hasOwn(without, name)));
    const key = JSON.stringify(labels);
    const own = of(series);
    const known = sums.get(key) ?? { labels, sum: new Histogram(own.bounds) };
    sums.set(key, known);
    known.sum.add(own);
  }
  // A watch has no duration, so it has no series of them.
  return [...sums.values()].flatMap(({ labels, sum }) => (sum.isEmpty ? [] : histogramSamples(labels, sum)));
}

/** How many objects there are of each resource that has a cache: others would have to be counted on the disk. */
function storedObjects(catalog: Pick<Catalog, 'served'>): readonly MetricFamily[] {
  const seen = new Map<string, { readonly group: string; readonly resource: string; readonly count: number }>();
  for (const { store, info } of catalog.served()) {
    const name = info.group === '' ? info.resource : `${info.resource}.${info.group}`;
    const count = store.openCount;
    if (count !== undefined) seen.set(name, { group: info.group, resource: info.resource, count });
  }
  const all = [...seen];
  return [
    {
      name: 'apiserver_storage_objects',
      help: 'Objects that are stored, by resource',
      type: 'gauge',
      samples: all.map(([resource, { count }]) => ({ labels: { resource }, value: count })),
    },
    {
      name: 'apiserver_resource_objects',
      help: 'Objects that are stored, by group and resource',
      type: 'gauge',
      samples: all.map(([, { group, resource, count }]) => ({ labels: { group, resource }, value: count })),
    },
  ];
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
