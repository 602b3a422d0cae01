/**
 * What the server counts about its requests. Each series is looked up once per kind of request and kept, so that counting costs
 * next to nothing. Source of names: apiserver `endpoints/metrics/metrics.go`.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { kubernetesVersion } from '#pkg/api/facts.ts';
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

export interface CountedRequest {
  readonly seconds: number;
  /** False for a resource that does not exist: those share one series. */
  readonly isServed: boolean;
  /** A server-side apply. */
  readonly isApply: boolean;
}

interface Series {
  readonly total: { inc(): void };
  readonly duration: { observe(seconds: number): void };
}

export class ApiMetrics {
  readonly #registry = new Registry();
  readonly #series = new Map<string, Series>();
  readonly #total: Counter;
  readonly #duration: Histogram;

  constructor(inFlight: () => { readonly reads: number; readonly writes: number }) {
    const registers = [this.#registry];
    const names = ['verb', 'dry_run', 'group', 'version', 'resource', 'subresource', 'scope', 'component'];
    this.#total = new Counter({
      name: 'apiserver_request_total',
      help: 'Requests by verb, resource and answer code',
      labelNames: [...names, 'code'],
      registers,
    });
    this.#duration = new Histogram({
      name: 'apiserver_request_duration_seconds',
      help: 'Time to answer, without watches',
      labelNames: names,
      buckets,
      registers,
    });
    new Gauge({
      name: 'kubernetes_build_info',
      help: 'The version that is served',
      labelNames: ['git_version', 'major', 'minor'],
      registers,
    }).set({ git_version: `v${kubernetesVersion}`, ...majorMinor() }, 1);
    new Gauge({
      name: 'apiserver_current_inflight_requests',
      help: 'Requests under way',
      labelNames: ['request_kind'],
      registers,
      collect() {
        const { reads, writes } = inFlight();
        this.set({ request_kind: 'readOnly' }, reads);
        this.set({ request_kind: 'mutating' }, writes);
      },
    });
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
      series = this.#make(code, isServed ? labelsOf(info, { isApply, dryRun }) : otherLabels);
      this.#series.set(key, series);
    }
    series.total.inc();
    if (info.verb !== 'watch') series.duration.observe(seconds);
  }

  #make(code: number, labels: Readonly<Record<string, string>>): Series {
    return { total: this.#total.labels({ ...labels, code: String(code) }), duration: this.#duration.labels(labels) };
  }

  /** The text exposition format. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
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
