/**
 * Makes calls that concern a whole process concern the container alone: a signal to its own process id is one to the program, signals to
 * processes that are not its own find none, the processes it starts carry its mark, and it starts a bounded number of threads. Upstream's
 * counterpart is the pid namespace of a container.
 *
 * This is for programs that do what programs do. One that means harm finds a way around it; then the host of the node's programs ends, or
 * what it started lives until the host is asked for.
 */
import childProcess from 'node:child_process';
import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import workerThreads, { type WorkerOptions } from 'node:worker_threads';

/** Threads that a program may have besides its own. A thread costs 6 MB that no limit of its heap counts. */
const threadsMax = 32;

/** Signals that a process which does not listen for them does not notice. Stopping is among them: one thread cannot be stopped. */
const unnoticed = new Set(['SIGCHLD', 'SIGCONT', 'SIGSTOP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGURG', 'SIGWINCH']);

/** How processes and threads of the program are marked. */
export interface GuardOptions {
  /** Environment of every process that the program starts: its mark. */
  readonly marks: Readonly<Record<string, string>>;
  /** What is found in `/proc/<pid>/environ` of the program's own processes. */
  readonly ownMark: string;
  /** Name of the program's threads, by which the host knows whose they are. */
  readonly threadName: string;
  /** SIGTERM for the program. */
  onTerm(): void;
  /** Where on the machine a process begins for which the program names this directory of the container, or none. */
  hostDirectory(directory: string | undefined): string;
  /** Called once, before the program starts its first process. */
  onFirstChild(): void;
}

/** Replaces Node's functions in this thread. To be called before anything of the program is loaded; it cannot be undone. */
export function guardThread(options: GuardOptions): void {
  guardSignals(options);
  guardChildren(options);
  guardThreads(options.threadName);
  syncBuiltinESMExports();
}

function guardSignals(options: GuardOptions): void {
  const kill = process.kill.bind(process);
  const ownPid = process.pid;
  // In its own eyes a container has no parent.
  Object.defineProperty(process, 'ppid', { configurable: true, enumerable: true, get: () => 0 });
  process.kill = (pid, signal = 'SIGTERM') => {
    const name = typeof signal === 'number' ? nameOfSignal(signal) : signal;
    // Not numbers, or no signals: Node says so.
    if (!Number.isInteger(pid) || (signal !== 0 && !Object.hasOwn(os.constants.signals, name)))
      return kill(pid, signal);
    if (pid === ownPid || pid === 0) {
      if (signal !== 0) receive(name as NodeJS.Signals, options);
      return true;
    }
    if (pid !== -1 && isMarked(Math.abs(pid), options.ownMark)) return kill(pid, signal);
    throw Object.assign(new Error('kill ESRCH'), { errno: -os.constants.errno.ESRCH, code: 'ESRCH', syscall: 'kill' });
  };
}

function receive(name: NodeJS.Signals, options: GuardOptions): void {
  if (name === 'SIGTERM') options.onTerm();
  else if (name !== 'SIGKILL' && process.listenerCount(name) > 0) process.emit(name, name);
  else if (!unnoticed.has(name)) process.exit(128 + os.constants.signals[name]);
}

function nameOfSignal(number: number): string {
  return Object.entries(os.constants.signals).find(([, value]) => value === number)?.[0] ?? '';
}

function isMarked(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark);
  } catch {
    return false;
  }
}

/** What the prototype of child processes has and does not show. */
interface SpawnPrototype {
  spawn(this: unknown, options: { cwd?: string; envPairs?: readonly string[] }): unknown;
}

function guardChildren({ marks, hostDirectory, onFirstChild }: GuardOptions): void {
  let isFirst = true;
  const starting = (): void => {
    if (isFirst) onFirstChild();
    isFirst = false;
  };
  const prototype = childProcess.ChildProcess.prototype as unknown as SpawnPrototype;
  const { spawn } = prototype;
  const pairs = Object.entries(marks).map(([name, value]) => `${name}=${value}`);
  prototype.spawn = function (options) {
    starting();
    const others = (options.envPairs ?? []).filter((pair) => !Object.hasOwn(marks, pair.slice(0, pair.indexOf('='))));
    return spawn.call(this, { ...options, cwd: hostDirectory(options.cwd), envPairs: [...others, ...pairs] });
  };
  // These wait for the process, and do not go through the prototype. Their options come last.
  for (const name of ['spawnSync', 'execSync', 'execFileSync'] as const) {
    const call = childProcess[name] as (...args: readonly unknown[]) => unknown;
    const marked = (...args: readonly unknown[]): unknown => {
      starting();
      const last = args.at(-1);
      const hasOptions = args.length > 1 && typeof last === 'object' && last !== null && !Array.isArray(last);
      const given = hasOptions ? (last as { readonly cwd?: string | URL; readonly env?: NodeJS.ProcessEnv }) : {};
      const rest = hasOptions ? args.slice(0, -1) : args.filter((arg) => arg !== undefined);
      const cwd = hostDirectory(given.cwd instanceof URL ? fileURLToPath(given.cwd) : given.cwd);
      return call(...rest, { ...given, cwd, env: { ...(given.env ?? process.env), ...marks } });
    };
    Object.assign(childProcess, { [name]: marked });
  }
}

function guardThreads(threadName: string): void {
  const { Worker, parentPort, resourceLimits } = workerThreads;
  let threads = 0;
  class BoundedWorker extends Worker {
    constructor(filename: string | URL, options: WorkerOptions = {}) {
      if (threads >= threadsMax) throw new Error(`Cannot start a thread as ${threadsMax} run in this container`);
      super(filename, { ...options, name: threadName, resourceLimits: withinLimits(options.resourceLimits) });
      threads++;
      this.once('exit', () => threads--);
    }
  }
  const withinLimits = (wanted: WorkerOptions['resourceLimits']): WorkerOptions['resourceLimits'] => ({
    ...resourceLimits,
    ...wanted,
    maxOldGenerationSizeMb: Math.min(
      wanted?.maxOldGenerationSizeMb ?? Number.POSITIVE_INFINITY,
      resourceLimits?.maxOldGenerationSizeMb ?? Number.POSITIVE_INFINITY,
    ),
  });
  // There is nobody at the other end: messages would only pile up in the host's memory.
  if (parentPort !== null) parentPort.postMessage = () => {};
  Object.assign(workerThreads, { Worker: BoundedWorker, workerData: null });
}
