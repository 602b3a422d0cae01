/**
 * One container of the in-process runtime as the kubelet sees it: its state, output and end. The program itself runs in the process of the
 * node's programs, which is another for each life of that process; what that says is taken as far as it fits the container's state.
 */
import { constants } from 'node:fs';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { Deferred } from '#pkg/base/async.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { ContainerConfig, SandboxConfig } from '../container-config.ts';
import { LogBuffer } from '../log-buffer.ts';
import {
  type ContainerRunState,
  type ContainerStats,
  type ExecResult,
  type RuntimeContainer,
  RuntimeError,
} from '../runtime.ts';
import type { AttachOptions, ExecStreamOptions, ProcessStreams } from '../streams.ts';
import { type ContainerEnd, type ContainerRecord, containerSummary, runStateOf } from '../summary.ts';
import { AttachedClients } from './attached.ts';
import { ContainerProcess, CreditInput } from './container-process.ts';
import type { FromHost, StreamPiece, ToHost } from './host/protocol.ts';
import type { ResolvedImage } from './images.ts';
import { killPatienceMs } from './kill-patience.ts';
import { programDns, resolvConfPath, writeResolvConf } from './names.ts';
import { mainProcess } from './program.ts';

const sigkillExitCode = 137;
/** Source: container termination messages are cut at 4,096 bytes. */
const messageBytesMax = 4096;
/** Commands of one container that may be under way. */
const execsMax = 256;

/** What containers have where neither pod nor image says. Source: runtimes' default, as of containerd `oci.WithDefaultPathEnv`. */
const pathDefault = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Where a container's program runs. */
export interface ProgramPlace {
  send(message: ToHost): void;
  /** Sends input of a process of a container. */
  sendInput(piece: { readonly id: number; readonly process: number; readonly bytes: Uint8Array }): void;
  /** Ends the place and all programs in it. */
  cut(reason: string): void;
  /** When a program there last ended, on the monotonic clock; negative infinity before the first. */
  readonly lastEndMs: number;
  /** Resolves with why, once it has gone. */
  readonly ended: Promise<string>;
}

/** Which container of which sandbox. */
export interface ContainerOptions {
  readonly id: string;
  /** Number of the container among those of this runtime. */
  readonly serial: number;
  readonly sandbox: { readonly id: string; readonly config: SandboxConfig };
  readonly config: ContainerConfig;
  readonly image: ResolvedImage;
  readonly clock: Clock;
  /** Folder of the container's own files. */
  readonly root: string;
  /** The place for a program that starts now. Rejects when there can be none. */
  place(): Promise<ProgramPlace>;
  onExit(container: RuntimeContainer): void;
}

/** One container. */
export class InProcessContainer {
  readonly id: string;
  readonly serial: number;
  readonly logs = new LogBuffer();
  readonly #options: ContainerOptions;
  readonly #createdAtMs: number;
  readonly #begun = new Deferred();
  readonly #ended = new Deferred();
  readonly #execs = new Map<number, Deferred<ExecResult>>();
  readonly #statistics = new Map<number, Deferred<ContainerStats>>();
  readonly #processes = new Map<number, ContainerProcess>();
  readonly #attached = new AttachedClients();
  readonly #input = new CreditInput((bytes) => this.#feedProgram(bytes));
  readonly #decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  #requests = 0;
  #place: ProgramPlace | undefined;
  #startedAtMs: number | undefined;
  #end: ContainerEnd | undefined;
  #isBegun = false;
  #isEnding = false;
  #isRemoved = false;
  #killTimer: Timer | undefined;
  #killAtMs = Number.POSITIVE_INFINITY;

  constructor(options: ContainerOptions) {
    this.id = options.id;
    this.serial = options.serial;
    this.#options = options;
    this.#createdAtMs = options.clock.nowMs();
  }

  get state(): ContainerRunState {
    return runStateOf(this.#record());
  }

  /** Resolves with the exit code once it has exited. */
  get exited(): Promise<number> {
    return this.#ended.promise.then(() => this.#end?.exitCode ?? sigkillExitCode);
  }

  /** Throws for a container that does not run. */
  requireRunning(): void {
    if (this.state !== 'running' || this.#isEnding)
      throw new RuntimeError('failed', `container "${this.id}" is not running`);
  }

  snapshot(): RuntimeContainer {
    return containerSummary(this.#record());
  }

  /** Resolves once the thread runs. A program that cannot be loaded ends with exit code 1 and its error in the output. */
  async start(): Promise<void> {
    if (this.#isBegun) throw new RuntimeError('failed', `container "${this.id}" is not in state created`);
    this.#isBegun = true;
    const { root, clock } = this.#options;
    // Both take a moment.
    const [place, ownPaths] = await Promise.all([
      this.#options.place(),
      this.#makeOwnPaths(),
      mkdir(join(root, 'dev'), { recursive: true }),
      mkdir(join(root, 'tmp'), { recursive: true }),
    ]);
    if (this.#isRemoved) throw new RuntimeError('failed', `container "${this.id}" was removed`);
    this.#place = place;
    this.#startedAtMs = clock.nowMs();
    void place.ended.then((reason) => {
      const message = `the process of this node's programs ${reason}: they all ended with it`;
      this.#finish({ exitCode: sigkillExitCode, outOfMemory: false, message });
    });
    place.send({ type: 'start', id: this.serial, ...this.#program(ownPaths) });
    await this.#begun.promise;
  }

  /** Asks the program to end and kills it after `graceMs`; resolves when it has ended. */
  async stop(graceMs: number): Promise<void> {
    if (this.state !== 'running') return;
    const { clock } = this.#options;
    if (graceMs === 0) this.#kill();
    else {
      this.#place?.send({ type: 'signal', id: this.serial, signal: 'SIGTERM' });
      const killAtMs = clock.nowMs() + graceMs;
      if (killAtMs < this.#killAtMs) {
        this.#killTimer?.cancel();
        this.#killAtMs = killAtMs;
        this.#killTimer = clock.setTimeout(() => this.#kill(), graceMs);
      }
    }
    await this.#ended.promise;
  }

  /** Output of a command is cut at the limit of `protocol.ts`. */
  async exec(command: readonly string[], signal: AbortSignal | undefined): Promise<ExecResult> {
    this.requireRunning();
    if (this.#execs.size >= execsMax) {
      throw new RuntimeError('failed', `container "${this.id}" runs ${execsMax} commands already`);
    }
    const exec = this.#requests++;
    const done = new Deferred<ExecResult>();
    this.#execs.set(exec, done);
    const cancel = (): void => {
      this.#place?.send({ type: 'cancelExec', id: this.serial, exec });
      done.reject(new RuntimeError('failed', `command "${command.join(' ')}" was cancelled`));
    };
    if (signal?.aborted) cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    this.#place?.send({ type: 'exec', id: this.serial, exec, command });
    try {
      return await done.promise;
    } finally {
      this.#execs.delete(exec);
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Runs a command with streams. */
  open({ command, stdin = false, tty = false, signal }: ExecStreamOptions): ProcessStreams {
    this.requireRunning();
    if (this.#processes.size >= execsMax) {
      throw new RuntimeError('failed', `container "${this.id}" runs ${execsMax} commands already`);
    }
    const id = this.#requests++;
    const opened = new ContainerProcess({
      id,
      hasInput: stdin,
      send: (message) => this.#place?.send({ type: 'process', id: this.serial, message }),
      sendInput: (bytes) => this.#place?.sendInput({ id: this.serial, process: id, bytes }),
    });
    const cancel = (): void => {
      this.#place?.send({ type: 'cancelExec', id: this.serial, exec: id });
      opened.fail(new RuntimeError('failed', `command "${command.join(' ')}" was cancelled`));
    };
    this.#processes.set(id, opened);
    signal?.addEventListener('abort', cancel, { once: true });
    const forget = (): void => {
      this.#processes.delete(id);
      signal?.removeEventListener('abort', cancel);
    };
    opened.exitCode.then(forget, forget);
    const start = { command, stdin, tty };
    this.#place?.send({ type: 'process', id: this.serial, message: { type: 'open', id, start } });
    if (signal?.aborted) cancel();
    return opened;
  }

  /** The program's output from now on, and its input where it has one. */
  attach(options: AttachOptions): ProcessStreams {
    this.requireRunning();
    const { stdinOnce = false } = this.#options.config;
    return this.#attached.attach({
      ...options,
      exitCode: this.exited,
      ...(options.stdin === true ? { input: this.#input } : {}),
      endsInput: stdinOnce,
      resize: ({ columns, rows }) => {
        const message = { type: 'resize', id: mainProcess, columns, rows } as const;
        this.#place?.send({ type: 'process', id: this.serial, message });
      },
    });
  }

  #feedProgram(bytes: Uint8Array | undefined): void {
    if (bytes !== undefined) this.#place?.sendInput({ id: this.serial, process: mainProcess, bytes });
    else this.#place?.send({ type: 'process', id: this.serial, message: { type: 'inputEnd', id: mainProcess } });
  }

  /** Takes output of a process; false when that makes no sense. */
  stream({ process, stream, bytes }: StreamPiece): boolean {
    if (this.state !== 'running' || stream === 'stdin') return false;
    // One that was cancelled is not waited for any more.
    return this.#processes.get(process)?.output(stream, bytes) ?? process < this.#requests;
  }

  async stats(): Promise<ContainerStats> {
    this.requireRunning();
    const request = this.#requests++;
    const done = new Deferred<ContainerStats>();
    this.#statistics.set(request, done);
    this.#place?.send({ type: 'stats', id: this.serial, request });
    try {
      return await done.promise;
    } finally {
      this.#statistics.delete(request);
    }
  }

  /** Takes what the host says of this container; false when that makes no sense. */
  received(message: FromHost): boolean {
    if (this.state !== 'running') return false;
    if (message.type === 'started') this.#begun.resolve();
    else if (message.type === 'exited') this.#finish(message);
    else if (message.type === 'execDone') {
      const { exitCode, stdout, stderr } = message.output;
      // One that was cancelled is not waited for any more.
      this.#execs.get(message.exec)?.resolve({ exitCode, stdout, stderr });
    } else if (message.type === 'stats') {
      const { memoryBytes, cpuNanoseconds } = message;
      this.#statistics.get(message.request)?.resolve({ memoryBytes, cpuNanoseconds });
    } else if (message.type === 'process') {
      const { message: told } = message;
      if (told.id !== mainProcess) this.#processes.get(told.id)?.told(told);
      else if (told.type === 'read') this.#input.credit(told.bytes);
    } else return false;
    return true;
  }

  /** Takes output; false when there can be none. */
  output(stream: 'stderr' | 'stdout', bytes: Buffer): boolean {
    if (this.state !== 'running') return false;
    this.#attached.output(stream, bytes);
    const text = this.#decoders[stream].write(bytes);
    if (text !== '') this.logs.write(stream, text, this.#options.clock.nowMs());
    return true;
  }

  /** Removes the container's files; it must have ended. */
  async clean(): Promise<void> {
    this.#isRemoved = true;
    await rm(this.#options.root, { recursive: true, force: true });
  }

  /** Paths of the container that are in its own folder: that of its last message, and a working directory that is nowhere else. */
  async #makeOwnPaths(): Promise<readonly string[]> {
    const { root, config } = this.#options;
    const { workingDir, mounts, terminationMessagePath } = config;
    await mkdir(dirname(join(root, join('/', terminationMessagePath))), { recursive: true });
    const { dns } = this.#options.sandbox.config;
    if (dns !== undefined) await writeResolvConf(root, dns);
    const usual = dns === undefined ? [terminationMessagePath] : [terminationMessagePath, resolvConfPath];
    if (workingDir === undefined) return usual;
    const isMounted = mounts.some(({ containerPath }) => `${workingDir}/`.startsWith(join(containerPath, '/')));
    if (isMounted || (await isThere(workingDir))) return usual;
    await mkdir(join(root, join('/', workingDir)), { recursive: true });
    let top = join('/', workingDir);
    while (!(await isThere(dirname(top)))) top = dirname(top);
    return [...usual, top];
  }

  #program(ownPaths: readonly string[]) {
    const { root, config, sandbox, image } = this.#options;
    const { memoryLimitBytes } = config.resources;
    const ip = config.addresses[0] ?? '';
    return {
      name: config.name,
      marker: this.id,
      env: { PATH: pathDefault, HOME: root, ...config.env, COXSWAIN_POD_IP: ip, COXSWAIN_ROOT: root },
      ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
      start: {
        module: image.module,
        entrypoint: image.entrypoint,
        command: config.command,
        args: config.args,
        ip,
        hostname: sandbox.config.hostname,
        imageTag: image.tag,
        ...(config.workingDir === undefined ? {} : { workingDir: config.workingDir }),
        ...(config.stdin === true ? { stdin: true } : {}),
        ...(config.tty === true ? { tty: true } : {}),
        ...(config.security.noNewPrivileges === true ? { noNewPrivileges: true } : {}),
        root,
        ownPaths,
        ...(sandbox.config.dns === undefined ? {} : { dns: programDns(sandbox.config.dns) }),
        mounts: config.mounts.map(({ containerPath, hostPath, readOnly }) => ({ containerPath, hostPath, readOnly })),
      },
    };
  }

  #record(): ContainerRecord {
    const { sandbox, config } = this.#options;
    return {
      id: this.id,
      sandbox,
      config,
      createdAtMs: this.#createdAtMs,
      startedAtMs: this.#startedAtMs,
      end: this.#end,
    };
  }

  #kill(): void {
    if (this.#killAtMs === Number.NEGATIVE_INFINITY) return;
    this.#place?.send({ type: 'kill', id: this.serial });
    this.#killTimer?.cancel();
    this.#killAtMs = Number.NEGATIVE_INFINITY;
    this.#giveUpInTime(this.#options.clock.monotonicMs());
  }

  /** Ends the place where the program does not end. */
  #giveUpInTime(killedMs: number): void {
    const { clock } = this.#options;
    // It may be killed before it has a place.
    const lastEndMs = this.#place?.lastEndMs ?? Number.NEGATIVE_INFINITY;
    const leftMs = killPatienceMs(clock.monotonicMs(), { killedMs, lastEndMs });
    if (leftMs === 0) this.#place?.cut('was ended as a program in it could not be killed');
    else this.#killTimer = clock.setTimeout(() => this.#giveUpInTime(killedMs), leftMs);
  }

  #finish(how: { readonly exitCode: number; readonly outOfMemory: boolean; readonly message: string }): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#killTimer?.cancel();
    const ended = new RuntimeError('failed', 'the container has ended');
    for (const done of this.#execs.values()) done.reject(ended);
    for (const done of this.#statistics.values()) done.reject(ended);
    for (const opened of this.#processes.values()) opened.fail(ended);
    this.#input.close();
    void this.#readMessage().then((left) => {
      const atMs = this.#options.clock.nowMs();
      this.#end = {
        atMs,
        exitCode: how.exitCode,
        reason: how.outOfMemory ? 'OOMKilled' : undefined,
        message: left === '' ? how.message : left,
      };
      this.#place = undefined;
      this.logs.end(atMs);
      this.#attached.end();
      this.#begun.resolve();
      this.#options.onExit(this.snapshot());
      this.#ended.resolve();
    });
  }

  /** What the program left at its path. It may have put anything there: a pipe is not waited for, and a link not followed. */
  async #readMessage(): Promise<string> {
    const { root, config } = this.#options;
    let file: Awaited<ReturnType<typeof open>> | undefined;
    try {
      const path = join(root, join('/', config.terminationMessagePath));
      file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
      if (!(await file.stat()).isFile()) return '';
      const { buffer, bytesRead } = await file.read(Buffer.alloc(messageBytesMax), 0, messageBytesMax, 0);
      return buffer.subarray(0, bytesRead).toString('utf8');
    } catch {
      return '';
    } finally {
      await file?.close();
    }
  }
}

/** Whether there is something at a path of this machine. */
function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
