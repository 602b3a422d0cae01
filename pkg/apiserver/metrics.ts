/**
 * What the server counts about its requests. Each series is looked up once per kind of request and kept, so that counting costs
 * next to nothing. Source of names: apiserver `endpoints/metrics/metrics.go`.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { RequestInfo } from './request-info.ts';

/** Source: upstream's buckets, thinned. Seconds. */
const buckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 4, 5, 8, 10, 20, 30, 45, 60];

/** Series kept; what comes on top is counted as `other`. Unknown resources never make series. */
const seriesMax = 10_000;

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
    const names = ['verb', 'group', 'version', 'resource', 'subresource', 'scope'];
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

  /** Counts one answered request. `isServed` is false for a resource that does not exist: those share one series. */
  count(info: RequestInfo, code: number, { seconds, isServed }: { seconds: number; isServed: boolean }): void {
    const key = isServed
      ? `${info.verb} ${info.resource} ${info.group} ${info.version} ${info.subresource} ${scopeOf(info)} ${code}`
      : `other ${code}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      if (this.#series.size >= seriesMax) return;
      series = this.#make(info, code, isServed);
      this.#series.set(key, series);
    }
    series.total.inc();
    if (info.verb !== 'watch') series.duration.observe(seconds);
  }

  #make(info: RequestInfo, code: number, isServed: boolean): Series {
    const labels = isServed
      ? {
          verb: info.verb.toUpperCase(),
          group: info.group,
          version: info.version,
          resource: info.resource,
          subresource: info.subresource,
          scope: scopeOf(info),
        }
      : { verb: 'OTHER', group: '', version: '', resource: '', subresource: '', scope: '' };
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

function scopeOf({ parts, namespace, isResource }: RequestInfo): string {
  if (!isResource) return '';
  if (parts.length > 1) return 'resource';
  return namespace === '' ? 'cluster' : 'namespace';
}
