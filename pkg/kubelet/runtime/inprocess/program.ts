/** What a program of the in-process runtime is given and gives. One program is one container, in a worker thread of its own. */
import type { MessagePort } from 'node:worker_threads';
import type { Clock } from '#pkg/base/clock.ts';

/** What a program is given. */
export interface ProgramContext {
  /** What follows the program's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The pod's address: servers listen on it. */
  readonly ip: string;
  readonly hostname: string;
  /** Tag of the image, such as `v2`. */
  readonly imageTag: string;
  readonly clock: Clock;
  /** Aborted by SIGTERM. A program that reads it is expected to end by itself; one that does not is ended with exit code 143. */
  readonly signal: AbortSignal;
  /** Writes a line to standard output. */
  log(line: string): void;
  /** Writes a line to standard error. */
  error(line: string): void;
  /** Where a path of the container is on this machine: inside a mount, or in the container's own folder. */
  resolve(path: string): string;
}

/** What a command in a container has come to. */
export interface CommandOutput {
  readonly exitCode: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

/** Writes to one of the container's outputs. */
export type WriteOutput = (stream: 'stderr' | 'stdout', text: string) => void;

/** A command that `exec` (and exec probes and hooks) can run in a container. */
export type Command = (
  context: ProgramContext,
  args: readonly string[],
  signal: AbortSignal,
  /** Takes output as it comes, where somebody reads it meanwhile; what was written so is not returned again. */
  write?: WriteOutput,
) => CommandOutput | Promise<CommandOutput>;

/** What a module of an image exports as `program`. */
export interface Program {
  /** Runs; a number it returns is the exit code, otherwise the program lives while it has something open. */
  main(context: ProgramContext): number | undefined | Promise<number | undefined>;
  readonly commands?: Readonly<Record<string, Command>>;
}

/** How a program finds addresses by names, beside its `/etc/hosts`. */
export interface ProgramDns {
  /** Addresses, with ports where these are not 53. None: as the machine does. */
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  /** Names with as many dots are tried as they are first. */
  readonly ndots: number;
  /** For each try. */
  readonly timeoutMs: number;
  readonly attempts: number;
}

/** What the runtime tells the worker at its start. */
export interface WorkerStart {
  readonly module: string;
  /** The image's own program name; undefined for a module on disk. */
  readonly entrypoint: string | undefined;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly ip: string;
  readonly hostname: string;
  readonly imageTag: string;
  /** As the pod says, if it does. */
  readonly workingDir?: string;
  /** The container's own folder, and the paths of the container that are in it. */
  readonly root: string;
  readonly ownPaths: readonly string[];
  readonly mounts: readonly {
    readonly containerPath: string;
    readonly hostPath: string;
    readonly readOnly?: boolean;
  }[];
  /** Absent: as the machine does. */
  readonly dns?: ProgramDns;
  /** Its input stays open for whoever attaches. */
  readonly stdin?: boolean;
  readonly tty?: boolean;
  /** It gets no more rights than it has, nor does what it starts. */
  readonly noNewPrivileges?: boolean;
}

/** What a worker finds as its data: all that is its own of the host. */
export interface WorkerSetup {
  readonly start: WorkerStart;
  /** The host's main thread. Not the parent port, which a program may write to. */
  readonly port: MessagePort;
  /** Where output goes. */
  readonly ring: SharedArrayBuffer;
  /** Marks of the processes that the program starts. */
  readonly marker: string;
  readonly owner: string;
  /** Name of the program's threads. */
  readonly threadName: string;
  /** URL of what runs in the thread, and sources by URL. */
  readonly main: string;
  readonly sources: Readonly<Record<string, string>>;
}

/** Stands for the program of a container, where others are commands that `exec` runs. */
export const mainProcess = 0xffff_ffff;

/** What a command is opened with. */
export interface ProcessStart {
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly tty: boolean;
}

/** How much of a stream may be on its way, in bytes, until its reader has taken some. */
export const streamWindowBytes = 256 * 1024;
/** Longest piece of a stream. */
export const streamPieceBytes = 32 * 1024;

/** What goes on in a process with streams, towards it; `id` is its own among those of the container. */
export type ToProcess =
  | { readonly type: 'open'; readonly id: number; readonly start: ProcessStart }
  | { readonly type: 'input'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: 'inputEnd'; readonly id: number }
  /** So much of its output was read. */
  | { readonly type: 'credit'; readonly id: number; readonly bytes: number }
  | { readonly type: 'resize'; readonly id: number; readonly columns: number; readonly rows: number };

/** And from it. */
export type FromProcess =
  | { readonly type: 'data'; readonly id: number; readonly stream: 'stderr' | 'stdout'; readonly bytes: Uint8Array }
  /** So much of its input was read. */
  | { readonly type: 'read'; readonly id: number; readonly bytes: number }
  /** It has ended; `problem` says why it could not begin. */
  | { readonly type: 'closed'; readonly id: number; readonly exitCode: number; readonly problem?: string };

/** What a program's thread is told. */
export type ToWorker =
  | { readonly type: 'signal'; readonly signal: string }
  /** The start is over: what it has left can be given back. */
  | { readonly type: 'settle' }
  | { readonly type: 'exec'; readonly id: number; readonly command: readonly string[] }
  | { readonly type: 'cancelExec'; readonly id: number }
  | ToProcess;

/** What a program's thread tells. */
export type FromWorker =
  | { readonly type: 'started'; readonly threadId: number }
  /** There is something in the ring. */
  | { readonly type: 'output' }
  /** The program starts its first process. */
  | { readonly type: 'child' }
  | { readonly type: 'execDone'; readonly id: number; readonly output: CommandOutput }
  | FromProcess;
