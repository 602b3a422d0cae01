/**
 * Rows for which each turn needs a fresh cluster: how long it takes to start, and how much memory it takes. One cluster runs at a time.
 *
 * Times are from the start of `up --detach`, as seen from outside: the API is asked again and again until it answers, then until all nodes are
 * Ready.
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { sleep } from '#pkg/base/async.ts';
import type { Clients } from './clients.ts';
import { type Cluster, type ClusterPlace, startCluster } from './cluster.ts';
import { clock } from './load.ts';
import { memoryOf } from './server.ts';
import type { BenchSizes } from './session.ts';
import { rotation } from './statistics.ts';

/** One of the programs that are started. */
export interface Program {
  readonly name: string;
  readonly checkout: string;
}

/** What is started, and how often. */
export interface StartsPlan {
  readonly clients: Clients;
  readonly programs: readonly Program[];
  readonly store: string;
  readonly audit: boolean;
  readonly rounds: number;
  readonly sizes: BenchSizes;
  readonly wants: (name: string) => boolean;
  /** Pods of the row of the highest memory; 0: without it. */
  readonly peakPods: number;
  readonly signal: AbortSignal;
}

/** Figures of one row: for each program, one per round. */
export interface StartsRow {
  readonly name: string;
  readonly unit: 'seconds' | 'bytes';
  readonly values: ReadonlyMap<Program, number[]>;
}

/** How long a poll waits before it asks again: it costs the server little, and no time is known better than by this. */
const pollMs = 3;

const loadedPods = 5_000;

type Figure = 'answering' | 'ready' | 'resting' | 'loaded' | 'peak';

/** Starts each program in turn; gives the rows that are wanted, none when there are no rounds. */
export async function measureStarts(plan: StartsPlan): Promise<readonly StartsRow[]> {
  const { programs, peakPods, signal } = plan;
  const names: Readonly<Record<Figure, string>> = {
    answering: 'start: API answering',
    ready: 'start: all nodes Ready',
    resting: 'memory after the start',
    loaded: `memory after ${loadedPods.toLocaleString('en')} pods`,
    peak: `memory, peak, at ${peakPods.toLocaleString('en')} pods`,
  };
  const figures = (Object.keys(names) as Figure[]).filter(
    (figure) => plan.wants(names[figure]) && (figure !== 'peak' || peakPods > 0),
  );
  const rows = figures.map((figure) => ({
    figure,
    name: names[figure],
    unit: figure === 'answering' || figure === 'ready' ? ('seconds' as const) : ('bytes' as const),
    values: new Map(programs.map((program) => [program, [] as number[]])),
  }));
  if (rows.length === 0) return [];
  for (const round of rotation(programs, plan.rounds))
    for (const program of round) {
      signal.throwIfAborted();
      const measured = await measureStart(plan, program, figures);
      for (const { figure, values } of rows) values.get(program)!.push(measured[figure] ?? Number.NaN);
    }
  return plan.rounds === 0 ? [] : rows;
}

async function measureStart(
  plan: StartsPlan,
  program: Program,
  figures: readonly Figure[],
): Promise<Partial<Record<Figure, number>>> {
  const ended = new AbortController();
  let polling: Promise<StartTimes> | undefined;
  const options = {
    ...program,
    store: plan.store,
    audit: plan.audit,
    signal: plan.signal,
    onBegin: (place: ClusterPlace): void => {
      polling = pollStart(place, ended.signal);
    },
  };
  let cluster: Cluster | undefined;
  try {
    cluster = await startCluster(options);
    const times = await polling!;
    const pids = await cluster.pids();
    const resting = memoryOf(pids).resident;
    const { clients } = plan;
    const side = 'fresh';
    const fill = async (prefix: string, count: number): Promise<void> => clients.call('fill', { side, prefix, count });
    if (!figures.includes('loaded') && !figures.includes('peak')) return { ...times, resting };
    await clients.call('open', { side, kubeconfig: cluster.kubeconfig, sizes: plan.sizes, poolPods: 0 });
    await fill('loaded', loadedPods);
    const loaded = memoryOf(pids).resident;
    if (figures.includes('peak')) await fill('peak', Math.max(0, plan.peakPods - loadedPods));
    const { peak } = memoryOf(pids);
    await clients.call('forget', { side });
    return { ...times, resting, loaded, peak };
  } finally {
    ended.abort();
    await polling?.catch(() => {});
    await cluster?.stop();
  }
}

/** Seconds from the start of the command. */
interface StartTimes {
  readonly answering: number;
  readonly ready: number;
}

/** Asks until the API answers and all nodes are Ready; rejects once `signal` is aborted before. */
async function pollStart({ port, dataDir, startMs }: ClusterPlace, signal: AbortSignal): Promise<StartTimes> {
  let agent: Agent | undefined;
  const until = async (path: string, holds: (answer: string) => boolean): Promise<number> => {
    for (;;) {
      agent ??= agentOf(dataDir);
      const answer = agent === undefined ? undefined : await ask({ agent, port, path });
      if (answer !== undefined && holds(answer)) return (clock.monotonicMs() - startMs) / 1000;
      if (!(await sleep(clock, pollMs, signal))) throw new Error(`Nothing at ${path} as was waited for`);
    }
  };
  try {
    const answering = await until('/readyz', () => true);
    return { answering, ready: await until('/api/v1/nodes', areAllReady) };
  } finally {
    agent?.destroy();
  }
}

/** As the person of the cluster; undefined as long as that has no keys yet. */
function agentOf(dataDir: string): Agent | undefined {
  try {
    const [ca, cert, key] = ['ca.crt', 'admin.crt', 'admin.key'].map((name) =>
      readFileSync(join(dataDir, 'pki', name)),
    );
    return new Agent({ ca: ca!, cert: cert!, key: key!, keepAlive: true, maxSockets: 1 });
  } catch {
    return undefined;
  }
}

interface Question {
  readonly agent: Agent;
  readonly port: number;
  readonly path: string;
}

/** The body of an answer with 200; undefined of any other, and when there is none. */
function ask({ agent, port, path }: Question): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = request({ agent, host: '127.0.0.1', port, path }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        body += piece;
      });
      response.on('end', () => resolve(response.statusCode === 200 ? body : undefined));
      response.on('error', () => resolve(undefined));
    });
    asked.on('error', () => resolve(undefined));
    asked.end();
  });
}

interface NodeList {
  readonly items: readonly { status: { conditions?: readonly { type: string; status: string }[] } }[];
}

function areAllReady(answer: string): boolean {
  const { items } = JSON.parse(answer) as NodeList;
  const isReady = ({ status }: NodeList['items'][number]): boolean =>
    status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true;
  return items.length > 0 && items.every(isReady);
}
