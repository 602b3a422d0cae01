/**
 * The metrics that upstream keeps stable, by name, type, labels and buckets (`stable-metrics.json`, facts of
 * `test/instrumentation/testdata/stable-metrics-list.yaml` at 1.36): held against what a cluster says of itself after some life in it.
 */
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { renderMetrics } from '#pkg/component/metrics.ts';
import { startTestCluster } from '#pkg/testing/cluster.ts';
import { type ReadFamily, readMetrics } from './metrics-text.ts';

interface Fact {
  readonly type: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

const facts: ReadonlyMap<string, Fact> = new Map(
  Object.entries(JSON.parse(readFileSync(new URL('./stable-metrics.json', import.meta.url), 'utf8'))),
);

/** What there is nothing of to tell, and why. */
const absent: readonly (readonly [names: RegExp, why: string])[] = [
  [/^apiserver_(cel|validating_admission_policy)_/, 'counted with CEL and the policies'],
  [/^apiserver_(authentication|authorization)_config_controller_/, 'configuration files are not read again'],
  [/^apiserver_validation_declarative_/, 'there is one validation'],
  [/^apiserver_storage_size_bytes$/, 'stores do not tell their size'],
  [/^(disabled|hidden|registered)_metrics_total$/, 'no metric can be switched off'],
  [/^kube_pod_resource_/, 'the scheduler serves no /metrics/resources'],
  [/^statefulset_controller_/, 'not counted yet'],
];

const annotations = { 'fake.coxswain.dev/cpu': '100m', 'fake.coxswain.dev/memory': '1Mi' };
const containers = [{ name: 'main', image: 'coxswain.dev/pause:v1' }];
const probed = [{ ...containers[0], readinessProbe: { tcpSocket: { port: 80 } } }];
const metadata = (name: string) => ({ name, namespace: 'default' });

async function lifeOfACluster() {
  const cluster = await startTestCluster();
  onTestFinished(() => cluster.stop());
  const ended = { ...annotations, 'fake.coxswain.dev/run-time': '1s' };
  const job = { template: { metadata: { annotations: ended }, spec: { containers, restartPolicy: 'Never' } } };
  const resources = { requests: { cpu: '100' } };
  const web = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata('web'), annotations },
    spec: { containers: probed },
  };
  const huge = { ...web, metadata: metadata('huge'), spec: { containers: [{ ...containers[0], resources }] } };
  const once = { apiVersion: 'batch/v1', kind: 'Job', metadata: metadata('once'), spec: job };
  const often = { schedule: '* * * * *', jobTemplate: { spec: job } };
  const cronJob = { apiVersion: 'batch/v1', kind: 'CronJob', metadata: metadata('often'), spec: often };
  await cluster.apply(web, huge, once, cronJob);
  await cluster.until(() => cluster.pods().filter(({ status }) => status?.phase === 'Succeeded').length >= 2);
  const ask = async (path: string): Promise<string> => {
    const { signal } = new AbortController();
    const request: ApiRequest = { method: 'GET', path, query: '', headers: {}, peer: { address: '' }, signal };
    const asking = cluster.client.transport.request(request);
    await cluster.advance(2_000);
    const { status, body } = await asking;
    expect(status, path).toBe(200);
    return body.kind === 'bytes' ? new TextDecoder().decode(body.bytes) : '';
  };
  await ask('/livez');
  const node = '/api/v1/nodes/node-1/proxy';
  // Its families have the names of others, with other labels.
  expect(readMetrics(await ask(`${node}/metrics/cadvisor`)).faults).toEqual([]);
  expect(JSON.parse(await ask(`${node}/configz`))).toMatchObject({ kubeletconfig: { maxPods: expect.any(Number) } });
  expect(await ask(`${node}/statusz`)).toContain('kubelet statusz');
  expect(await ask(`${node}/flagz`)).toContain('hostname-override=node-1');
  return {
    server: await ask('/metrics'),
    health: await ask('/metrics/slis'),
    kubelet: await ask(`${node}/metrics/resource`),
    kubeletItself: await ask(`${node}/metrics`),
    kubeletHealth: await ask(`${node}/metrics/slis`),
    probes: await ask(`${node}/metrics/probes`),
    components: (await renderMetrics(cluster.metrics.families())).text,
  };
}

/** How a family differs from what upstream keeps stable. */
function differences(
  name: string,
  { type, labels, buckets }: Fact,
  { type: own, samples }: ReadFamily,
): readonly string[] {
  const found: string[] = [];
  if (type !== 'custom' && own !== type) found.push(`${name} is a ${own} and no ${type}`);
  for (const { labels: all } of samples) {
    const { le: _, ...given } = all;
    const names = Object.keys(given).sort().join();
    if (names !== [...labels].sort().join()) found.push(`${name} has the labels ${names} and not ${labels.join()}`);
  }
  const bounds = [
    ...new Set(samples.flatMap(({ labels: { le } }) => (le === undefined || le === '+Inf' ? [] : [Number(le)]))),
  ];
  if (buckets !== undefined && samples.length > 0 && bounds.join() !== buckets.join()) {
    found.push(`${name} has the buckets ${bounds.join()} and not ${buckets.join()}`);
  }
  return [...new Set(found)];
}

test('what a cluster says of itself is text that Prometheus reads, and its stable metrics are upstream’s', async () => {
  const texts = await lifeOfACluster();
  const found = new Map<string, ReadFamily>();
  for (const [where, text] of Object.entries(texts)) {
    const { families, faults } = readMetrics(text);
    expect(faults, where).toEqual([]);
    for (const [name, family] of families) found.set(name, family);
  }
  const isExcused = (name: string): boolean => absent.some(([names]) => names.test(name));
  const stable = [...facts];
  expect(stable.filter(([name]) => !found.has(name) && !isExcused(name)).map(([name]) => name)).toEqual([]);
  expect(stable.filter(([name]) => found.has(name) && isExcused(name)).map(([name]) => name)).toEqual([]);
  expect(
    stable.flatMap(([name, fact]) => {
      const family = found.get(name);
      return family === undefined ? [] : differences(name, fact, family);
    }),
  ).toEqual([]);
  // What this cluster has lived through is counted, and not only named.
  const empty = stable.filter(([name]) => found.get(name)?.samples.length === 0).map(([name]) => name);
  expect(empty).toEqual([
    'apiserver_admission_webhook_admission_duration_seconds',
    'apiserver_flowcontrol_rejected_requests_total',
    'apiserver_response_sizes',
    'node_collector_evictions_total',
  ]);
});

test('what is no such text is found', () => {
  const faultsOf = (text: string) => readMetrics(text).faults.length;
  expect(faultsOf('# HELP a_total A\n# TYPE a_total counter\na_total{x="1"} 1\n')).toBe(0);
  expect(faultsOf('# HELP a_total A\n# TYPE a_total counter\na_total 1\na_total 2\n')).toBe(1);
  expect(faultsOf('# TYPE a gauge\na 1\n')).toBe(1);
  expect(faultsOf('a{x=1} 1\n')).toBe(2);
  const histogram = (second: number) =>
    `# HELP h H\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} ${second}\nh_sum 1\nh_count ${second}\n`;
  expect([faultsOf(histogram(3)), faultsOf(histogram(1))]).toEqual([0, 1]);
});
