/** One attack on a running cluster: what it costs the server, what it does to others, and what is left of it. Prints its figures. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { readTarget } from '#tests/bench/kubeconfig.ts';
import type { RunningCluster } from '../running-cluster.ts';
import type { AttackPlan, AttackReport } from './attackers.ts';

const mebibyte = 1024 * 1024;

/** What may stay of an attack, as resident memory of the server. */
export const keptBytesMax = 40 * mebibyte;

/** By when it has to be given back at the latest. */
const givenBackMs = 60_000;

/** By when the server has to have closed all of its connections at the latest, after it was watched. */
const endedMsMax = 60_000;

export interface AttackFigures {
  readonly before: Load;
  readonly during: Load;
  /** Bytes that one open connection costs, by the resident memory of the server. */
  readonly openBytesEach: number;
  /** The same at the most while what the attack sends was with the server. */
  readonly sentBytesEach: number;
  /** Resident bytes more than before, once memory was given back after the last connection had ended. */
  readonly keptBytes: number;
  readonly report: AttackReport;
}

/** What others were given. */
interface Load {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface AttackOptions extends Omit<AttackPlan, 'identity' | 'port'> {
  /** The attackers have credentials, those of the others. Default false. */
  readonly isKnown?: boolean;
  /** The others write rather than read. Default false. */
  readonly othersWrite?: boolean;
  /** How long it is watched what the attack does to others, after its bytes were sent. */
  readonly watchMs: number;
}

/** Attacks the API server of a cluster. */
export async function attack(cluster: RunningCluster, options: AttackOptions): Promise<AttackFigures> {
  const { watchMs, isKnown = false, othersWrite = false, ...what } = options;
  const { cert = '', key = '' } = readTarget(cluster.kubeconfig);
  const plan: AttackPlan = { ...what, port: cluster.apiPort, ...(isKnown ? { identity: { cert, key } } : {}) };
  const pid = await serverPid(cluster);
  const others = new Others(cluster, othersWrite);
  const child = fork(join(import.meta.dirname, 'attackers.ts'), { stdio: 'inherit' });
  const tell = async (message: object): Promise<AttackReport> => {
    child.send(message);
    return (await once(child, 'message'))[0] as AttackReport;
  };
  try {
    // The first run warms both sides up.
    await others.run(2_000);
    const before = await others.run(4_000);
    const restBytes = residentBytes(pid);
    const opening = tell({ do: 'open', plan });
    const { opened } = await opening;
    const openBytes = residentBytes(pid);
    await tell({ do: 'send' });
    let mostBytes = 0;
    const look = setInterval(() => {
      mostBytes = Math.max(mostBytes, residentBytes(pid));
    }, 50);
    const during = await others.run(watchMs);
    clearInterval(look);
    // A busy machine takes longer over it.
    const untilMs = performance.now() + endedMsMax;
    while ((await tell({ do: 'report' })).open > 0 && performance.now() < untilMs) await rest(200);
    const report = await tell({ do: 'end' });
    const keptBytes = (await leastBytes(pid, restBytes + keptBytesMax)) - restBytes;
    const each = (bytes: number): number => Math.round((bytes - restBytes) / opened);
    const figures = {
      before,
      during,
      openBytesEach: each(openBytes),
      sentBytesEach: each(mostBytes),
      keptBytes,
      report,
    };
    print(plan, figures, restBytes);
    return figures;
  } finally {
    child.disconnect();
    others.close();
  }
}

/**
 * The least that a process holds until it is no more than asked for: it gives memory back at a quiet moment, and after each pause for it waits
 * as many times as long as the pause took, which on a busy machine is most of a minute.
 */
async function leastBytes(pid: number, wanted: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (
    const untilMs = performance.now() + givenBackMs;
    performance.now() < untilMs && least > wanted;
    await rest(500)
  ) {
    least = Math.min(least, residentBytes(pid));
  }
  return least;
}

const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function serverPid(cluster: RunningCluster): Promise<number> {
  const { stdout } = await cluster.coxswain(['status', '-o', 'json']);
  const { processes } = JSON.parse(stdout) as { processes: readonly { readonly pid: number }[] };
  return processes[0]!.pid;
}

export function residentBytes(pid: number): number {
  const [, kibibytes = '0'] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kibibytes) * 1_024;
}

/** Somebody with a right to be here, who gets one object after the other on four connections, or makes one. */
class Others {
  readonly #agent: Agent;
  readonly #port: number;
  readonly #writes: boolean;

  constructor(cluster: RunningCluster, writes: boolean) {
    const { ca, cert, key } = readTarget(cluster.kubeconfig);
    this.#agent = new Agent({ keepAlive: true, maxSockets: 4, ca: ca!, cert: cert!, key: key! });
    this.#port = cluster.apiPort;
    this.#writes = writes;
  }

  async run(ms: number): Promise<Load> {
    const untilMs = performance.now() + ms;
    const took: number[] = [];
    const lane = async (): Promise<void> => {
      while (performance.now() < untilMs) {
        const startMs = performance.now();
        await this.#ask();
        took.push(performance.now() - startMs);
        // Slow enough that what others cost is not taken for what the attack does.
        await rest(10);
      }
    };
    await Promise.all(Array.from({ length: 4 }, lane));
    took.sort((a, b) => a - b);
    const at = (share: number): number => Number((took[Math.floor(took.length * share)] ?? 0).toFixed(2));
    return { count: took.length, p50Ms: at(0.5), p99Ms: at(0.99) };
  }

  #ask(): Promise<void> {
    const path = `/api/v1/namespaces/default${this.#writes ? '/configmaps' : ''}`;
    const wanted = this.#writes ? 201 : 200;
    const body = this.#writes ? '{"metadata":{"generateName":"others-"},"data":{"a":"b"}}' : undefined;
    const options = {
      host: '127.0.0.1',
      port: this.#port,
      path,
      agent: this.#agent,
      method: this.#writes ? 'POST' : 'GET',
      headers: this.#writes ? { 'content-type': 'application/json' } : {},
    };
    return new Promise((resolve, reject) => {
      const sent = request(options, (response) => {
        response.resume();
        response.once('end', () =>
          response.statusCode === wanted ? resolve() : reject(new Error(`${response.statusCode}`)),
        );
      });
      sent.once('error', reject);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function print({ connections }: Pick<AttackPlan, 'connections'>, figures: AttackFigures, restBytes: number): void {
  const { before, during, openBytesEach, sentBytesEach, keptBytes, report } = figures;
  const ended = report.endedMs.toSorted((a, b) => a - b);
  const last = ended.at(-1);
  process.stdout.write(
    `${[
      `${connections} connections, ${report.opened} opened; server at rest ${(restBytes / mebibyte).toFixed(0)} MiB`,
      `each open ${(openBytesEach / 1_024).toFixed(1)} KiB, with its bytes sent ${(sentBytesEach / 1_024).toFixed(1)} KiB, kept afterwards ${(keptBytes / mebibyte).toFixed(1)} MiB in all`,
      `answers ${JSON.stringify(report.answers)}, ended ${ended.length}, the last after ${last?.toFixed(0)} ms, still open ${report.open}`,
      `requests of others: before p50 ${before.p50Ms} p99 ${before.p99Ms} ms (${before.count}), during p50 ${during.p50Ms} p99 ${during.p99Ms} ms (${during.count})`,
    ].join('\n')}\n`,
  );
}
