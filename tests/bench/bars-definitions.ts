/** How soon a custom resource is served where there are many, and what their definitions cost in memory and at a start. */
import { sleep } from '#pkg/base/async.ts';
import { residentMb, type Stage, timed } from './bars-stage.ts';
import { readTarget } from './kubeconfig.ts';
import { clock, openAll } from './load.ts';
import { median, quantile } from './statistics.ts';

const count = 500;
const more = 100;
/** Starts with the definitions and without; one takes some tens of milliseconds more or less than another. */
const starts = 7;
const group = 'bars.example.com';
/** Where definitions are made. */
export const definitionsPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const servedLimitMs = 10_000;

/** One of many definitions, as JSON. */
export function definition(n: number): string {
  const field = (type: string) => ({ type });
  const spec = {
    type: 'object',
    properties: {
      name: field('string'),
      replicas: { ...field('integer'), minimum: 0 },
      tags: { type: 'array', items: field('string') },
      template: {
        type: 'object',
        properties: { image: field('string'), ports: { type: 'array', items: field('integer') } },
      },
    },
    required: ['name'],
  };
  const schema = {
    openAPIV3Schema: {
      type: 'object',
      properties: { spec, status: { type: 'object', properties: { phase: field('string') } } },
    },
  };
  return JSON.stringify({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `things${n}.${group}` },
    spec: {
      group,
      names: { plural: `things${n}`, kind: `Thing${n}` },
      scope: 'Namespaced',
      versions: [{ name: 'v1', served: true, storage: true, schema, subresources: { status: {} } }],
    },
  });
}

/** Measures, and starts the cluster again with all of the definitions. */
export async function definitionBars({ cluster, clients, serverPid, say }: Stage): Promise<void> {
  const [client] = clients;
  if (client === undefined) return;
  const startOf = async (): Promise<number> => {
    await cluster.down();
    const startMs = clock.monotonicMs();
    await cluster.up();
    return clock.monotonicMs() - startMs;
  };
  const startsOf = async (): Promise<readonly number[]> => {
    const took: number[] = [];
    while (took.length < starts) took.push(await startOf());
    return took;
  };
  const servedMs = async (n: number): Promise<number> => {
    const startMs = clock.monotonicMs();
    await timed(client, { method: 'POST', path: definitionsPath, body: definition(n) });
    for (;;) {
      const { status } = await client.request({ method: 'GET', path: `/apis/${group}/v1/things${n}` });
      const tookMs = clock.monotonicMs() - startMs;
      if (status === 200) return tookMs;
      if (tookMs > servedLimitMs) throw new Error(`things${n} are not served after ${tookMs} ms: ${status}`);
    }
  };
  const before = residentMb(serverPid());
  for (let n = 0; n < count; n++) await servedMs(n);
  await sleep(clock, 5_000);
  say({
    figure: `${count} definitions add to the API server`,
    value: residentMb(serverPid()) - before,
    unit: 'MB',
    most: 60,
  });
  const times: number[] = [];
  for (let n = count; n < count + more; n++) times.push(await servedMs(n));
  say({ figure: `a definition is served after, median of ${more} beside them`, value: median(times), unit: 'ms' });
  say({ figure: 'the same, p99', value: quantile(times, 0.99), unit: 'ms', most: 50 });
  const withAll = await startsOf();
  const [again] = await openAll(readTarget(cluster.kubeconfig), 1);
  if (again === undefined) return;
  await timed(again, { method: 'DELETE', path: definitionsPath });
  while (!(await again.request({ method: 'GET', path: definitionsPath, keepBody: true })).body.includes('"items":[]'))
    await sleep(clock, 200);
  again.close();
  const without = await startsOf();
  const added = median(withAll) - median(without);
  say({
    figure: `${count + more} definitions add to the start (medians of ${starts})`,
    value: added,
    unit: 'ms',
    most: 30,
  });
}
