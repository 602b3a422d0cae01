/**
 * What a component has counted, as the text that Prometheus reads. Counting needs no library: whoever counts keeps plain numbers and gives them as
 * families when they are asked for; prom-client, which makes the text of them, is loaded then.
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

/** The text exposition format of the families, in their order, and its media type. */
export async function renderMetrics(
  families: readonly MetricFamily[],
): Promise<{ readonly text: string; readonly contentType: string }> {
  const { Registry } = await import('prom-client');
  const registry = new Registry();
  for (const { name, help, type, samples } of families) {
    const values = samples.map(({ suffix = '', labels, value }) => ({ metricName: name + suffix, labels, value }));
    // A registry asks its metrics for no more than this.
    const metric = { name, help, type, get: async () => ({ name, help, type, values, aggregator: 'sum' }) };
    registry.registerMetric(metric as unknown as Parameters<typeof registry.registerMetric>[0]);
  }
  return { text: await registry.metrics(), contentType: registry.contentType };
}
