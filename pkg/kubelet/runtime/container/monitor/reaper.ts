/**
 * Hears of the ends of processes that this one has inherited: those of containers and of commands in them, whose parent, the OCI runtime, has ended. What
 * nobody waits for and is this process's nevertheless is taken out of the way, unless something is being started that it may belong to.
 */
import { existsSync } from 'node:fs';
import { endedChild, reap } from './system-calls.ts';

/** The processes that are waited for. */
export class Reaper {
  readonly #waited = new Map<number, (exitCode: number) => void>();
  /** Children of Node's own, whose end it asks for itself. */
  readonly #own = new Set<number>();
  #starting = 0;

  /** Begins to listen; nothing is heard before. */
  listen(): void {
    process.on('SIGCHLD', () => this.look());
  }

  /** Runs what starts processes that are not yet known here. */
  async while<T>(starting: () => Promise<T>): Promise<T> {
    this.#starting++;
    try {
      return await starting();
    } finally {
      this.#starting--;
      this.look();
    }
  }

  /** A child that Node waits for. */
  own(pid: number, isThere: boolean): void {
    if (isThere) this.#own.add(pid);
    else this.#own.delete(pid);
  }

  /** Resolves with the exit code. */
  wait(pid: number): Promise<number> {
    return new Promise((resolve) => {
      this.#waited.set(pid, resolve);
      this.#ask(pid);
    });
  }

  /** Asks for all that may have ended. */
  look(): void {
    for (const pid of this.#waited.keys()) this.#ask(pid);
    if (this.#starting > 0) return;
    for (let pid = endedChild(); pid !== undefined && !this.#own.has(pid); pid = endedChild()) {
      // One that is waited for may have ended just now: its exit code is not to be lost.
      if (this.#waited.has(pid)) this.#ask(pid);
      else if (!takeAway(pid)) return;
    }
  }

  #ask(pid: number): void {
    const resolve = this.#waited.get(pid);
    let exitCode: number | undefined;
    try {
      exitCode = reap(pid)?.exitCode;
    } catch {
      // Of a process that the OCI runtime has started to start it, and that is just ending: this one inherits both, and is told of the first end.
      if (existsSync(`/proc/${pid}`)) return;
      // It is not this process's any more: nobody will hear how it ended.
      exitCode = 255;
    }
    if (exitCode === undefined) return;
    this.#waited.delete(pid);
    resolve?.(exitCode);
  }
}

function takeAway(pid: number): boolean {
  try {
    reap(pid);
    return true;
  } catch {
    return false;
  }
}
