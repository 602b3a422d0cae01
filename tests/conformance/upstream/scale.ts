/**
 * How long a Deployment of many replicas takes, and what it costs, with our controllers and with upstream's, in turns against servers of the same kind:
 *
 *     node tests/conformance/upstream/scale.ts --manager kube-controller-manager [--apiserver kube-apiserver] [--replicas 1000] [--nodes 10] [--turns 3]
 *
 * Writes are those of all controllers together, events left out, as the API server counts them.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { deployments, pods, replicaSets } from '#pkg/api/types/refs.ts';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';

const { values } = parseArgs({
  options: {
    manager: { type: 'string', default: 'kube-controller-manager' },
    apiserver: { type: 'string' },
    etcd: { type: 'string', default: '/usr/bin/etcd' },
    replicas: { type: 'string', default: '1000' },
    nodes: { type: 'string', default: '10' },
    turns: { type: 'string', default: '3' },
  },
});
const replicas = Number(values.replicas);
const clock = new SystemClock();
const { signal } = new AbortController();
const namespace = 'default';

interface Cost {
  readonly ms: number;
  readonly cpuMs: number;
  readonly writes: ReadonlyMap<string, number>;
}

/** Changing requests by verb and resource; those of nodes and scheduler, which are the same for both, and events are left out. */
function writesIn(metrics: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const line of metrics.split('\n')) {
    if (!line.startsWith('apiserver_request_total{')) continue;
    const label = (name: string): string => new RegExp(`[{,]${name}="([^"]*)"`).exec(line)?.[1] ?? '';
    const [verb, resource, subresource] = [label('verb'), label('resource'), label('subresource')];
    if (!['POST', 'PUT', 'PATCH', 'DELETE', 'APPLY'].includes(verb)) continue;
    if (!['deployments', 'replicasets', 'pods'].includes(resource) || (resource === 'pods' && subresource !== ''))
      continue;
    const key = `${verb} ${resource}${subresource === '' ? '' : `/${subresource}`}`;
    found.set(key, (found.get(key) ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1)));
  }
  return found;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(clock, 20, signal);
}

async function measure(plane: ControlPlane): Promise<Cost> {
  const { client } = plane;
  const resource = client.resource(deployments);
  const template = { metadata: { labels: { app: 'warm' } }, spec: { containers: [{ name: 'main', image: 'v1' }] } };
  const make = (name: string, count: number) =>
    resource.create({
      metadata: { name, namespace },
      spec: {
        replicas: count,
        selector: { matchLabels: { app: name } },
        template: { ...template, metadata: { labels: { app: name } } },
      },
    });
  const isReady = async (name: string, count: number): Promise<boolean> =>
    (await resource.get(name, { namespace })).status?.availableReplicas === count;
  // The controllers work, and everything is loaded.
  await make('warm', 10);
  await until(() => isReady('warm', 10));
  const before = writesIn(await plane.metrics());
  const cpuBefore = plane.managerCpuMs();
  const startMs = clock.monotonicMs();
  await make('large', replicas);
  await until(() => isReady('large', replicas));
  const ms = clock.monotonicMs() - startMs;
  // What is written after it is complete counts as well.
  await sleep(clock, 3_000, signal);
  const cpuMs = plane.managerCpuMs() - cpuBefore;
  const after = writesIn(await plane.metrics());
  const writes = new Map([...after].map(([key, count]) => [key, count - (before.get(key) ?? 0)] as const));
  await client.resource(pods).list({ namespace, limit: 1 });
  await client.resource(replicaSets).list({ namespace, limit: 1 });
  return { ms, cpuMs, writes: new Map([...writes].filter(([, count]) => count > 0)) };
}

async function turn(manager: string | undefined, label: string): Promise<Cost> {
  const folder = mkdtempSync(join(tmpdir(), 'controllers-scale-'));
  const { apiserver, etcd } = values;
  const plane = await startControlPlane({ apiserver, etcd, manager, nodes: Number(values.nodes), folder });
  try {
    await plane.startManager();
    const cost = await measure(plane);
    const total = [...cost.writes.values()].reduce((sum, count) => sum + count, 0);
    const detail = [...cost.writes].map(([key, count]) => `${key} ${count}`).join(', ');
    console.log(
      `${label}\t${(cost.ms / 1000).toFixed(1)} s\tCPU of the manager ${(cost.cpuMs / 1000).toFixed(1)} s\twrites ${total} (${detail})`,
    );
    return cost;
  } finally {
    await plane.stop();
  }
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
const [ours, theirs]: [Cost[], Cost[]] = [[], []];
for (let index = 0; index < Number(values.turns); index++) {
  ours.push(await turn(undefined, 'ours'));
  theirs.push(await turn(values.manager, 'upstream'));
}
const ratio = median(ours.map(({ ms }) => ms)) / median(theirs.map(({ ms }) => ms));
console.log(`${replicas} replicas: ours take ${ratio.toFixed(3)} of the time of upstream's`);
