/**
 * Numbers that a part of the program counts, and the families in which they are given out. Counting is a plain addition on an object that is found
 * once for its labels; whoever turns the families into text does so when somebody asks (`pkg/component/metrics.ts`).
 *
 * Invariant: a name has one type and one list of labels in a `Metrics`; whoever asks for it again gets the same family.
 * Upstream counterpart: component-base `metrics`, over Prometheus' client.
 */

/** One number of a family. */
export interface MetricSample {
  /** After the name of the family: `_bucket`, `_sum` or `_count` of a histogram. */
  readonly suffix?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All numbers of one name. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: readonly MetricSample[];
}

/** A number that is counted up, or set. */
export interface Tally {
  value: number;
}

/** Name, meaning and labels of a family. */
export interface MetricSpec {
  readonly name: string;
  readonly help: string;
  /** Names of the labels, in the order in which their values are given. Default: none. */
  readonly labels?: readonly string[];
}

/** Series that one family keeps. Further ones count where nobody sees them: labels without bound are a mistake, and must not take the memory. */
const seriesMax = 10_000;

/** Series of one family by the values of their labels. */
class Family<S> {
  readonly spec: MetricSpec;
  readonly type: MetricFamily['type'];
  readonly #make: () => S;
  readonly #series = new Map<string, { readonly labels: Readonly<Record<string, string>>; readonly series: S }>();

  constructor(spec: MetricSpec, type: MetricFamily['type'], make: () => S) {
    this.spec = spec;
    this.type = type;
    this.#make = make;
  }

  /** The series of these values, which the caller may keep. */
  of(...values: readonly string[]): S {
    const key = values.join('\0');
    const known = this.#series.get(key);
    if (known !== undefined) return known.series;
    const series = this.#make();
    if (this.#series.size < seriesMax) {
      const labels = Object.fromEntries((this.spec.labels ?? []).map((name, at) => [name, values[at] ?? '']));
      this.#series.set(key, { labels, series });
    }
    return series;
  }

  /** Forgets the series of these values, as what they are of has gone. */
  delete(...values: readonly string[]): void {
    this.#series.delete(values.join('\0'));
  }

  entries(): readonly { readonly labels: Readonly<Record<string, string>>; readonly series: S }[] {
    return [...this.#series.values()];
  }
}

/** Numbers of one name, by the values of their labels. */
export type Tallies = Pick<Family<Tally>, 'delete' | 'of'>;

/** Histograms of one name, by the values of their labels. */
export type Histograms = Pick<Family<Histogram>, 'delete' | 'of'>;

/** How many observations fell into which bucket. */
export class Histogram {
  readonly bounds: readonly number[];
  /** By the first bound that is not below; the last one is beyond all. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    this.sum += value;
    let at = 0;
    while (at < this.bounds.length && value > (this.bounds[at] ?? 0)) at++;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
  }

  /** Takes in what another one of the same bounds has counted. */
  add({ counts, sum }: Histogram): void {
    this.sum += sum;
    counts.forEach((count, at) => {
      this.counts[at] = (this.counts[at] ?? 0) + count;
    });
  }

  get isEmpty(): boolean {
    return this.counts.every((count) => count === 0);
  }
}

/** `count` bounds, each `factor` times the one before. Source: Prometheus' `ExponentialBuckets`. */
export function exponentialBuckets(start: number, factor: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => Number((start * factor ** at).toPrecision(12)));
}

/** The families that a process, or a part of it, gives out. */
export class Metrics {
  readonly #tallies = new Map<string, Family<Tally>>();
  readonly #histograms = new Map<string, Family<Histogram>>();
  readonly #sources = new Map<string, () => readonly MetricFamily[]>();

  /** Numbers that only grow. */
  counter(spec: MetricSpec): Tallies {
    return this.#tally(spec, 'counter');
  }

  /** Numbers that are set. */
  gauge(spec: MetricSpec): Tallies {
    return this.#tally(spec, 'gauge');
  }

  /** Distributions; `buckets` are the upper bounds, ascending. */
  histogram(spec: MetricSpec & { readonly buckets: readonly number[] }): Histograms {
    let family = this.#histograms.get(spec.name);
    if (family === undefined) {
      const { buckets } = spec;
      family = new Family(spec, 'histogram', () => new Histogram(buckets));
      this.#histograms.set(spec.name, family);
    }
    return family;
  }

  /** Adds families whose numbers are looked up when they are asked for, in place of those that were added under the same `key`. */
  collect(key: string, source: () => readonly MetricFamily[]): void {
    this.#sources.set(key, source);
  }

  /** All of them now, by name; those of one name are one. */
  families(): readonly MetricFamily[] {
    const all = new Map<string, MetricFamily>();
    const add = (family: MetricFamily): void => {
      const known = all.get(family.name);
      all.set(family.name, known === undefined ? family : { ...known, samples: [...known.samples, ...family.samples] });
    };
    for (const family of this.#tallies.values()) {
      const samples = family.entries().map(({ labels, series }) => ({ labels, value: series.value }));
      add({ name: family.spec.name, help: family.spec.help, type: family.type, samples });
    }
    for (const family of this.#histograms.values()) {
      const samples = family.entries().flatMap(({ labels, series }) => histogramSamples(labels, series));
      add({ name: family.spec.name, help: family.spec.help, type: 'histogram', samples });
    }
    for (const source of this.#sources.values()) for (const family of source()) add(family);
    return [...all.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #tally(spec: MetricSpec, type: 'counter' | 'gauge'): Tallies {
    let family = this.#tallies.get(spec.name);
    if (family === undefined) {
      family = new Family<Tally>(spec, type, () => ({ value: 0 }));
      this.#tallies.set(spec.name, family);
    }
    return family;
  }
}

/** The lines of one histogram. */
export function histogramSamples(
  labels: Readonly<Record<string, string>>,
  { bounds, counts, sum }: Pick<Histogram, 'bounds' | 'counts' | 'sum'>,
): readonly MetricSample[] {
  let total = 0;
  const buckets: MetricSample[] = counts.map((count, at) => {
    total += count;
    return { suffix: '_bucket', labels: { le: String(bounds[at] ?? '+Inf'), ...labels }, value: total };
  });
  return [...buckets, { suffix: '_sum', labels, value: sum }, { suffix: '_count', labels, value: total }];
}
