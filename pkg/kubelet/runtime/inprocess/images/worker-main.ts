/**
 * What runs first in a container's worker thread: builds the program's context, loads the program, passes on signals and runs
 * commands for `exec`. A stray SIGTERM ends the thread as it would end a process.
 */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { dirname, isAbsolute, join, resolve as resolvePath, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { workerData } from 'node:worker_threads';
import { SystemClock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { LogRingWriter } from '../host/log-ring.ts';
import { containerVariable, ownerVariable } from '../host/marks.ts';
import type { CommandOutput, FromWorker, Program, ProgramContext, ToWorker, WorkerSetup } from '../program.ts';

import { ContainerPaths } from './container-paths.ts';
import { mapFiles } from './worker-files.ts';
import { guardThread } from './worker-guard.ts';
import { takeCollector } from './worker-memory.ts';
import { mapNames } from './worker-names.ts';
import { mapNetwork } from './worker-network.ts';
import { replaceOutput } from './worker-output.ts';
import type { WorkerProcesses } from './worker-processes.ts';

const sigtermExitCode = 143;

/** Programs yield to the main thread of their host, and both to the control plane. */
const threadNiceness = 15;

// What the host gave this thread is not the program's: the guard takes it away.
const { start, port, ring, marker, owner, threadName } = workerData as WorkerSetup;
const giveBack = takeCollector();
const terminated = new AbortController();
const execs = new Map<number, AbortController>();
let handlesTerm = false;
let program: Program | undefined;
let loading: Promise<WorkerProcesses> | undefined;

const context: ProgramContext = {
  args: start.args,
  env: process.env,
  ip: start.ip,
  hostname: start.hostname,
  imageTag: start.imageTag,
  clock: new SystemClock(),
  get signal() {
    handlesTerm = true;
    return terminated.signal;
  },
  log: (line) => void process.stdout.write(`${line}\n`),
  error: (line) => void process.stderr.write(`${line}\n`),
  resolve: hostPathOf,
};

// Before anything of the program runs; where it cannot be, nothing does.
if (start.noNewPrivileges === true) await (await import('../host/no-new-privileges.ts')).setNoNewPrivileges();
const paths = new ContainerPaths({
  workingDir: start.workingDir ?? homeOfImage(),
  mounts: start.mounts,
  root: start.root,
  own: start.ownPaths,
});
mapFiles({ paths, hostname: start.hostname });
mapNetwork(start.ip);
if (start.dns !== undefined) mapNames(start.dns);
const output = new LogRingWriter(ring, () => send({ type: 'output' }));
replaceOutput(output);
guardThread({
  marks: { [containerVariable]: marker, [ownerVariable]: owner },
  ownMark: `${containerVariable}=${marker}`,
  threadName,
  onTerm: () => onSignal('SIGTERM'),
  hostDirectory: (directory) => (directory === undefined ? paths.hostCwd : paths.hostPath(directory)),
  onFirstChild: () => send({ type: 'child' }),
});

port.on('message', (message: ToWorker) => {
  if (message.type === 'signal') onSignal(message.signal);
  else if (message.type === 'settle') giveBack();
  else if (message.type === 'cancelExec') {
    execs.get(message.id)?.abort();
    void processes().then((all) => all.cancel(message.id));
  } else if (message.type === 'exec') {
    void exec(message.id, message.command).then((result) => send({ type: 'execDone', id: message.id, output: result }));
  } else void processes().then((all) => all.received(message));
});
// The listener alone must not keep a program alive that has nothing more to do.
port.unref();

if (start.stdin === true || start.tty === true) await openInput();
// Before the program is loaded: one that never yields is running too.
send({ type: 'started', threadId: systemThreadId() });
await runProgram();

function send(message: FromWorker): void {
  port.postMessage(message);
}

/** Loaded with the first command: most containers run none. */
function processes(): Promise<WorkerProcesses> {
  loading ??= import('./worker-processes.ts').then(
    (module) =>
      new module.WorkerProcesses({
        start,
        context,
        commands: () => program?.commands,
        send,
        signalProgram: (name) => process.kill(process.pid, name),
        output: (stream, bytes) => output.write(stream, bytes),
      }),
  );
  return loading;
}

/** Gives the program the input, and the terminal, that the pod asks for. */
async function openInput(): Promise<void> {
  const all = await processes();
  const terminal = all.mainTerminal;
  if (terminal !== undefined) {
    for (const stream of [process.stdout, process.stderr]) {
      const size = { columns: { get: () => terminal.columns }, rows: { get: () => terminal.rows } };
      Object.defineProperties(Object.assign(stream, { isTTY: true, _type: 'tty' }), size);
    }
  }
  // A command in place of the program reads for itself.
  if (start.stdin !== true || !isProgram()) return;
  const input = all.mainInput();
  Object.defineProperty(process, 'stdin', { configurable: true, enumerable: true, get: () => input });
}

/** Whether the image's own program is what runs. */
function isProgram(): boolean {
  const [name] = start.command;
  return name === undefined || (start.entrypoint !== undefined && baseName(name) === start.entrypoint);
}

/** Where a program is that does not say: one on disk in its folder. */
function homeOfImage(): string {
  return start.entrypoint === undefined ? dirname(fileURLToPath(start.module)) : '/';
}

/** On Linux a thread has a priority of its own; elsewhere it keeps the host's. */
function lowerPriority(): void {
  try {
    setPriority(0, threadNiceness);
  } catch {
    // A system that does not let it be lowered.
  }
}

/** The system's number of this thread, by which the host tells whose memory grows; 0 where there is no such thing. */
function systemThreadId(): number {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').at(-1));
  } catch {
    return 0;
  }
}

function onSignal(signal: string): void {
  const heard = process.listenerCount(signal) > 0;
  if (heard) process.emit(signal, signal);
  if (handlesTerm) terminated.abort();
  if (!heard && !handlesTerm) process.exit(sigtermExitCode);
}

async function runProgram(): Promise<void> {
  const [, ...rest] = start.command;
  // From here on it is the program's time, and loading a built-in one is not.
  if (start.entrypoint === undefined) lowerPriority();
  const module = (await import(start.module)) as { readonly program?: Program; readonly default?: unknown };
  if (start.entrypoint !== undefined) lowerPriority();
  program = module.program;
  if (!isProgram()) {
    const all = await processes();
    // The process lives while its command does, whatever that waits for.
    port.ref();
    finish(await all.main(start.command.concat(start.args), signalOf()));
    return;
  }
  const main = program?.main ?? (typeof module.default === 'function' ? module.default : undefined);
  if (main === undefined) return;
  try {
    const exitCode = await main({ ...context, args: [...rest, ...start.args], signal: signalOf() });
    if (typeof exitCode === 'number') finish(exitCode);
  } catch (error) {
    // Of a built-in program the message says it all; others want their stack.
    if (start.entrypoint === undefined) throw error;
    writeOutput('stderr', `${start.entrypoint}: ${errorText(error)}\n`);
    finish(1);
  }
}

function writeOutput(stream: 'stderr' | 'stdout', text: string): void {
  if (text !== '') process[stream].write(text);
}

/** Programs that are called with a context are told of SIGTERM through it. */
function signalOf(): AbortSignal {
  handlesTerm = true;
  return terminated.signal;
}

function finish(exitCode: number): void {
  process.exit(exitCode);
}

/** Runs a command for its result. */
async function exec(id: number, command: readonly string[]): Promise<CommandOutput> {
  const stop = new AbortController();
  execs.set(id, stop);
  try {
    return await (await processes()).exec(command, stop.signal);
  } finally {
    execs.delete(id);
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The longest mount that holds the path, else the container's own folder. `..` cannot lead out of either. */
function hostPathOf(path: string): string {
  const inside = resolvePath('/', isAbsolute(path) ? path : join(start.workingDir ?? '/', path));
  let best: { readonly containerPath: string; readonly hostPath: string } | undefined;
  for (const mount of start.mounts) {
    const prefix = resolvePath('/', mount.containerPath);
    if (inside !== prefix && !inside.startsWith(prefix.endsWith(sep) ? prefix : prefix + sep)) continue;
    if (best === undefined || mount.containerPath.length > best.containerPath.length) best = mount;
  }
  if (best === undefined) return join(start.root, inside);
  return join(best.hostPath, inside.slice(resolvePath('/', best.containerPath).length));
}
