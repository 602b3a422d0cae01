/** Drives a server with many clients that each wait for their answer before they ask again, and measures how long answers take. */
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { Connection, type Request } from './connection.ts';
import type { Target } from './kubeconfig.ts';

/** The machine's clock, which all figures are taken by. */
export const clock = new SystemClock();

/** How long what was asked for last is waited for: deliveries, bindings, deletions. */
export const drainMs = 10_000;

/** What a row of the benchmark came to. */
export interface Measured {
  readonly operations: number;
  readonly tookMs: number;
  readonly latenciesMs: number[];
  readonly failures: number;
  /** The first answer that was an error. */
  readonly failure?: string;
}

/** Opens connections, a few at a time, so that the handshakes do not time out. */
export async function openAll(target: Target, count: number): Promise<Connection[]> {
  const connections: Connection[] = [];
  while (connections.length < count) {
    const more = Math.min(8, count - connections.length);
    connections.push(...(await Promise.all(Array.from({ length: more }, () => Connection.open(target)))));
  }
  return connections;
}

/** Who asks what, how fast, and for how long. */
export interface LoadOptions {
  readonly connections: readonly Connection[];
  readonly durationMs: number;
  /** The nth request of all clients together; undefined when there are no more. */
  readonly request: (n: number) => Request | undefined;
  /** Requests a second of all clients together; absent: as many as are answered. */
  readonly perSecond?: number;
}

/** What is slept for at most while something is due soon, and how soon that is. */
const napMs = 0.1;
const soonMs = 2;

/**
 * Lets clients go on at moments that come one after the other, to a tenth of a millisecond. A timer counts whole ones: what is due within one would be sent all at
 * once, which is another load, of which a server does much at one go.
 */
class Pace {
  readonly #due: { readonly ms: number; readonly go: () => void }[] = [];
  readonly #cell = new Int32Array(new SharedArrayBuffer(4));
  #isRunning = false;

  /** Resolves then. Asked for in the order of the moments. */
  until(ms: number): Promise<void> {
    return new Promise((go) => {
      this.#due.push({ ms, go });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let [first] = this.#due; first !== undefined; [first] = this.#due) {
      const earlyMs = first.ms - clock.monotonicMs();
      if (earlyMs <= 0) {
        this.#due.shift();
        first.go();
      } else if (earlyMs > soonMs) await sleep(clock, earlyMs - soonMs + 1);
      else {
        // Answers are read in between.
        await clock.yield();
        Atomics.wait(this.#cell, 0, 0, Math.min(napMs, earlyMs));
      }
    }
    this.#isRunning = false;
  }
}

/** Sends requests from all connections until the time is over or there are no more. */
export async function drive(options: LoadOptions): Promise<Measured> {
  const { connections, durationMs, request, perSecond = Number.POSITIVE_INFINITY } = options;
  const latenciesMs: number[] = [];
  const pace = new Pace();
  let failures = 0;
  let failure: string | undefined;
  let next = 0;
  const startMs = clock.monotonicMs();
  const client = async (connection: Connection): Promise<void> => {
    for (let nowMs = clock.monotonicMs(); nowMs - startMs < durationMs; ) {
      const n = next++;
      const dueMs = startMs + (n * 1000) / perSecond;
      if (dueMs > nowMs) {
        await pace.until(dueMs);
        nowMs = clock.monotonicMs();
      }
      const wanted = request(n);
      if (wanted === undefined) return;
      const answer = await connection.request(wanted);
      const thenMs = clock.monotonicMs();
      if (answer.status >= 300) {
        failures++;
        failure ??= `${wanted.method} ${wanted.path}: ${answer.status} ${answer.body}`;
      } else latenciesMs.push(thenMs - nowMs);
      nowMs = thenMs;
    }
  };
  await Promise.all(connections.map(client));
  const tookMs = clock.monotonicMs() - startMs;
  return { operations: latenciesMs.length, tookMs, latenciesMs, failures, ...(failure !== undefined && { failure }) };
}

/** Sends all of a number of requests; throws when one is refused. For what a row needs beforehand. */
export async function sendAll(connections: readonly Connection[], requests: readonly Request[]): Promise<void> {
  const measured = await drive({ connections, durationMs: Number.POSITIVE_INFINITY, request: (n) => requests[n] });
  if (measured.failure !== undefined) throw new Error(`Cannot prepare the benchmark: ${measured.failure}`);
}

/** The median and the longest but for one in a hundred; undefined when there are none. */
export function percentiles(latenciesMs: number[]): { p50Ms: number | undefined; p99Ms: number | undefined } {
  const sorted = latenciesMs.sort((a, b) => a - b);
  const at = (q: number): number | undefined => sorted[Math.floor((sorted.length - 1) * q)];
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** Waits until `condition` holds, or `drainMs` have passed. */
export async function settled(condition: () => boolean): Promise<void> {
  for (let waitedMs = 0; !condition() && waitedMs < drainMs; waitedMs += 10) await sleep(clock, 10);
}
