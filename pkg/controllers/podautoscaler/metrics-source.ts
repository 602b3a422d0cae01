/**
 * Where an autoscaler's numbers come from: `metrics.k8s.io`, and `custom.metrics.k8s.io` and `external.metrics.k8s.io` where somebody serves them.
 * Every method throws, in words for an event, where there is no number.
 * Upstream counterpart: `pkg/controller/podautoscaler/metrics/client.go`; `k8s.io/metrics/pkg/client`.
 */
import type { CrossVersionObjectReference } from '#pkg/api/types/autoscaling-v2.ts';
import type { PodMetrics as PodMetricsObject } from '#pkg/api/types/metrics-v1beta1.ts';
import { podMetrics } from '#pkg/api/types/refs.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { parseApiVersion } from '#pkg/apimachinery/object.ts';
import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { bodyObject } from '#pkg/client/body-object.ts';
import type { Client } from '#pkg/client/client.ts';
import { findResource } from '#pkg/client/discovery.ts';
import { errorOf } from '#pkg/client/rest-client.ts';
import { timeMs } from '../common/pod.ts';
import { milliOf, type PodMetric, type PodMetrics } from './replica-calculator.ts';

/** Source: upstream `metricServerDefaultMetricWindow`. */
const windowMsDefault = 60_000;

/** Versions of the custom metrics API that are tried, in this order. */
const customVersions = ['v1beta2', 'v1beta1'] as const;

/** Whose numbers. */
export interface PodsQuery {
  readonly namespace: string;
  readonly selector: string;
  readonly signal: AbortSignal;
}

/** One custom or external metric. */
export interface MetricQuery {
  readonly namespace: string;
  readonly metric: string;
  /** As text; `''` selects everything. */
  readonly metricSelector: string;
  readonly signal: AbortSignal;
}

/** The numbers that there are, asked for in the name of `client`. */
export class MetricsSource {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** What pods use of a resource: all of their containers, or one. */
  async resource(resource: string, query: PodsQuery, container?: string): Promise<PodMetrics> {
    const { namespace, selector, signal } = query;
    const items = await this.#client
      .resource(podMetrics)
      .list({ namespace, labelSelector: selector, signal })
      .then(
        (list) => list.items,
        (error: unknown) => failed('resource', error),
      );
    if (items.length === 0) throw new Error('no metrics returned from resource metrics API');
    const values = new Map<string, PodMetric>();
    for (const item of items) {
      const milli = container === undefined ? sumOf(item, resource) : ofContainer(item, resource, container);
      if (milli === undefined) continue;
      const window = parseDurationMs(item.window) ?? windowMsDefault;
      values.set(item.metadata?.name ?? '', { timeMs: timeMs(item.timestamp), windowMs: window, milli });
    }
    return values;
  }

  /** A custom metric of each pod. */
  async pods(query: MetricQuery & PodsQuery): Promise<PodMetrics> {
    const path = `namespaces/${encodeURIComponent(query.namespace)}/pods/*/${encodeURIComponent(query.metric)}`;
    const items = await this.#custom(path, query, query.selector);
    const values = new Map<string, PodMetric>();
    for (const item of items) {
      const { describedObject, windowSeconds, timestamp } = item;
      const milli = milliIn(item);
      if (!isObject(describedObject) || typeof describedObject.name !== 'string' || milli === undefined) continue;
      values.set(describedObject.name, {
        milli,
        timeMs: typeof timestamp === 'string' ? timeMs(timestamp) : 0,
        windowMs: typeof windowSeconds === 'number' ? windowSeconds * 1_000 : windowMsDefault,
      });
    }
    return values;
  }

  /** A custom metric of one object, in thousandths. */
  async object(query: MetricQuery, object: CrossVersionObjectReference): Promise<number> {
    const { namespace, metric } = query;
    const group = parseApiVersion(object.apiVersion ?? 'v1')?.group ?? '';
    const isNamespace = object.kind === 'Namespace' && group === '';
    const ref = await findResource(this.#client, object.apiVersion ?? 'v1', object.kind);
    if (ref === undefined) {
      const why = `no matches for kind "${object.kind}" in group "${group}"`;
      throw new Error(`unable to fetch metrics from custom metrics API: ${why}`);
    }
    const resource = ref.group === '' ? ref.resource : `${ref.resource}.${ref.group}`;
    const name = encodeURIComponent(isNamespace ? namespace : object.name);
    const path = isNamespace
      ? `namespaces/${name}/metrics/${encodeURIComponent(metric)}`
      : `namespaces/${encodeURIComponent(namespace)}/${resource}/${name}/${encodeURIComponent(metric)}`;
    const [first] = await this.#custom(path, query);
    const milli = first === undefined ? undefined : milliIn(first);
    if (milli === undefined) throw new Error('no metrics returned from custom metrics API');
    return milli;
  }

  /** The sum of an external metric, in thousandths. */
  async external({ namespace, metric, metricSelector, signal }: MetricQuery): Promise<number> {
    const path = `/apis/external.metrics.k8s.io/v1beta1/namespaces/${encodeURIComponent(namespace)}/${encodeURIComponent(metric)}`;
    const query = metricSelector === '' ? '' : new URLSearchParams({ labelSelector: metricSelector }).toString();
    const items = await this.#items(path, query, signal).catch((error: unknown) => failed('external', error));
    if (items.length === 0) throw new Error('no metrics returned from external metrics API');
    return items.reduce((all, item) => all + (milliIn(item) ?? 0), 0);
  }

  async #custom(path: string, { metricSelector, signal }: MetricQuery, labelSelector = '') {
    let first: unknown;
    for (const version of customVersions) {
      const query = new URLSearchParams();
      if (labelSelector !== '') query.set('labelSelector', labelSelector);
      if (metricSelector !== '') query.set('metricLabelSelector', metricSelector);
      try {
        const items = await this.#items(`/apis/custom.metrics.k8s.io/${version}/${path}`, query.toString(), signal);
        if (items.length === 0) throw new Error('no metrics returned from custom metrics API');
        return items;
      } catch (error) {
        signal.throwIfAborted();
        first ??= error;
      }
    }
    return failed('custom', first);
  }

  async #items(
    path: string,
    query: string,
    signal: AbortSignal,
  ): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const response = await this.#client.transport.request({
      method: 'GET',
      path,
      query,
      headers: { accept: 'application/json' },
      peer: { address: '' },
      signal,
    });
    if (response.status !== 200) throw await errorOf(response);
    const body = await bodyObject(response);
    const items: unknown = isObject(body) ? body.items : undefined;
    return Array.isArray(items) ? items.filter(isObject) : [];
  }
}

function failed(which: string, error: unknown): never {
  throw new Error(`unable to fetch metrics from ${which} metrics API: ${errorText(error)}`, { cause: error });
}

function milliIn({ value }: Readonly<Record<string, unknown>>): number | undefined {
  return typeof value === 'string' || typeof value === 'number' ? milliOf(String(value)) : undefined;
}

/** Undefined where one of the containers has none. */
function sumOf({ containers = [] }: PodMetricsObject, resource: string): number | undefined {
  if (containers.length === 0) return undefined;
  let sum = 0;
  for (const { usage } of containers) {
    const milli = milliOf(usage[resource]);
    if (milli === undefined) return undefined;
    sum += milli;
  }
  return sum;
}

function ofContainer({ containers, metadata }: PodMetricsObject, resource: string, name: string): number | undefined {
  const found = containers.find((container) => container.name === name);
  if (found === undefined) {
    const pod = `${metadata?.namespace}/${metadata?.name}`;
    throw new Error(`failed to get container metrics: container ${name} not present in metrics for pod ${pod}`);
  }
  return milliOf(found.usage[resource]);
}
