/**
 * The processes that programs start, found by the mark that their environment carries: it is inherited, and outlives a parent's end, a
 * session of its own and a double fork. What has left its parents and also cleared its environment is not found. Upstream's counterpart
 * is the cgroup of a container. Linux only: elsewhere there is no `/proc` and nothing is found.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { containerVariable, ownerVariable } from './marks.ts';

/** Each pass ends what the one before missed because it was just being started. */
const passesMax = 50;
const betweenPassesMs = 10;

/** Whose processes are looked for. */
export interface SweeperOptions {
  readonly clock: Clock;
  /** Mark of all processes of this runtime. */
  readonly owner: string;
  /** A process with the mark that is left alone: the one that looks. */
  readonly ownPid: number;
  /** Kills a process. Does nothing for one that has ended. */
  kill(pid: number): void;
  /** Takes an ended process out of the machine's table, if it is a child of this one. Absent where that cannot be done. */
  reap?(pid: number): void;
}

/** A process of the machine. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parentPid: number;
  /** Marks that it carries. */
  readonly container: string | undefined;
  readonly owner: string | undefined;
}

/** Processes that match, and all that descend from them. Those that have ended and wait for their parent are left out. */
export async function findProcesses(matches: (process: ProcessEntry) => boolean): Promise<readonly ProcessEntry[]> {
  const all = await listProcesses();
  const found = new Map(all.filter(matches).map((process) => [process.pid, process]));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const process of all) if (found.has(process.parentPid)) found.set(process.pid, process);
  }
  return [...found.values()];
}

/** Ends the processes that programs have started: looks through the machine once for all containers that end at the same time. */
export class Sweeper {
  readonly #options: SweeperOptions;
  /** Containers of the next look. */
  #marks = new Set<string>();
  #next: Promise<void> | undefined;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** Ends what a container whose thread is over has left; resolves when there is nothing of it. */
  sweep(container: string): Promise<void> {
    this.#marks.add(container);
    this.#next ??= this.#running.then(async () => {
      const marks = this.#marks;
      this.#marks = new Set();
      this.#next = undefined;
      const work = this.#end((process) => process.container !== undefined && marks.has(process.container));
      this.#running = work;
      await work;
    });
    return this.#next;
  }

  /** Kills once what a container has started: its thread still runs, is told of their end, and may start more. */
  async killOnce(container: string): Promise<void> {
    for (const { pid } of await findProcesses((process) => process.container === container)) this.#options.kill(pid);
  }

  /** Ends what any container has started. */
  async sweepAll(): Promise<void> {
    const { owner, ownPid } = this.#options;
    await this.#end((process) => process.owner === owner && process.pid !== ownPid);
  }

  async #end(matches: (process: ProcessEntry) => boolean): Promise<void> {
    const killed = new Set<number>();
    for (let pass = 0; pass < passesMax; pass++) {
      const found = await findProcesses(matches);
      if (found.length === 0) break;
      for (const { pid } of found) {
        killed.add(pid);
        this.#options.kill(pid);
      }
      await sleep(this.#options.clock, betweenPassesMs);
    }
    // The thread that would have asked how they ended is gone.
    for (const pid of killed) this.#options.reap?.(pid);
  }
}

/** Resident bytes of a process; 0 when it has ended. */
export async function residentBytesOf(pid: number): Promise<number> {
  return residentBytesIn(await readFile(`/proc/${pid}/status`, 'latin1').catch(() => ''));
}

/** Resident bytes in what `/proc/<pid>/status` holds. */
export function residentBytesIn(status: string): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Who a program belongs to: a runtime, by its process, the tick at which that started, a name of its own, and its folder. */
export interface OwnerIdentity {
  readonly pid: number;
  readonly startTick: number;
  readonly name: string;
  readonly folder: string;
}

/** When a process started, in ticks since the machine did; 0 when there is none, or one that has ended and waits for its parent. */
export async function startTickOf(pid: number): Promise<number> {
  const fields = fieldsOf(await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => ''));
  return hasEnded(fields[0]) ? 0 : Number(fields[19] ?? 0);
}

/** The mark of a runtime's programs in their environment. */
export function ownerMark({ pid, startTick, name, folder }: OwnerIdentity): string {
  return `${pid}:${startTick}:${name}:${folder}`;
}

/** Kills what programs of this folder have left whose runtime has ended without ending them. */
export async function endLeftOvers(folder: string, kill: (pid: number) => void): Promise<void> {
  for (const { pid, owner } of await findProcesses(({ owner }) => owner?.endsWith(`:${folder}`) === true)) {
    const [ownerPid, startTick] = owner?.split(':') ?? [];
    if ((await startTickOf(Number(ownerPid))) !== Number(startTick)) kill(pid);
  }
}

/** The processes of this pid namespace that can be looked into: those of this user. */
async function listProcesses(): Promise<readonly ProcessEntry[]> {
  const names = await readdir('/proc').catch(() => []);
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  const found = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map(readProcess));
  const isHere = async (process: ProcessEntry | undefined): Promise<ProcessEntry | undefined> => {
    const isMarked = process?.owner !== undefined;
    if (!isMarked) return process;
    return (await readlink(`/proc/${process.pid}/ns/pid`).catch(() => '')) === namespace ? process : undefined;
  };
  const here = await Promise.all(found.map(isHere));
  return here.filter((process) => process !== undefined);
}

async function readProcess(name: string): Promise<ProcessEntry | undefined> {
  try {
    const [environ, stat] = await Promise.all([
      readFile(`/proc/${name}/environ`, 'utf8'),
      readFile(`/proc/${name}/stat`, 'latin1'),
    ]);
    const [state, parent] = fieldsOf(stat);
    if (hasEnded(state)) return undefined;
    return {
      pid: Number(name),
      parentPid: Number(parent),
      container: valueIn(environ, containerVariable),
      owner: valueIn(environ, ownerVariable),
    };
  } catch {
    // It has ended, or is another user's.
    return undefined;
  }
}

/** Whether the state of a process says that it is no more than a number to be asked for. Source: proc(5). */
function hasEnded(state: string | undefined): boolean {
  return state === 'Z' || state === 'X';
}

/** Value of a variable in what `/proc/<pid>/environ` holds. */
function valueIn(environ: string, variable: string): string | undefined {
  const start = environ.startsWith(`${variable}=`) ? 0 : environ.indexOf(`\0${variable}=`) + 1;
  if (start === 0 && !environ.startsWith(`${variable}=`)) return undefined;
  const end = environ.indexOf('\0', start);
  return environ.slice(start + variable.length + 1, end < 0 ? undefined : end);
}

/** Fields after the name of the program, which may hold anything. The first is the state. */
function fieldsOf(stat: string): readonly string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
