/** One process of a site: started again whenever it ends, as a service manager does, and killed or stopped for a while by the nemesis. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';

/** How it is started. */
export interface MemberOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whom it runs as; default the user of the tests. */
  readonly uid?: number;
  /** Where its output goes. */
  readonly logFile: string;
}

const clock = new SystemClock();
/** Between an end and the next start. */
const restartMs = 200;
/** Looks at a process that was told to stop, until the system says that it has. */
const looksMax = 2_000;

export class Member {
  readonly name: string;
  readonly logFile: string;
  readonly #options: MemberOptions;
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #running: Promise<void> | undefined;

  constructor(options: MemberOptions) {
    this.name = options.name;
    this.logFile = options.logFile;
    this.#options = options;
  }

  /** Starts it, and goes on to. */
  start(): void {
    this.#running = this.#keep();
  }

  /** Ends it without warning; whether it was this that ended it. */
  async kill(): Promise<boolean> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return false;
    const ended = endOf(child);
    child.kill('SIGKILL');
    await ended;
    return child.signalCode === 'SIGKILL';
  }

  /** Stops it where it is; whether the system says so. One that has ended, and is about to be started again, cannot be stopped. */
  async pause(): Promise<boolean> {
    const child = this.#child;
    const pid = child?.pid;
    if (pid === undefined || child?.kill('SIGSTOP') !== true) return false;
    for (let looks = 0; looks < looksMax; looks++) {
      if (stateOf(pid) === 'T') return true;
      await sleep(clock, 1);
    }
    return false;
  }

  /** Lets it go on. */
  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Resolves once the process that runs now has ended, by itself or not; whether it did within that time. */
  async ends(withinMs: number): Promise<boolean> {
    const child = this.#child;
    if (child === undefined) return false;
    const waited = new AbortController();
    const isLate = sleep(clock, withinMs, waited.signal).then(() => false);
    try {
      return await Promise.race([endOf(child).then(() => true), isLate]);
    } finally {
      waited.abort();
    }
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#child?.kill('SIGKILL');
    await this.#running;
  }

  async #keep(): Promise<void> {
    const { command, args, env = {}, uid, logFile } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const log = openSync(logFile, 'a');
      const user = uid === undefined ? {} : { uid, gid: uid };
      const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', log, log], ...user });
      closeSync(log);
      this.#child = child;
      await endOf(child);
      await sleep(clock, restartMs, signal);
    }
  }
}

function endOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
}

/** The letter by which the system says what a process does. Source: proc(5). */
function stateOf(pid: number): string {
  try {
    return /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}
