/**
 * The text that Prometheus reads of what a component has counted (`pkg/base/metrics.ts`). Counting needs no library: prom-client, which makes the
 * text, is loaded when somebody asks.
 */
import type { MetricFamily } from '#pkg/base/metrics.ts';

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
