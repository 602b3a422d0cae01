/** What is measured, in order: each row leaves what the next ones need, and the last ones clean up. */
import { sleep } from '#pkg/base/async.ts';
import type { Connection, Request } from './connection.ts';
import type { Target } from './kubeconfig.ts';
import {
  clock,
  drainMs,
  drive,
  type LoadOptions,
  type Measured,
  openAll,
  percentiles,
  sendAll,
  settled,
} from './load.ts';
import { benchNamespace, listNamespace, podBody, podBytes, podsPath } from './objects.ts';
import { measureScheduling } from './scheduling.ts';
import { watchPods } from './watchers.ts';

/** How much is measured. */
export interface BenchSizes {
  /** How long each row lasts. */
  readonly rowMs: number;
  readonly nodes: number;
  readonly pods: number;
}

/** One line of the report. */
export interface Row extends Omit<Measured, 'latenciesMs'> {
  readonly name: string;
  /** Absent when nothing succeeded. */
  readonly p50Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
  /** Operations a second to reach. */
  readonly target?: number;
  readonly targetP50Ms?: number;
  /** A figure that counts instead of the rate, and what it may be at most. */
  readonly quality?: { readonly value: number; readonly most: number };
}

interface DrivenRow {
  readonly name: string;
  readonly target: number;
  /** Whether it runs, unreported, even when it is not wanted, as later rows need what it leaves. Default false. */
  readonly always?: boolean;
}

interface WatchRow {
  readonly name: string;
  readonly target: number;
  readonly targetP50Ms?: number;
  /** Writes a second; absent: as many as are answered. */
  readonly perSecond?: number;
}

const clients = 32;
const listItems = 2_200;
const watchersCount = 100;
const watchWriters = 4;
/**
 * Deliveries a second at which their delay is measured: a little above the target. When as many are written as can be, the delay
 * only says how many writers wait for one another.
 */
const pacedDeliveries = 42_000;

/** What the measurement runs against, and where its rows go. */
export interface BenchContext {
  readonly target: Target;
  readonly sizes: BenchSizes;
  readonly report: (row: Row) => void;
}

/** Measures all rows whose name contains `only`. */
export async function measureAll(context: BenchContext, only: string): Promise<void> {
  const bench = new Bench(context, only);
  await bench.prepare();
  try {
    await bench.basics();
    await bench.watches({ name: `watch: deliveries to ${watchersCount} watchers`, target: 40_000 });
    await bench.watches({
      name: `watch: the same, paced at ${pacedDeliveries.toLocaleString('en')}/s`,
      target: 40_000,
      targetP50Ms: 3,
      perSecond: pacedDeliveries / watchersCount,
    });
    await bench.schedules();
  } finally {
    await bench.cleanUp();
  }
}

class Bench {
  readonly #context: BenchContext;
  readonly #only: string;
  #connections: Connection[] = [];
  #paddingBytes = 0;
  /** Pods made by the create row, for the rows after it. */
  #created = 0;

  constructor(context: BenchContext, only: string) {
    this.#context = context;
    this.#only = only;
  }

  async prepare(): Promise<void> {
    this.#connections = await openAll(this.#context.target, clients);
    for (const name of [benchNamespace, listNamespace]) await this.#makeNamespace(name);
    this.#paddingBytes = await this.#measurePadding();
  }

  async basics(): Promise<void> {
    const one = this.#connections.slice(0, 1);
    const all = this.#connections;
    const pods = podsPath(benchNamespace);
    const create =
      (prefix: string) =>
      (n: number): Request => ({
        method: 'POST',
        path: pods,
        body: podBody(`${prefix}-${n}`, { paddingBytes: this.#paddingBytes }),
      });
    this.#created = await this.#drive(
      { name: `create pods, ${clients} clients`, target: 3_500, always: true },
      { connections: all, request: create('many') },
    );
    await this.#drive({ name: 'create pods, 1 client', target: 700 }, { connections: one, request: create('one') });
    const pod = (n: number): string => `${pods}/many-${n % this.#created}`;
    const get = (n: number): Request => ({ method: 'GET', path: pod(n) });
    await this.#drive({ name: `get a pod, ${clients} clients`, target: 10_000 }, { connections: all, request: get });
    await this.#drive({ name: 'get a pod, 1 client', target: 2_500 }, { connections: one, request: get });
    await this.#lists(one);
    const patch =
      (path: (n: number) => string, field: (n: number) => unknown) =>
      (n: number): Request => ({
        method: 'PATCH',
        path: path(n),
        body: JSON.stringify(field(n)),
        contentType: 'application/merge-patch+json',
      });
    const label = patch(pod, (n) => ({ metadata: { labels: { round: `r${n}` } } }));
    await this.#drive({ name: `merge patch, ${clients} clients`, target: 2_500 }, { connections: all, request: label });
    const status = patch(
      (n) => `${pod(n)}/status`,
      (n) => ({ status: { message: `round ${n}` } }),
    );
    await this.#drive(
      { name: `status patch, ${clients} clients`, target: 2_500 },
      { connections: all, request: status },
    );
    const remove = (n: number): Request | undefined => (n < this.#created ? deletion(`${pods}/many-${n}`) : undefined);
    await this.#drive(
      { name: `delete pods, ${clients} clients`, target: 2_500 },
      { connections: all, request: remove },
    );
  }

  async watches({ perSecond, ...row }: WatchRow): Promise<void> {
    if (!this.#wants(row.name)) return;
    const connections = await openAll(this.#context.target, watchersCount);
    const tally = await watchPods(connections, { namespace: benchNamespace, asking: this.#connections[0]! });
    const startMs = clock.monotonicMs();
    const written = await drive({
      connections: this.#connections.slice(0, watchWriters),
      durationMs: this.#context.sizes.rowMs,
      ...(perSecond !== undefined && { perSecond }),
      request: (n) => {
        const annotations = { 'coxswain.dev/at': clock.monotonicMs().toFixed(3) };
        return {
          method: 'POST',
          path: podsPath(benchNamespace),
          body: podBody(`${perSecond === undefined ? 'watched' : 'paced'}-${n}`, {
            paddingBytes: this.#paddingBytes,
            annotations,
          }),
        };
      },
    });
    await settled(() => tally.events >= written.operations * watchersCount);
    const missing = written.operations * watchersCount - tally.events;
    const failure = missing > 0 ? `${missing} events were not delivered` : written.failure;
    this.#context.report({
      ...row,
      operations: tally.events,
      tookMs: tally.lastMs - startMs,
      failures: written.failures + missing,
      ...(failure !== undefined && { failure }),
      ...percentiles(tally.latenciesMs),
    });
    for (const connection of connections) connection.close();
  }

  schedules(): Promise<void> {
    const { target, sizes, report } = this.#context;
    return measureScheduling({
      target,
      sizes,
      report,
      connections: this.#connections,
      wants: (name) => this.#wants(name),
    });
  }

  async cleanUp(): Promise<void> {
    for (const name of [benchNamespace, listNamespace]) {
      await this.#connections[0]!.request({ method: 'DELETE', path: `${podsPath(name)}?gracePeriodSeconds=0` });
      await this.#connections[0]!.request(deletion(`/api/v1/namespaces/${name}`));
    }
    for (const connection of this.#connections) connection.close();
  }

  async #lists(connections: readonly Connection[]): Promise<void> {
    const name = `list ${listItems.toLocaleString('en')} pods`;
    if (!this.#wants(name)) return;
    const path = podsPath(listNamespace);
    const bodies = Array.from({ length: listItems }, (_, i) =>
      podBody(`listed-${i}`, { paddingBytes: this.#paddingBytes }),
    );
    await sendAll(
      this.#connections,
      bodies.map((body) => ({ method: 'POST', path, body })),
    );
    const { bodyBytes } = await connections[0]!.request({ method: 'GET', path });
    await this.#drive(
      { name: `${name} (${(bodyBytes / 1e6).toFixed(1)} MB), 1 client`, target: 40 },
      { connections, request: () => ({ method: 'GET', path }) },
    );
  }

  /** Measures one row, if it is wanted; returns how many requests succeeded. */
  async #drive({ name, target, always = false }: DrivenRow, load: Omit<LoadOptions, 'durationMs'>): Promise<number> {
    if (!always && !this.#wants(name)) return 0;
    const { latenciesMs, ...measured } = await drive({ ...load, durationMs: this.#context.sizes.rowMs });
    if (this.#wants(name)) this.#context.report({ name, target, ...measured, ...percentiles(latenciesMs) });
    return measured.operations;
  }

  #wants(name: string): boolean {
    return name.includes(this.#only);
  }

  async #makeNamespace(name: string): Promise<void> {
    const [connection] = this.#connections;
    const body = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    const answer = await connection!.request({ method: 'POST', path: '/api/v1/namespaces', body });
    if (answer.status === 409)
      throw new Error(`Cannot run the benchmark as namespace ${name} exists: delete it or wait until it is gone`);
    if (answer.status >= 300) throw new Error(`Cannot create namespace ${name}: ${answer.status} ${answer.body}`);
    await this.#waitForAccount(name);
  }

  /** Pods may be refused until the namespace has its service account. */
  async #waitForAccount(namespace: string): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default`;
    for (let waitedMs = 0; waitedMs < drainMs / 2; waitedMs += 20) {
      if ((await this.#connections[0]!.request({ method: 'GET', path })).status === 200) return;
      await sleep(clock, 20);
    }
  }

  /** How much must be added to a pod for it to be served with `podBytes`. */
  async #measurePadding(): Promise<number> {
    const path = podsPath(benchNamespace);
    const answer = await this.#connections[0]!.request({
      method: 'POST',
      path,
      body: podBody('size', { paddingBytes: 0 }),
    });
    if (answer.status >= 300) throw new Error(`Cannot create a pod: ${answer.status} ${answer.body}`);
    return Math.max(0, podBytes - answer.bodyBytes);
  }
}

function deletion(path: string): Request {
  return { method: 'DELETE', path, body: '{"gracePeriodSeconds":0}' };
}
