/**
 * One container under the monitor's eye: it is run, its output goes to its log and to who is attached, and its end is written down before anybody is told.
 * What it has started in namespaces that it shares with others is ended with it.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { launch } from './launch.ts';
import { LogFile } from './log-file.ts';
import { ProcessIo } from './process-io.ts';
import { processEntry, processesIn } from './process-tree.ts';
import type { ExitRecord, MonitoredContainer, RunCall } from './protocol.ts';
import type { Reaper } from './reaper.ts';
import type { Runc } from './runc.ts';
import { Viewers } from './viewers.ts';

/** How often a process that is no child is looked for. */
const lookMs = 500;
/** A process that is told to end for good is asked again this often: one in the kernel's hands may take a while. */
const killPeriodMs = 20;
const killTriesMax = 250;
const sigkill = 9;
const unseenExitCode = 255;

/** What all containers of a node share. */
export interface WatchDeps {
  readonly clock: Clock;
  /** The OCI runtime at a path. */
  runtime(path: string): Runc;
  readonly reaper: Reaper;
  /** Of this container, in memory. */
  readonly folder: string;
  onExit(id: string, exit: ExitRecord): void;
}

interface RunningRecord {
  readonly call: RunCall;
  readonly pid: number;
  readonly startTicks: number;
  readonly startedAtMs: number;
}

/** Name of the file that says that it runs. */
const runningFile = 'running.json';

/** One container. */
export class ContainerWatch {
  readonly viewers = new Viewers();
  readonly call: RunCall;
  readonly #deps: WatchDeps;
  readonly #log: LogFile | undefined;
  #io: ProcessIo | undefined;
  #summary: MonitoredContainer | undefined;
  /** Resolves when its end has been written down and its cgroup is gone. */
  #over: Promise<void> = Promise.resolve();

  constructor(call: RunCall, deps: WatchDeps) {
    this.call = call;
    this.#deps = deps;
    const { logPath } = call;
    this.#log = logPath === undefined ? undefined : new LogFile({ path: logPath, onRoom: () => this.#io?.resume() });
  }

  /** Undefined until it runs. */
  get summary(): MonitoredContainer | undefined {
    return this.#summary;
  }

  /** Input from who is attached, until the first of them ends it where it is for one alone. */
  get input(): Pick<ProcessIo, 'resize' | 'write'> | undefined {
    return this.#io;
  }

  endInput(): void {
    if (this.call.stdinOnce) this.#io?.endInput();
  }

  /** Runs it. Rejects with one sentence when it cannot be. */
  async run(): Promise<void> {
    const { bundle, id, tty, stdin, owner, ociRuntime } = this.call;
    const { runtime, reaper, folder, clock } = this.#deps;
    const early: (readonly ['stderr' | 'stdout', Buffer])[] = [];
    let isRunning = false;
    const launched = await launch({
      runc: runtime(ociRuntime),
      reaper,
      folder,
      tty,
      stdin,
      owner,
      args: [['run', '--detach', '--bundle', bundle], [id]],
      sink: (stream, bytes) => {
        if (isRunning) return this.#output(stream, bytes);
        // The OCI runtime's own words about what went wrong come this way, too: they are no output.
        early.push([stream, bytes]);
        return true;
      },
    });
    isRunning = true;
    for (const [stream, bytes] of early) this.#output(stream, bytes);
    this.#io = launched.io;
    this.#begin(launched.pid, clock.nowMs());
    const { pid, exited } = launched;
    const startTicks = processEntry(pid)?.startTicks ?? 0;
    const startedAtMs = this.#summary?.startedAtMs ?? 0;
    writeWhole(join(folder, runningFile), { call: this.call, pid, startTicks, startedAtMs } satisfies RunningRecord);
    this.#over = exited.then((exitCode) => this.#ended(exitCode, {}));
  }

  /** Takes over one that another monitor had started; how it ends will not be known. */
  adopt({ pid, startTicks, startedAtMs }: RunningRecord): void {
    const { tty, stdin } = this.call;
    this.#begin(pid, startedAtMs);
    const isAlive = (): boolean => processEntry(pid)?.startTicks === startTicks;
    if (!isAlive()) {
      this.#over = this.#ended(unseenExitCode, { isUnseen: true });
      return;
    }
    const sink = (stream: 'stderr' | 'stdout', bytes: Buffer): boolean => this.#output(stream, bytes);
    this.#io = new ProcessIo({ folder: this.#deps.folder, tty, stdin, sink });
    this.#io.reopen();
    const { clock } = this.#deps;
    this.#over = (async () => {
      while (isAlive()) await sleep(clock, lookMs);
      this.#io?.finish();
      await this.#ended(unseenExitCode, { isUnseen: true });
    })();
  }

  /** Sends a signal to its program; nothing once it has ended. */
  signal(signal: number): void {
    if (this.#summary !== undefined && this.#summary.exit === undefined) kill(this.#summary.pid, signal);
  }

  /** Ends it and takes away what the OCI runtime and this one keep of it. */
  async remove(): Promise<void> {
    this.signal(sigkill);
    await this.#over;
    rmSync(this.#deps.folder, { recursive: true, force: true });
  }

  #begin(pid: number, startedAtMs: number): void {
    this.#summary = { id: this.call.id, pid, startedAtMs };
  }

  #output(stream: 'stderr' | 'stdout', bytes: Buffer): boolean {
    this.viewers.output(stream, bytes);
    this.#log?.write(stream, bytes, this.#deps.clock.nowMs());
    return this.#log?.hasRoom ?? true;
  }

  async #ended(exitCode: number, how: Pick<ExitRecord, 'isUnseen'>): Promise<void> {
    const { clock, folder, onExit, runtime } = this.#deps;
    const { id, cgroups, exitPath, ociRuntime } = this.call;
    const isOutOfMemory = hadMemoryEnd(cgroups);
    await this.#endRest();
    const exit: ExitRecord = { atMs: clock.nowMs(), exitCode, isOutOfMemory, ...how };
    await this.#log?.end(exit.atMs);
    try {
      writeWhole(exitPath, exit);
    } catch {
      // The container was removed meanwhile, or the disk is full: this process still knows.
    }
    if (this.#summary !== undefined) this.#summary = { ...this.#summary, exit };
    this.viewers.end(exitCode);
    onExit(id, exit);
    const deletion = { args: ['delete', '--force', id], logPath: join(folder, 'log') };
    await runtime(ociRuntime)
      .run(deletion)
      .catch(() => {});
    rmSync(join(folder, runningFile), { force: true });
  }

  /** Ends what it left in its cgroup: without process ids of its own, that goes on without it. */
  async #endRest(): Promise<void> {
    const { cgroups } = this.call;
    for (let tries = 0; tries < killTriesMax; tries++) {
      const left = processesIn(cgroups);
      if (left.length === 0) return;
      for (const { pid } of left) kill(pid, sigkill);
      await sleep(this.#deps.clock, killPeriodMs);
    }
  }
}

/** The container of a folder that an earlier monitor has left there; undefined where none ran. */
export function adoptContainer(deps: WatchDeps): ContainerWatch | undefined {
  let record: RunningRecord;
  try {
    record = JSON.parse(readFileSync(join(deps.folder, runningFile), 'utf8'));
  } catch {
    return undefined;
  }
  const watch = new ContainerWatch(record.call, deps);
  watch.adopt(record);
  return watch;
}

/** Whether the kernel has ended one of its processes for want of memory: both versions of cgroups count that. */
function hadMemoryEnd(cgroups: readonly string[]): boolean {
  return cgroups.some((folder) =>
    ['memory.oom_control', 'memory.events'].some((name) => {
      try {
        return /^oom_kill [1-9]/m.test(readFileSync(join(folder, name), 'latin1'));
      } catch {
        return false;
      }
    }),
  );
}

function kill(pid: number, signal: number): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

/** Written beside it first, so that nobody finds half of it. */
function writeWhole(path: string, value: object): void {
  writeFileSync(`${path}.new`, JSON.stringify(value), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
