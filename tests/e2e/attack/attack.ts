/** One attack on a running cluster: what it costs the server, what it does to others, and what is left of it. Prints its figures. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { readTarget } from '#tests/bench/kubeconfig.ts';
import type { RunningCluster } from '../running-cluster.ts';
import type { AttackPlan, AttackReport } from './attackers.ts';
import type { Load, OthersPlan } from './others.ts';

const mebibyte = 1024 * 1024;

/** What may stay of an attack, as resident memory of the server. */
export const keptBytesMax = 40 * mebibyte;

/** By when it has to be given back at the latest. */
const givenBackMs = 60_000;

/** By when the server has to have closed all of its connections at the latest, after it was watched. */
const endedMsMax = 60_000;

/** So many of the attackers come first, to warm up what answers them. */
const warmingConnections = 200;

/** How long others have been at it when the attack's bytes are sent. */
const leadMs = 500;

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
  const identity = readTarget(cluster.kubeconfig);
  const { cert = '', key = '' } = identity;
  const plan: AttackPlan = { ...what, port: cluster.apiPort, ...(isKnown ? { identity: { cert, key } } : {}) };
  const pid = await serverPid(cluster);
  const known = new Helper<{ readonly ms: number; readonly plan: OthersPlan }, Load>('others.ts');
  const attackers = new Helper<{ readonly do: string; readonly plan?: AttackPlan }, AttackReport>('attackers.ts');
  // They would come from other machines: what they do to others is not to be that they take the processors of this one.
  setPriority(attackers.pid, constants.priority.PRIORITY_LOW);
  const ask = (ms: number): Promise<Load> =>
    known.tell({ ms, plan: { port: cluster.apiPort, writes: othersWrite, identity } });
  try {
    // A few of the attackers and a first run warm all sides up.
    await attackers.tell({
      do: 'open',
      plan: { ...plan, connections: Math.min(warmingConnections, plan.connections) },
    });
    await attackers.tell({ do: 'send' });
    await ask(2_000);
    await attackers.tell({ do: 'end' });
    const before = await ask(4_000);
    const restBytes = residentBytes(pid);
    const opening = attackers.tell({ do: 'open', plan });
    const { opened } = await opening;
    const openBytes = residentBytes(pid);
    // From before the first of the attack's bytes on: its beginning is the worst of it.
    const others = ask(watchMs);
    await rest(leadMs);
    await attackers.tell({ do: 'send' });
    let mostBytes = 0;
    const look = setInterval(() => {
      mostBytes = Math.max(mostBytes, residentBytes(pid));
    }, 50);
    const during = await others;
    clearInterval(look);
    // A busy machine takes longer over it.
    const untilMs = performance.now() + endedMsMax;
    while ((await attackers.tell({ do: 'report' })).open > 0 && performance.now() < untilMs) await rest(200);
    const report = await attackers.tell({ do: 'end' });
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
    attackers.close();
    known.close();
  }
}

/** A process of its own that does what it is told, one thing after the other, and answers each with one message. */
class Helper<Order extends object, Answer> {
  readonly #child;

  constructor(file: string) {
    this.#child = fork(join(import.meta.dirname, file), { stdio: 'inherit' });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async tell(order: Order): Promise<Answer> {
    this.#child.send(order);
    return (await once(this.#child, 'message'))[0] as Answer;
  }

  close(): void {
    this.#child.disconnect();
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
