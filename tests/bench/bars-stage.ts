/** What the parts of `bars.ts` measure, and how they look at it. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { RunningCluster } from '#tests/e2e/running-cluster.ts';
import type { Connection, Request } from './connection.ts';
import type { Target } from './kubeconfig.ts';
import { clock } from './load.ts';

/** A figure. Without `most` and `least` it stands for itself. */
export interface Figure {
  readonly figure: string;
  readonly value: number;
  /** How it is written, with two digits below 10 and none from 100 on. */
  readonly unit: 'MB' | 'MB/s' | 'ms' | 'x' | 'µs';
  /** The bar that it has to stay below, or to reach. */
  readonly most?: number;
  readonly least?: number;
}

/** A running cluster and connections to it. */
export interface Stage {
  readonly cluster: RunningCluster;
  readonly target: Target;
  readonly clients: readonly Connection[];
  serverPid(): number;
  /** Prints a figure beside its bar. */
  say(figure: Figure): void;
}

/** Prints a figure, its bar and whether it holds. */
export function sayFigure({ figure, value, unit, most, least }: Figure): void {
  const digits = Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0;
  const bound = most ?? least;
  const bar = bound === undefined ? '' : `   bar ${most === undefined ? 'at least' : 'at most'} ${bound} ${unit}`;
  const isHeld = (most === undefined || value <= most) && (least === undefined || value >= least);
  const verdict = bound === undefined ? '' : isHeld ? ', held' : ', MISSED';
  process.stdout.write(`${figure.padEnd(86)} ${`${value.toFixed(digits)} ${unit}`.padStart(12)}${bar}${verdict}\n`);
}

/** Resident memory of a process, in MB. */
export function residentMb(pid: number): number {
  return (Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1_024) / 1e6;
}

/** Sends a request that has to succeed; resolves with how long its answer took, in milliseconds. */
export async function timed(client: Connection, request: Request): Promise<number> {
  const startMs = clock.monotonicMs();
  const { status, body } = await client.request(request);
  if (status >= 300) throw new Error(`${request.method} ${request.path}: ${status} ${body}`);
  return clock.monotonicMs() - startMs;
}

/** Sends requests from all clients, each as soon as its last was answered. */
export async function sendAll(
  clients: readonly Connection[],
  count: number,
  request: (n: number) => Request,
): Promise<void> {
  let next = 0;
  const send = async (client: Connection): Promise<void> => {
    for (let n = next++; n < count; n = next++) await timed(client, request(n));
  };
  await Promise.all(clients.map(send));
}
