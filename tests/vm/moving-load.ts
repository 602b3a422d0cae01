/**
 * Migrations under load, as its clients see them: the machine is asked all the time, by `wrk` where it is installed and by clients of ours beside it, straight at the address that it had when it
 * began and through its Service, over connections that stay and over one for each question. What a handover costs is the longest that one of our clients waits meanwhile; what that is on this
 * machine without any handover is printed beside it, of as many answers.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { expect } from 'vitest';
import { type MovingCluster, port } from './moving-cluster.ts';
import { SteadyClient } from './steady-client.ts';

/** How a machine moves while it runs. */
const liveModes = ['pre-copy', 'post-copy', 'hybrid'] as const;

/** After a move each client has so many more answers before the next. */
const answersBetween = 10;
/** A machine that is slow has this long for them. */
const patienceMs = 120_000;

/**
 * Moves the machine so many times in each live mode, and prints what the clients saw; with `wrk` that loads it besides, where that is installed. Fails with the first question that had no answer, or
 * another connection.
 */
export async function moveUnderLoad(
  moving: MovingCluster,
  { moves, isHeavy }: { readonly moves: number; readonly isHeavy: boolean },
): Promise<void> {
  const service = await moving.kubectl('get', 'service', 'store', '-o', 'jsonpath={.spec.clusterIP}');
  const address = await moving.status('address');
  const clients = [
    new SteadyClient({ host: address, port }),
    ...Array.from({ length: 4 }, () => new SteadyClient({ host: service, port })),
    new SteadyClient({ host: service, port, isFresh: true }),
  ];
  const load = isHeavy ? startWrk(`http://${service}:${port}/healthz`) : undefined;
  try {
    await moveAll(moving, { moves, clients, comparesRest: isHeavy });
  } finally {
    const text = await load?.stop();
    const seen = await Promise.all(clients.map((client) => client.stop()));
    expect(seen.flatMap(({ problems }) => problems)).toEqual([]);
    expect(seen.slice(0, -1).map(({ connections }) => connections)).toEqual([1, 1, 1, 1, 1]);
    if (text !== undefined) expectCalm(text);
  }
}

async function moveAll(
  moving: MovingCluster,
  {
    moves,
    clients,
    comparesRest,
  }: { readonly moves: number; readonly clients: readonly SteadyClient[]; readonly comparesRest: boolean },
): Promise<void> {
  const waits = new Map<string, number[]>();
  const rests: number[] = [];
  for (let move = 0; move < moves * liveModes.length; move++) {
    const mode = liveModes[move % liveModes.length] ?? 'pre-copy';
    await answerAll(clients, answersBetween);
    longestOf(clients);
    const before = answersOf(clients);
    const { code, stdout, stderr } = await moving.migrate('--mode', mode);
    const why = code === 0 ? '' : await moving.kubectl('get', 'vmm,pods', '-o', 'jsonpath={.items[*].status}');
    expect([code, stdout], `${mode}: ${stderr}${why}`).toEqual([
      0,
      expect.stringMatching(/^store moved from \S+ to \S+: /),
    ]);
    await answerAll(clients, answersBetween);
    waits.set(mode, [...(waits.get(mode) ?? []), longestOf(clients)]);
    if (!comparesRest) continue;
    await answerAll(clients, Math.ceil((answersOf(clients) - before) / clients.length));
    rests.push(longestOf(clients));
  }
  for (const [mode, all] of waits) console.log(`${mode}: ${summary(all)}`);
  if (comparesRest) console.log(`at rest between ${summary(rests)}`);
}

function answersOf(clients: readonly SteadyClient[]): number {
  return clients.reduce((sum, { seen }) => sum + seen.answers, 0);
}

/** The longest that one of them waited since this was asked the last time. */
function longestOf(clients: readonly SteadyClient[]): number {
  return Math.max(...clients.map((client) => client.takeLongestMs()));
}

/** Every client gets so many more answers, or has found what is wrong. */
async function answerAll(clients: readonly SteadyClient[], more: number): Promise<void> {
  const before = clients.map(({ seen }) => seen.answers);
  const lacking = (): readonly number[] =>
    clients.flatMap(({ seen }, at) =>
      seen.problems.length > 0 || seen.answers >= (before[at] ?? 0) + more ? [] : [at],
    );
  await expect.poll(lacking, { timeout: patienceMs }).toEqual([]);
  expect(clients.flatMap(({ seen }) => seen.problems)).toEqual([]);
}

/** The load of `wrk`; undefined where it is not installed. */
function startWrk(url: string): { stop(): Promise<string> } | undefined {
  if (spawnSync('wrk', ['--version']).error !== undefined) return undefined;
  const child: ChildProcess = spawn('wrk', ['-t1', '-c2', '-d24h', '--timeout', '10m', '--latency', url]);
  let text = '';
  child.stdout?.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    stop: async () => {
      child.kill('SIGINT');
      await ended;
      return text;
    },
  };
}

/** Fails where `wrk` says that connections broke or answers were other than good. */
function expectCalm(text: string): void {
  console.log(text);
  expect(text).toMatch(/[1-9]\d* requests in/);
  expect(text).not.toMatch(/Socket errors|Non-2xx/);
}

function summary(waits: readonly number[]): string {
  const sorted = waits.toSorted((a, b) => a - b);
  const at = (part: number): string => (sorted[Math.ceil(part * sorted.length) - 1] ?? 0).toFixed(1);
  return `${waits.length} moves; the longest that a client waited: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}
