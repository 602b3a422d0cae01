/**
 * Starts again what ends of the processes of a cluster. Whoever ends by itself or is killed is started again after a wait that doubles from half a
 * second to half a minute, and begins anew for one that has run for a while. One that does not come up ten times in a row is left alone until
 * `again` is called. Each end and each failed start is one line.
 *
 * Invariant: of one process at most one start is under way. It ends no process: who asked for the end says so by the signal, and what runs stays.
 */
import { childSignal, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';

/** A process that runs. */
export interface Running {
  readonly name: string;
  /** Resolves once it has ended, with how: `with exit code 1`, `by SIGKILL`. */
  readonly ended: Promise<string>;
}

/** What is told of a process that is looked after. */
export interface Supervision {
  /** How often it was started again. */
  readonly restarts: number;
  /** How it ended last. */
  readonly lastEnd?: string;
  /** Why it does not run, while it does not. */
  readonly problem?: string;
}

/** How processes are started, and who is told of them. */
export interface SupervisorOptions {
  readonly clock: Clock;
  /** Starts a process and resolves once it answers; rejects, with nothing left of it, with why it does not. */
  start(name: string, signal: AbortSignal): Promise<Running>;
  /** Told of each end and each failed start. */
  say(line: string): void;
  /** Told of each change. */
  onChange(processes: Readonly<Record<string, Supervision>>): void;
}

/** Before the first new start: shorter than what depends on the process waits for it. */
const waitMsMin = 500;
/** Nobody waits longer for a process whose trouble has passed. */
const waitMsMax = 30_000;
/** A process that has run for so long starts with the shortest wait again. */
const steadyMs = 300_000;
/** Two minutes with the waits between: what a store that is away for a moment, or a port that is not yet free, may take. */
const failedStartsMax = 10;

/** Looks after processes by name: starts each, and again when it ends, until it is told to stop. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #processes: Record<string, Supervision> = {};
  /** Ends the wait of each process that waits. */
  readonly #waits = new Set<AbortController>();

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Looks after these until the signal is aborted; resolves when no start is under way any more. */
  async run(running: readonly Running[], signal: AbortSignal): Promise<void> {
    for (const { name } of running) this.#processes[name] = { restarts: 0 };
    this.#options.onChange(this.#processes);
    await Promise.all(running.map((one) => this.#keep(one, signal)));
  }

  /** Why not all of them run; undefined when they do. */
  get problem(): string | undefined {
    const lines = Object.entries(this.#processes).flatMap(([name, { problem }]) =>
      problem === undefined ? [] : [`${name}: ${problem}`],
    );
    return lines.length === 0 ? undefined : lines.join('; ');
  }

  /** Starts at once all that waits, or was given up. */
  again(): void {
    for (const wait of this.#waits) wait.abort();
  }

  async #keep(first: Running, signal: AbortSignal): Promise<void> {
    const { clock, say } = this.#options;
    const { name } = first;
    let current: Running | undefined = first;
    let waitMs = waitMsMin;
    while (current !== undefined) {
      const sinceMs = clock.monotonicMs();
      const how = await endOf(current, signal);
      if (how === undefined) return;
      if (clock.monotonicMs() - sinceMs >= steadyMs) waitMs = waitMsMin;
      say(`${name} has ended ${how}: it is started again in ${waitMs / 1000} s`);
      this.#change(name, { lastEnd: how, problem: `it has ended ${how}` });
      current = await this.#startAgain(name, waitMs, signal);
      waitMs = Math.min(waitMs * 2, waitMsMax);
    }
  }

  /** Undefined when the signal was aborted before it ran. */
  async #startAgain(name: string, firstWaitMs: number, signal: AbortSignal): Promise<Running | undefined> {
    const { say, start } = this.#options;
    let waitMs = firstWaitMs;
    let failures = 0;
    for (;;) {
      const wasAsked = await this.#wait(failures < failedStartsMax ? waitMs : undefined, signal);
      if (signal.aborted) return undefined;
      if (wasAsked) failures = 0;
      try {
        const running = await start(name, signal);
        const { restarts, lastEnd } = this.#processes[name]!;
        this.#processes[name] = { restarts: restarts + 1, ...(lastEnd === undefined ? {} : { lastEnd }) };
        this.#options.onChange(this.#processes);
        say(`${name} runs again`);
        return running;
      } catch (error) {
        if (signal.aborted) return undefined;
        const why = errorText(error);
        failures++;
        waitMs = Math.min(waitMs * 2, waitMsMax);
        const isOver = failures >= failedStartsMax;
        say(
          isOver
            ? `${name} does not start, and is not tried again until the next "coxswain up": ${why}`
            : `${name} does not start: ${why}; the next try is in ${waitMs / 1000} s`,
        );
        this.#change(name, { problem: isOver ? `it does not start, ${failures} times in a row: ${why}` : why });
      }
    }
  }

  /** Resolves after the time, or with true once it is asked for again; without a time only then. */
  async #wait(waitMs: number | undefined, signal: AbortSignal): Promise<boolean> {
    const { controller, dispose } = childSignal(signal);
    this.#waits.add(controller);
    try {
      const timeMs = waitMs ?? waitMsMax;
      while ((await sleep(this.#options.clock, timeMs, controller.signal)) && waitMs === undefined);
      return controller.signal.aborted;
    } finally {
      this.#waits.delete(controller);
      dispose();
    }
  }

  #change(name: string, change: Partial<Supervision>): void {
    this.#processes[name] = { ...this.#processes[name]!, ...change };
    this.#options.onChange(this.#processes);
  }
}

/** How a process ended; undefined when the signal is aborted before. */
function endOf({ ended }: Running, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const leave = (): void => resolve(undefined);
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    void ended.then((how) => {
      signal.removeEventListener('abort', leave);
      resolve(how);
    });
  });
}
