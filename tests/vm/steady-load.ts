/**
 * A constant load on a machine, from processes of their own: `wrk`, where it is asked for and installed, and steady clients beside it, which say what the longest was that one of them waited. What a move
 * costs is that, over the time of the move; what it is without a move is looked at as long, by as many answers.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import type { SeenByAll } from './clients-main.ts';
import type { SteadyOptions } from './steady-client.ts';

/** After a move each client has so many more answers before the next. */
const answersBetween = 10;
/** A machine that is slow has this long for them. */
const patienceMs = 120_000;

/** Clients wait for answers that do not come. */
export class NoAnswers extends Error {}

/** What a load is made of. */
interface LoadOptions {
  readonly clients: readonly SteadyOptions[];
  /** What `wrk` asks all the time; absent: nothing. */
  readonly url?: string;
  /** Runs its processes with this before them: in a network of its own, say. */
  readonly within?: readonly string[];
}

/** Milliseconds of the longest wait, for each move and, after each, for as many answers at rest. */
export interface Waits {
  readonly moving: number[];
  readonly atRest: number[];
}

/** A load that runs. */
export class SteadyLoad {
  readonly #child: ChildProcess;
  readonly #wrk: { stop(): Promise<string> } | undefined;
  readonly #waiting: ((seen: SeenByAll) => void)[] = [];

  constructor({ clients, url, within = [] }: LoadOptions) {
    const main = join(import.meta.dirname, 'clients-main.ts');
    this.#child = start([...within, process.execPath, main, ...clients.map((client) => JSON.stringify(client))]);
    this.#wrk = url === undefined ? undefined : startWrk(url, within);
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('Cannot hear of the clients');
    createInterface({ input: stdout }).on('line', (line) => this.#waiting.shift()?.(JSON.parse(line)));
  }

  /** Every client gets so many more answers; rejects with what is wrong. Says what was seen since this was asked before. */
  async more(answers: number): Promise<SeenByAll> {
    const { promise, resolve, reject } = Promise.withResolvers<SeenByAll>();
    this.#waiting.push(resolve);
    const timer = setTimeout(() => reject(new NoAnswers(`no ${answers} answers in ${patienceMs} ms`)), patienceMs);
    this.#child.stdin?.write(`${answers}\n`);
    const all = await promise.finally(() => clearTimeout(timer));
    expect(all.seen.flatMap(({ problems }) => problems)).toEqual([]);
    return all;
  }

  /** Looks what clients wait while `move` goes on, so many times, and as long again after each if `looksAtRest`. */
  async measure(
    move: () => Promise<void>,
    { moves, looksAtRest, waits }: { readonly moves: number; readonly looksAtRest: boolean; readonly waits: Waits },
  ): Promise<void> {
    for (let at = 0; at < moves; at++) {
      const before = answersOf(await this.more(answersBetween));
      await move();
      const after = await this.more(answersBetween);
      waits.moving.push(after.longestMs);
      const answers = Math.ceil((answersOf(after) - before) / after.seen.length);
      if (looksAtRest) waits.atRest.push((await this.more(answers)).longestMs);
    }
  }

  /** Ends it. What its clients saw in all, and what `wrk` says. */
  async stop(): Promise<{ readonly all: SeenByAll; readonly text: string | undefined }> {
    try {
      return { all: await this.more(0), text: await this.#wrk?.stop() };
    } finally {
      await this.end();
    }
  }

  /** Ends it, whatever it has seen. */
  async end(): Promise<void> {
    this.#child.kill();
    await this.#wrk?.stop();
  }
}

/** One line of what was measured. */
export function waitsText(name: string, waits: readonly number[]): string {
  const sorted = waits.toSorted((a, b) => a - b);
  const at = (part: number): string => (sorted[Math.ceil(part * sorted.length) - 1] ?? 0).toFixed(1);
  return `${name}: ${waits.length} times; the longest that a client waited: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms`;
}

function answersOf({ seen }: SeenByAll): number {
  return seen.reduce((sum, { answers }) => sum + answers, 0);
}

function start([program = '', ...args]: readonly string[]): ChildProcess {
  return spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** The load of `wrk`; undefined where it is not installed. */
function startWrk(url: string, within: readonly string[]): { stop(): Promise<string> } | undefined {
  if (spawnSync('wrk', ['--version']).error !== undefined) return undefined;
  const child = start([...within, 'wrk', '-t1', '-c2', '-d24h', '--timeout', '10m', '--latency', url]);
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
