/**
 * The process of the clients as the benchmark's own process sees it: calls, of which one is under way at a time. A process of its own, so
 * that printing and watching over clusters take nothing from the clients.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { CallMessage, ResultMessage, WorkerCalls } from './worker.ts';

/** Rejects all calls once the process has ended. */
export class Clients {
  readonly #child: ChildProcess;
  #settle: ((message: ResultMessage) => void) | undefined;
  #hasEnded = false;

  /** The process ends with `signal`, and what is under way with it. */
  constructor(signal: AbortSignal) {
    this.#child = fork(join(import.meta.dirname, 'worker.ts'));
    const kill = (): void => void this.#child.kill();
    signal.addEventListener('abort', kill, { once: true });
    this.#child.on('message', (message) => this.#settle?.(message as ResultMessage));
    this.#child.on('exit', () => {
      signal.removeEventListener('abort', kill);
      this.#hasEnded = true;
      this.#settle?.({ error: 'The process of the clients has ended' });
    });
  }

  /** Rejects with what went wrong over there. */
  async call<Name extends keyof WorkerCalls>(
    call: Name,
    task: Parameters<WorkerCalls[Name]>[0],
  ): Promise<ReturnType<WorkerCalls[Name]>> {
    const { result, error } = await new Promise<ResultMessage>((resolve) => {
      this.#settle = resolve;
      if (this.#hasEnded) resolve({ error: 'The process of the clients has ended' });
      else this.#child.send({ call, task } satisfies CallMessage);
    });
    if (error !== undefined) throw new Error(error);
    return result as ReturnType<WorkerCalls[Name]>;
  }

  /** Ends the process; resolves when it has. */
  async end(): Promise<void> {
    if (this.#hasEnded) return;
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }
}
