/**
 * The process of the clients: does one call after the other for `clients.ts`, each on the server it names, and ends when its parent
 * disconnects. One process asks all servers, so that each is measured by the same compiled code.
 */
import process from 'node:process';
import { errorText } from '#pkg/base/error-text.ts';
import { capture } from './capture.ts';
import { readTarget } from './kubeconfig.ts';
import { clock } from './load.ts';
import { type BenchRow, benchRows, type Limit, type Row, type RowFacts } from './rows.ts';
import { Session, type SessionOptions } from './session.ts';

/** What can be asked for, by name: arguments and result, both as JSON. `open` comes first, `close` last. */
export interface WorkerCalls {
  open(task: { side: string; kubeconfig: string } & SessionOptions): {
    paddingBytes: number;
    rows: readonly RowFacts[];
  };
  prepare(task: RowTask): void;
  measure(task: RowTask): Row;
  restore(task: RowTask): void;
  /** Makes pods that stay. */
  fill(task: { side: string; prefix: string; count: number }): void;
  /** Writes what the server answers to a file, from which `ceiling-server.ts` answers the same. */
  capture(task: { side: string; file: string }): void;
  /** Drops what is held of a server that has gone. */
  forget(task: { side: string }): void;
  close(task: { side: string }): void;
}

/** A row by its place in the list that `open` gave. */
export interface RowTask {
  readonly side: string;
  readonly row: number;
  readonly limit: Limit;
}

/** What goes to the worker, and what comes back for it. */
export interface CallMessage {
  readonly call: keyof WorkerCalls;
  readonly task: unknown;
}
export interface ResultMessage {
  readonly result?: unknown;
  readonly error?: string;
}

interface Side {
  readonly session: Session;
  readonly rows: readonly BenchRow[];
}

type Handlers = {
  [Name in keyof WorkerCalls]: (task: Parameters<WorkerCalls[Name]>[0]) => Promise<ReturnType<WorkerCalls[Name]>>;
};

const sides = new Map<string, Side>();

const handlers: Handlers = {
  async open({ side, kubeconfig, ...options }) {
    const session = await Session.open(readTarget(kubeconfig), options);
    const rows = benchRows(session);
    sides.set(side, { session, rows });
    return { paddingBytes: session.paddingBytes, rows: rows.map(factsOf) };
  },
  async prepare({ side, row, limit }) {
    const { session, rows } = sides.get(side)!;
    await session.reconnect();
    await rows[row]!.prepare?.(limit);
  },
  async measure({ side, row, limit }) {
    const before = process.threadCpuUsage();
    const startMs = clock.monotonicMs();
    const result = await sides.get(side)!.rows[row]!.measure(limit);
    const { user, system } = process.threadCpuUsage(before);
    return { ...result, clientShare: (user + system) / 1000 / (clock.monotonicMs() - startMs) };
  },
  async restore({ side, row }) {
    await sides.get(side)!.rows[row]!.restore?.();
  },
  async fill({ side, prefix, count }) {
    await sides.get(side)!.session.makePods(prefix, count);
  },
  async capture({ side, file }) {
    await capture(sides.get(side)!.session, file);
  },
  async forget({ side }) {
    for (const connection of sides.get(side)!.session.connections) connection.close();
    sides.delete(side);
  },
  async close({ side }) {
    await sides.get(side)?.session.close();
    sides.delete(side);
  },
};

/** Without the functions, which do not go from process to process. */
function factsOf({ prepare: _prepare, measure: _measure, restore: _restore, ...facts }: BenchRow): RowFacts {
  return facts;
}

process.on('message', ({ call, task }: CallMessage) => {
  const handler = handlers[call] as (task: unknown) => Promise<unknown>;
  handler(task).then(
    (result) => process.send?.({ result } satisfies ResultMessage),
    (error: unknown) => process.send?.({ error: errorText(error) } satisfies ResultMessage),
  );
});
