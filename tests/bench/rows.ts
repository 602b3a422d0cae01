/**
 * What is measured, in order. A row that is measured once leaves what the next ones need; one that is measured in turns takes its traces away
 * again (`restore`), so that each turn finds the server as the one before did.
 */
import type { Connection, Request } from './connection.ts';
import { clock, drive, type Measured, openAll, percentiles, settled } from './load.ts';
import { benchNamespace, listNamespace, podsPath } from './objects.ts';
import { schedulingRows } from './scheduling.ts';
import { clients, deletion, listItems, podPath, type Session } from './session.ts';
import { watchPods } from './watchers.ts';

/** What a row came to. */
export interface Row extends Omit<Measured, 'latenciesMs'> {
  /** Absent when nothing succeeded. */
  readonly p50Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
  /** A figure that counts instead of the rate. */
  readonly quality?: number;
  /** What else belongs to the name, once it is known. */
  readonly label?: string;
  /** CPU time of the server for all operations; absent where its processes are not known. */
  readonly serverCpuMs?: number;
  /** CPU time of the clients' thread, as a share of one core. */
  readonly clientShare?: number;
}

/** What a row is, before it is measured. */
export interface RowFacts {
  readonly name: string;
  /** Operations a second to reach. */
  readonly target?: number;
  readonly targetP50Ms?: number;
  /** What it has to reach of the rate of another row that was measured before; instead of `target`. */
  readonly share?: { readonly of: string; readonly least: number };
  /** What the row's quality may be at most. */
  readonly qualityMost?: number;
  /** What two servers are compared by. Default: `rate`. */
  readonly by?: 'rate' | 'p50' | 'quality';
  /** Whether a bare server that gives the same bytes can be measured by it. */
  readonly hasCeiling?: boolean;
  /** Takes many seconds whatever the limit: measured in fewer turns. */
  readonly isLong?: boolean;
  /** When measured once it runs, unreported, even when it is not wanted, as later rows need what it leaves. */
  readonly always?: boolean;
}

/** Ends a row: whichever comes first. */
export interface Limit {
  readonly durationMs: number;
  readonly operationsMax?: number;
}

/** One row on one server. */
export interface BenchRow extends RowFacts {
  prepare?(limit: Limit): Promise<void>;
  measure(limit: Limit): Promise<Row>;
  /** Takes away what `prepare` and `measure` made, but for what is the same after each turn. */
  restore?(): Promise<void>;
}

interface WatchRow extends RowFacts {
  /** Writes a second; absent: as many as are answered. */
  readonly perSecond?: number;
}

const watchersCount = 100;
const watchWriters = 4;
/**
 * Deliveries a second at which their delay is measured: a little above the target. When as many are written as can be, the delay
 * only says how many writers wait for one another.
 */
const pacedDeliveries = 42_000;
/** The same on a machine that comes nowhere near the target: as many as any server of these keeps up with there. */
const pacedDeliveriesSlow = 10_000;

/** Pods that are made to be deleted when it is not known how many will be: more than can be in a second. */
const doomedPerSecond = 4_000;

/** All rows, in the order in which they are measured. */
export function benchRows(session: Session): readonly BenchRow[] {
  const all = (): readonly Connection[] => session.connections;
  const one = (): readonly Connection[] => session.connections.slice(0, 1);
  const pod = (n: number): string => podPath(`many-${n % session.pool}`);
  const get = (n: number): Request => ({ method: 'GET', path: pod(n) });
  const getRow = (facts: RowFacts, from: () => readonly Connection[]): BenchRow => ({
    ...facts,
    hasCeiling: true,
    measure: async (limit) => driven(from(), limit, get),
  });
  return [
    createRow(
      session,
      { name: `create pods, ${clients} clients`, target: 3_500, always: true },
      { from: all, isFirst: true },
    ),
    createRow(session, { name: 'create pods, 1 client', target: 700 }, { from: one }),
    getRow({ name: `get a pod, ${clients} clients`, target: 10_000 }, all),
    getRow({ name: 'get a pod, 1 client', target: 2_500 }, one),
    listRow(session),
    patchRow(session, { name: `merge patch, ${clients} clients`, target: 2_500 }, (n, turn) => ({
      path: pod(n),
      change: { metadata: { labels: { round: `r${turn}-${n}` } } },
    })),
    patchRow(session, { name: `status patch, ${clients} clients`, target: 2_500 }, (n, turn) => ({
      path: `${pod(n)}/status`,
      change: { status: { message: `round ${turn}-${n}` } },
    })),
    deleteRow(session),
    watchRow(session, { name: `watch: deliveries to ${watchersCount} watchers`, target: 40_000 }),
    pacedWatchRow(session, pacedDeliveries, 40_000),
    pacedWatchRow(session, pacedDeliveriesSlow, 9_500),
    ...schedulingRows(session),
  ];
}

/** Sends requests until the limit. */
async function driven(
  connections: readonly Connection[],
  { durationMs, operationsMax = Number.POSITIVE_INFINITY }: Limit,
  request: (n: number) => Request | undefined,
): Promise<Row> {
  const limited = (n: number): Request | undefined => (n < operationsMax ? request(n) : undefined);
  const { latenciesMs, ...measured } = await drive({ connections, durationMs, request: limited });
  return { ...measured, ...percentiles(latenciesMs) };
}

interface CreateOptions {
  readonly from: () => readonly Connection[];
  /** Its pods are those of the pool when there are none yet. */
  readonly isFirst?: boolean;
}

function createRow(session: Session, facts: RowFacts, { from, isFirst = false }: CreateOptions): BenchRow {
  let prefix = '';
  let asked = 0;
  return {
    ...facts,
    hasCeiling: true,
    measure: async (limit) => {
      const isPool = isFirst && session.pool === 0;
      prefix = isPool ? 'many' : `made${session.nextSerial()}`;
      const row = await driven(from(), limit, (n) => {
        asked = n + 1;
        return session.creation(`${prefix}-${n}`);
      });
      if (isPool) session.pool = row.operations;
      return row;
    },
    restore: () => session.removePods(prefix, asked),
  };
}

function listRow(session: Session): BenchRow {
  const path = podsPath(listNamespace);
  let bodyBytes = 0;
  return {
    name: `list ${listItems.toLocaleString('en')} pods`,
    target: 40,
    hasCeiling: true,
    prepare: async () => {
      bodyBytes = await session.ensureListed();
    },
    measure: async (limit) => ({
      ...(await driven(session.connections.slice(0, 1), limit, () => ({ method: 'GET', path }))),
      label: ` (${(bodyBytes / 1e6).toFixed(1)} MB), 1 client`,
    }),
  };
}

/** `change` gives what no pod has yet: a patch that changes nothing is answered without a write. */
function patchRow(
  session: Session,
  facts: RowFacts,
  patchOf: (n: number, turn: number) => { readonly path: string; readonly change: unknown },
): BenchRow {
  return {
    ...facts,
    measure: (limit) => {
      const turn = session.nextSerial();
      return driven(session.connections, limit, (n) => {
        const { path, change } = patchOf(n, turn);
        const contentType = 'application/merge-patch+json';
        return { method: 'PATCH', path, body: JSON.stringify(change), contentType };
      });
    },
  };
}

/** Measured once, it deletes the pool; in turns, pods that are made for it. */
function deleteRow(session: Session): BenchRow {
  let doomed = { prefix: 'many', count: 0 };
  return {
    name: `delete pods, ${clients} clients`,
    target: 2_500,
    prepare: async ({ durationMs, operationsMax }) => {
      if (!session.keepsPool) {
        doomed = { prefix: 'many', count: session.pool };
        return;
      }
      const count = operationsMax ?? Math.ceil((doomedPerSecond * durationMs) / 1000);
      doomed = { prefix: `doomed${session.nextSerial()}`, count };
      await session.makePods(doomed.prefix, count);
    },
    measure: (limit) => {
      const { prefix, count } = doomed;
      return driven(session.connections, limit, (n) => (n < count ? deletion(podPath(`${prefix}-${n}`)) : undefined));
    },
    restore: () => session.removePods(doomed.prefix, doomed.count),
  };
}

function pacedWatchRow(session: Session, perSecond: number, target: number): BenchRow {
  return watchRow(session, {
    name: `watch: the same, paced at ${perSecond.toLocaleString('en')}/s`,
    target,
    targetP50Ms: 3,
    by: 'p50',
    perSecond: perSecond / watchersCount,
  });
}

function watchRow(session: Session, { perSecond, ...facts }: WatchRow): BenchRow {
  let prefix = '';
  let asked = 0;
  return {
    ...facts,
    hasCeiling: true,
    measure: async ({ durationMs, operationsMax = Number.POSITIVE_INFINITY }) => {
      prefix = `watched${session.nextSerial()}`;
      const watching = await openAll(session.target, watchersCount);
      const tally = await watchPods(watching, { namespace: benchNamespace, asking: session.connections[0]! });
      const startMs = clock.monotonicMs();
      const written = await drive({
        connections: session.connections.slice(0, watchWriters),
        durationMs,
        ...(perSecond !== undefined && { perSecond }),
        request: (n) => {
          if (n * watchersCount >= operationsMax) return undefined;
          asked = n + 1;
          return session.creation(`${prefix}-${n}`, { 'coxswain.dev/at': clock.monotonicMs().toFixed(3) });
        },
      });
      await settled(() => tally.events >= written.operations * watchersCount);
      const missing = written.operations * watchersCount - tally.events;
      const wrong = missing > 0 ? `${missing} events were not delivered` : `${-missing} events too many were delivered`;
      const failure = missing === 0 ? written.failure : wrong;
      for (const connection of watching) connection.close();
      return {
        operations: tally.events,
        tookMs: tally.lastMs - startMs,
        failures: written.failures + Math.abs(missing),
        ...(failure !== undefined && { failure }),
        ...percentiles(tally.latenciesMs),
      };
    },
    restore: () => session.removePods(prefix, asked),
  };
}
