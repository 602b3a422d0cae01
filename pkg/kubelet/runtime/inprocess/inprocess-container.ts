/** One container of the in-process runtime: a worker thread, its output, its end. */
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Deferred } from '#pkg/base/async.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { LogBuffer } from '../log-buffer.ts';
import {
  type ContainerConfig,
  type ContainerRunState,
  type ContainerStats,
  type ExecResult,
  type RuntimeContainer,
  RuntimeError,
  type SandboxConfig,
} from '../runtime.ts';
import { type ContainerEnd, type ContainerRecord, containerSummary, runStateOf } from '../summary.ts';
import type { ResolvedImage } from './images.ts';
import type { FromWorker, ToWorker, WorkerStart } from './program.ts';
import { type WorkerSources, workerBootstrap } from './worker-sources.ts';

const sigkillExitCode = 137;
/** Heap of a container without a memory limit, and the least that a thread can start with. */
const heapMbDefault = 256;
const heapMbMin = 12;
const youngMb = 4;
const stackMb = 1;
/** Source: container termination messages are cut at 4,096 bytes. */
const messageBytesMax = 4096;

export interface ContainerOptions {
  readonly id: string;
  readonly sandbox: { readonly id: string; readonly config: SandboxConfig };
  readonly config: ContainerConfig;
  readonly image: ResolvedImage;
  readonly clock: Clock;
  /** Folder of the container's own files. */
  readonly root: string;
  readonly sources: WorkerSources;
  onExit(container: RuntimeContainer): void;
}

export class InProcessContainer {
  readonly id: string;
  readonly logs = new LogBuffer();
  readonly #options: ContainerOptions;
  readonly #createdAtMs: number;
  readonly #ended = new Deferred();
  readonly #execs = new Map<number, Deferred<ExecResult>>();
  #execSerial = 0;
  #worker: Worker | undefined;
  #startedAtMs: number | undefined;
  #end: ContainerEnd | undefined;
  #isBegun = false;
  #isRemoved = false;
  #killed = false;
  #outOfMemory = false;
  #killTimer: Timer | undefined;
  #killAtMs = Number.POSITIVE_INFINITY;

  constructor(options: ContainerOptions) {
    this.id = options.id;
    this.#options = options;
    this.#createdAtMs = options.clock.nowMs();
  }

  get state(): ContainerRunState {
    return runStateOf(this.#record());
  }

  snapshot(): RuntimeContainer {
    return containerSummary(this.#record());
  }

  /** Resolves once the thread runs. A program that cannot be loaded ends with exit code 1 and its error in the output. */
  async start(): Promise<void> {
    if (this.#isBegun) throw new RuntimeError('failed', `container "${this.id}" is not in state created`);
    this.#isBegun = true;
    const { root, clock, config, sandbox, image } = this.#options;
    await mkdir(join(root, 'dev'), { recursive: true });
    await mkdir(join(root, 'tmp'), { recursive: true });
    const start: WorkerStart = {
      module: image.module,
      entrypoint: image.entrypoint,
      command: config.command,
      args: config.args,
      ip: sandbox.config.ip,
      hostname: sandbox.config.hostname,
      imageTag: image.tag,
      workingDir: config.workingDir ?? '/',
      root,
      mounts: config.mounts,
    };
    const heapMb = config.memoryLimitBytes === undefined ? heapMbDefault : config.memoryLimitBytes / 2 ** 20;
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const main = new URL(`./images/worker-main.${extension}`, import.meta.url).href;
    const sources = await this.#options.sources.closure([main, image.module]);
    if (this.#isRemoved) throw new RuntimeError('failed', `container "${this.id}" was removed`);
    const worker = new Worker(workerBootstrap, {
      eval: true,
      workerData: { start, main, sources },
      argv: [...config.args],
      env: { ...config.env, COXSWAIN_POD_IP: sandbox.config.ip, COXSWAIN_ROOT: root },
      execArgv: [],
      stdout: true,
      stderr: true,
      name: config.name,
      resourceLimits: {
        maxOldGenerationSizeMb: Math.max(heapMbMin, Math.floor(heapMb)),
        maxYoungGenerationSizeMb: youngMb,
        stackSizeMb: stackMb,
      },
    });
    this.#worker = worker;
    this.#startedAtMs = clock.nowMs();
    const output = this.#collect(worker);
    const begun = new Deferred();
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'started') begun.resolve();
      else this.#execDone(message);
    });
    worker.on('error', (error: Error & { code?: string }) => {
      this.#outOfMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
      if (!this.#outOfMemory) this.logs.write('stderr', `${error.stack ?? error.message}\n`, clock.nowMs());
    });
    worker.on('exit', (code) => {
      begun.resolve();
      void output.then(() => this.#finish(code));
    });
    await begun.promise;
  }

  /** Asks the program to end and kills it after `graceMs`; resolves when it has ended. */
  async stop(graceMs: number): Promise<void> {
    if (this.state !== 'running') return;
    const { clock } = this.#options;
    if (graceMs === 0) this.#kill();
    else {
      this.#send({ type: 'signal', signal: 'SIGTERM' });
      const killAtMs = clock.nowMs() + graceMs;
      if (killAtMs < this.#killAtMs) {
        this.#killTimer?.cancel();
        this.#killAtMs = killAtMs;
        this.#killTimer = clock.setTimeout(() => this.#kill(), graceMs);
      }
    }
    await this.#ended.promise;
  }

  async exec(command: readonly string[], signal: AbortSignal | undefined): Promise<ExecResult> {
    if (this.state !== 'running') throw new RuntimeError('failed', `container "${this.id}" is not running`);
    const id = this.#execSerial++;
    const done = new Deferred<ExecResult>();
    this.#execs.set(id, done);
    const cancel = (): void => {
      this.#send({ type: 'cancelExec', id });
      done.reject(new RuntimeError('failed', `command "${command.join(' ')}" was cancelled`));
    };
    if (signal?.aborted) cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    this.#send({ type: 'exec', id, command });
    try {
      return await done.promise;
    } finally {
      this.#execs.delete(id);
      signal?.removeEventListener('abort', cancel);
    }
  }

  async stats(): Promise<ContainerStats> {
    const worker = this.#worker;
    if (worker === undefined || this.state !== 'running') {
      throw new RuntimeError('failed', `container "${this.id}" is not running`);
    }
    const [heap, cpu] = await Promise.all([worker.getHeapStatistics(), worker.cpuUsage()]);
    return {
      memoryBytes: heap.total_heap_size + heap.external_memory,
      cpuNanoseconds: (cpu.user + cpu.system) * 1000,
    };
  }

  /** Removes the container's files; it must have ended. */
  async clean(): Promise<void> {
    this.#isRemoved = true;
    await rm(this.#options.root, { recursive: true, force: true });
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

  #send(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  #kill(): void {
    this.#killed = true;
    void this.#worker?.terminate();
  }

  /** Copies the output into the log; resolves at its end. */
  async #collect(worker: Worker): Promise<void> {
    const copy = async (name: 'stderr' | 'stdout'): Promise<void> => {
      const stream = worker[name];
      stream.setEncoding('utf8');
      for await (const text of stream) this.logs.write(name, text as string, this.#options.clock.nowMs());
    };
    await Promise.allSettled([copy('stdout'), copy('stderr')]);
  }

  async #finish(code: number): Promise<void> {
    this.#killTimer?.cancel();
    for (const done of this.#execs.values()) done.reject(new RuntimeError('failed', 'the container has ended'));
    const message = await this.#readMessage();
    const atMs = this.#options.clock.nowMs();
    this.#end = {
      atMs,
      exitCode: this.#outOfMemory || this.#killed ? sigkillExitCode : code,
      reason: this.#outOfMemory ? 'OOMKilled' : undefined,
      message,
    };
    this.#worker = undefined;
    this.logs.end(atMs);
    this.#options.onExit(this.snapshot());
    this.#ended.resolve();
  }

  async #readMessage(): Promise<string> {
    const { root, config } = this.#options;
    let file: Awaited<ReturnType<typeof open>> | undefined;
    try {
      file = await open(join(root, join('/', config.terminationMessagePath)), 'r');
      const { buffer, bytesRead } = await file.read(Buffer.alloc(messageBytesMax), 0, messageBytesMax, 0);
      return buffer.subarray(0, bytesRead).toString('utf8');
    } catch {
      return '';
    } finally {
      await file?.close();
    }
  }

  #execDone(message: Extract<FromWorker, { type: 'execDone' }>): void {
    const { exitCode, stdout = '', stderr = '' } = message.output;
    this.#execs.get(message.id)?.resolve({ exitCode, stdout, stderr });
  }
}
