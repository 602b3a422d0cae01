/**
 * What a busy hour costs: Deployments are made, become ready on fake nodes and are deleted, at a steady rate, while the memory of the cluster, its
 * folder on the disk and the answers of /readyz are watched; then the cluster starts again. `node tests/bench/churn.ts --help`.
 *
 * It is not a row of `npm run bench`, as what it shows takes minutes. A signal ends it and its cluster; a second one ends it at once.
 */
import { resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { sleep } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { Connection } from './connection.ts';
import { interrupted } from './interrupted.ts';
import { KeptCluster, type Sample } from './kept-cluster.ts';
import type { Target } from './kubeconfig.ts';
import { clock, openAll } from './load.ts';

const usage = `Usage: node tests/bench/churn.ts [flags]

  --seconds <n>       How long. Default: 300.
  --rate <n>          Deployments a minute. Default: 1000.
  --clients <n>       Clients that make, await and delete one after the other. Default: 8.
  --replicas <n>      Pods of each Deployment. Default: 3.
  --nodes <n>         Fake nodes. Default: 3.
  --events <n>        Instead of Deployments: events, as fast as the clients can write them.
  --checkout <dir>    Where the coxswain is that is measured. Default: this one.
  --profile <dir>     Write CPU profiles of the cluster there.
  --log               Print a line for each ten seconds, and for each answer of /readyz that took over 75 ms.
`;

const namespace = 'churn';

/** How long a Deployment may take to become ready before the run fails. */
const readyMsMax = 120_000;

/** How often /readyz is asked. */
const readyzPeriodMs = 50;

/** An answer of /readyz that is worth a line. */
const slowMs = 75;

interface Flags {
  readonly seconds: number;
  readonly rate: number;
  readonly clients: number;
  readonly replicas: number;
  readonly nodes: number;
  readonly events: number;
  readonly checkout: string;
  readonly profile: string | undefined;
  readonly log: boolean;
}

function deploymentBody(name: string, replicas: number): string {
  const labels = { app: name };
  const resources = { requests: { cpu: '10m', memory: '16Mi' } };
  return JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [{ name: 'main', image: 'coxswain.dev/echo', resources }],
        },
      },
    },
  });
}

/** Makes, awaits and deletes Deployments until the time is over; resolves with how many. */
async function churn(connections: readonly Connection[], flags: Flags): Promise<number> {
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  const startMs = clock.monotonicMs();
  let next = 0;
  let done = 0;
  const client = async (connection: Connection): Promise<void> => {
    for (;;) {
      const n = next++;
      const atMs = (n * 60_000) / flags.rate;
      if (atMs >= flags.seconds * 1_000) return;
      await sleep(clock, startMs + atMs - clock.monotonicMs());
      const name = `web-${n}`;
      await ask(connection, { method: 'POST', path, body: deploymentBody(name, flags.replicas) });
      await untilReady(connection, `${path}/${name}`, flags.replicas);
      await ask(connection, { method: 'DELETE', path: `${path}/${name}` });
      done++;
    }
  };
  await Promise.all(connections.map(client));
  return done;
}

async function untilReady(connection: Connection, path: string, replicas: number): Promise<void> {
  const startMs = clock.monotonicMs();
  for (let waitMs = 50; clock.monotonicMs() - startMs < readyMsMax; waitMs = Math.min(400, waitMs * 2)) {
    await sleep(clock, waitMs);
    const body = await ask(connection, { method: 'GET', path });
    if ((JSON.parse(body) as { status?: { readyReplicas?: number } }).status?.readyReplicas === replicas) return;
  }
  throw new Error(`${path} did not become ready in ${readyMsMax} ms`);
}

/** Writes events until there are as many; resolves with how many. */
async function writeEvents(connections: readonly Connection[], count: number): Promise<number> {
  const path = `/api/v1/namespaces/${namespace}/events`;
  let next = 0;
  const client = async (connection: Connection): Promise<void> => {
    for (let n = next++; n < count; n = next++) {
      const involvedObject = { kind: 'Pod', namespace, name: `p${n % 5000}`, uid: `uid-${n % 5000}` };
      const body = {
        metadata: { name: `p${n % 5000}.${n.toString(16)}` },
        involvedObject,
        reason: 'Bench',
        message: 'm',
      };
      await ask(connection, { method: 'POST', path, body: JSON.stringify({ ...body, type: 'Normal', count: 1 }) });
    }
  };
  await Promise.all(connections.map(client));
  return count;
}

async function ask(connection: Connection, request: { method: string; path: string; body?: string }): Promise<string> {
  const { status, body } = await connection.request({ ...request, keepBody: true });
  if (status >= 300) throw new Error(`${request.method} ${request.path}: ${status} ${body}`);
  return body;
}

/** What was seen and not said yet. */
interface Looks {
  readonly samples: Sample[];
  /** Milliseconds of each answer of /readyz. */
  readonly latencies: number[];
}

interface Looking {
  readonly looks: Looks;
  readonly signal: AbortSignal;
  readonly log: boolean;
}

/** Asks /readyz again and again. With `log`, answers that took long are said, and when. */
async function watchReadyz(target: Target, { looks, signal, log }: Looking): Promise<void> {
  const connection = await Connection.open(target);
  const beganMs = clock.monotonicMs();
  while (!signal.aborted) {
    const startMs = clock.monotonicMs();
    await ask(connection, { method: 'GET', path: '/readyz' });
    const tookMs = clock.monotonicMs() - startMs;
    looks.latencies.push(tookMs);
    if (log && tookMs > slowMs)
      say(`${((startMs - beganMs) / 1_000).toFixed(1)} s: /readyz took ${tookMs.toFixed(0)} ms`);
    await sleep(clock, readyzPeriodMs, signal);
  }
  connection.close();
}

async function watchCost(cluster: KeptCluster, { looks, signal, log }: Looking): Promise<void> {
  const { samples } = looks;
  let seconds = 0;
  do {
    samples.push(cluster.sample());
    if (log && ++seconds % 10 === 0) say(`${seconds} s: at most ${textOf(mostOf(samples.slice(-10)))}`);
  } while (await sleep(clock, 1_000, signal));
}

function mostOf(samples: readonly Sample[]): Sample {
  const most = (of: (sample: Sample) => number): number => samples.reduce((max, each) => Math.max(max, of(each)), 0);
  return {
    residentBytes: most((each) => each.residentBytes),
    fileBytes: most((each) => each.fileBytes),
    storeBytes: most((each) => each.storeBytes),
  };
}

const mega = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
const textOf = ({ residentBytes, fileBytes, storeBytes }: Sample): string =>
  `memory ${mega(residentBytes)}, of it pages of files ${mega(fileBytes)}; store ${mega(storeBytes)}`;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function timeLists(connection: Connection): Promise<void> {
  for (const query of [
    '?limit=500',
    '?fieldSelector=involvedObject.uid=uid-17',
    '?fieldSelector=reason=None&limit=500',
  ]) {
    const startMs = clock.monotonicMs();
    const body = await ask(connection, { method: 'GET', path: `/api/v1/namespaces/${namespace}/events${query}` });
    const { items, metadata } = JSON.parse(body) as { items: unknown[]; metadata: { remainingItemCount?: number } };
    const tookMs = Math.round(clock.monotonicMs() - startMs);
    say(`list of events ${query}: ${tookMs} ms, ${items.length} items, ${metadata.remainingItemCount ?? 0} more`);
  }
}

/** What is measured, then lists of what was left, and some seconds of rest; says the figures of each by itself. */
async function load(connections: readonly Connection[], flags: Flags, looks: Looks): Promise<void> {
  const startMs = clock.monotonicMs();
  const done = flags.events > 0 ? await writeEvents(connections, flags.events) : await churn(connections, flags);
  const seconds = (clock.monotonicMs() - startMs) / 1_000;
  say(`${done} ${flags.events > 0 ? 'events' : 'Deployments'} in ${seconds.toFixed(1)} s`);
  sayFigures(looks);
  await timeLists(connections[0]!);
  await sleep(clock, 5_000);
  sayFigures(looks);
}

/** Says what was seen since it was last said. */
function sayFigures({ samples, latencies }: Looks): void {
  const sorted = latencies.splice(0).sort((a, b) => a - b);
  const at = (q: number): string => sorted[Math.floor((sorted.length - 1) * q)]!.toFixed(1);
  const last = samples.at(-1)!;
  say(`at most: ${textOf(mostOf(samples.splice(0)))}; at the end: ${textOf(last)}`);
  say(`GET /readyz: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms`);
}

async function measure(cluster: KeptCluster, flags: Flags): Promise<void> {
  say(`empty start: ${Math.round(await cluster.up())} ms`);
  await cluster.findProcesses();
  say(`with it: ${textOf(cluster.sample())}`);
  const { target } = cluster;
  const connections = await openAll(target, flags.clients);
  const metadata = { name: namespace };
  const body = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata });
  await ask(connections[0]!, { method: 'POST', path: '/api/v1/namespaces', body });
  const watching = new AbortController();
  const looks: Looks = { samples: [], latencies: [] };
  // Whatever fails first ends the run.
  await Promise.all([
    watchReadyz(target, { looks, signal: watching.signal, log: flags.log }),
    watchCost(cluster, { looks, signal: watching.signal, log: flags.log }),
    load(connections, flags, looks).then(() => watching.abort()),
  ]);
  for (const connection of connections) connection.close();
  await cluster.down();
  say(`start with all of it: ${Math.round(await cluster.up())} ms`);
  await cluster.findProcesses();
  say(`with it: ${textOf(cluster.sample())}`);
  await sleep(clock, 10_000);
  say(`10 s later: ${textOf(cluster.sample())}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '300' },
      rate: { type: 'string', default: '1000' },
      clients: { type: 'string', default: '8' },
      replicas: { type: 'string', default: '3' },
      nodes: { type: 'string', default: '3' },
      events: { type: 'string', default: '0' },
      checkout: { type: 'string', default: resolve(import.meta.dirname, '../..') },
      profile: { type: 'string' },
      log: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const number = (name: 'clients' | 'events' | 'nodes' | 'rate' | 'replicas' | 'seconds'): number => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} must be a whole number: ${values[name]}`);
    return value;
  };
  const flags: Flags = {
    seconds: number('seconds'),
    rate: number('rate'),
    clients: number('clients'),
    replicas: number('replicas'),
    nodes: number('nodes'),
    events: number('events'),
    checkout: values.checkout,
    profile: values.profile,
    log: values.log,
  };
  const cluster = new KeptCluster({
    name: 'churn',
    flags: ['--runtime', 'fake', '--nodes', String(flags.nodes)],
    checkout: flags.checkout,
    profile: flags.profile,
  });
  const stopped = interrupted();
  try {
    await Promise.race([measure(cluster, flags), stopped]);
  } finally {
    await cluster.down().catch(() => {});
    cluster.remove();
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`churn: ${errorText(error)}\n`);
  process.exitCode = 1;
}
