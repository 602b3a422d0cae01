/**
 * One container in the process of the node's programs: a worker thread, its output and its end. Whatever the thread says is checked; what
 * makes no sense is dropped. Its end is told once, after all of its output.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { type FromProcess, mainProcess, streamWindowBytes, type ToWorker, type WorkerSetup } from '../program.ts';
import { LogRingReader, makeLogRing } from './log-ring.ts';
import { containerVariable, ownerVariable } from './marks.ts';
import { outputCost, Pace } from './pace.ts';
import {
  type ContainerStart,
  type FromHost,
  type Output,
  parseOutput,
  parseProcess,
  type StreamPiece,
} from './protocol.ts';
import type { Sources } from './worker-sources.ts';
import { workerBootstrap } from './worker-sources.ts';

/** Heap of a container without a memory limit, and the least that a thread can start with, in MB. */
const heapMbDefault = 256;
const heapMbMin = 12;
const youngMb = 4;
const stackMb = 1;

/** What a container without a memory limit may use in all, so that the machine is safe from it. */
const memoryBytesDefault = 512 * 2 ** 20;

/** Output of one container that is passed on in a second, in bytes and what lines cost; what a program writes beyond it waits. */
const outputPerSecond = 2 * 1024 * 1024;

/** Longest text of an error that ended the program. */
const errorCharactersMax = 16 * 1024;

const killedExitCode = 137;

/** A thread gives back what its start has left so long after it: by then most programs have loaded what they use. */
const settledMs = 2_000;

/** A thread that uses too much memory ends in this time, or its process is ended: it may go on growing. */
const memoryKillMsMax = 3_000;

/** Which program, and what it is given. */
export interface HostedOptions {
  readonly config: ContainerStart;
  readonly clock: Clock;
  readonly main: string;
  readonly sources: Sources;
  readonly owner: string;
  /** How fast the output of all containers together goes. */
  readonly hostPace: Pace;
  send(message: FromHost): void;
  /** Passes output on; false when no more should come until `resumeOutput`. */
  output(output: Output): boolean;
  /** Passes on output of a process. */
  stream(piece: Omit<StreamPiece, 'bytes'> & { readonly bytes: Uint8Array }): void;
  /** Kills what the thread has started, while it runs; resolves when that is done. */
  killChildren(): Promise<void>;
  /** The thread has ended: resolves once the processes that it started have, too. */
  endChildren(): Promise<void>;
  onEnd(): void;
  /** It uses too much memory and does not end. Its end was told. */
  onStuck(why: string): void;
}

/** One container, until its thread and its processes have ended. */
export class HostedContainer {
  readonly id: number;
  readonly marker: string;
  readonly memoryBytesMax: number;
  readonly worker: Worker;
  /** Whether the program has started processes. */
  hasChildren = false;
  /** The system's number of the thread; 0 until it is known. */
  threadId = 0;
  readonly #options: HostedOptions;
  readonly #port: MessagePort;
  readonly #reader: LogRingReader;
  readonly #execs = new Set<number>();
  /** Open processes, each with the bytes of output that it may still send. */
  readonly #processes = new Map<number, number>();
  #isKilled = false;
  #isOutOfMemory = false;
  #isEnding = false;
  #message = '';
  #outputTimer: Timer | undefined;
  #memoryTimer: Timer | undefined;
  #settleTimer: Timer | undefined;
  readonly #pace: Pace;

  constructor(options: HostedOptions) {
    const { config, main, sources, owner } = options;
    this.#options = options;
    this.#pace = new Pace({ clock: options.clock, perSecond: outputPerSecond });
    this.id = config.id;
    this.marker = config.marker;
    this.memoryBytesMax = config.memoryLimitBytes ?? memoryBytesDefault;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const ring = makeLogRing();
    this.#reader = new LogRingReader(ring);
    const threadName = threadNameOf(config.id);
    const setup: WorkerSetup = {
      start: config.start,
      port: port2,
      ring,
      marker: config.marker,
      owner,
      threadName,
      main,
      sources,
    };
    const heapMb = config.memoryLimitBytes === undefined ? heapMbDefault : config.memoryLimitBytes / 2 ** 20;
    this.worker = new Worker(workerBootstrap, {
      eval: true,
      workerData: setup,
      transferList: [port2],
      argv: [...config.start.args],
      env: { ...config.env, [containerVariable]: config.marker, [ownerVariable]: owner },
      execArgv: [],
      // Nothing is read from these: output goes through the ring.
      stdout: true,
      stderr: true,
      name: threadName,
      resourceLimits: {
        maxOldGenerationSizeMb: Math.max(heapMbMin, Math.floor(heapMb)),
        maxYoungGenerationSizeMb: youngMb,
        stackSizeMb: stackMb,
      },
    });
    this.#listen();
  }

  send(message: ToWorker): void {
    if (message.type === 'exec') this.#execs.add(message.id);
    else if (message.type === 'open') this.#processes.set(message.id, streamWindowBytes);
    else if (message.type === 'credit') {
      const left = this.#processes.get(message.id);
      if (left !== undefined) this.#processes.set(message.id, left + message.bytes);
    }
    this.#port.postMessage(message);
  }

  /** Ends the thread and what it has started. */
  kill(): void {
    this.#isKilled = true;
    if (!this.hasChildren) void this.worker.terminate();
    // First its processes: a thread that waits for one cannot be ended, and one that does not takes note of their end.
    else void this.#options.killChildren().then(() => this.worker.terminate());
  }

  /** Ends the container as one that used more memory than it may. */
  killForMemory(message: string): void {
    if (this.#isOutOfMemory) return;
    this.#isOutOfMemory = true;
    this.#message = message;
    this.kill();
    this.#memoryTimer = this.#options.clock.setTimeout(() => {
      this.#tellEnd(killedExitCode);
      this.#options.onStuck(message);
    }, memoryKillMsMax);
  }

  /** It was told to end as it used too much memory. */
  get isOutOfMemory(): boolean {
    return this.#isOutOfMemory;
  }

  /** The reader of output takes more again. */
  resumeOutput(): void {
    this.#passOutput();
  }

  #listen(): void {
    this.#port.on('message', (message: unknown) => this.#received(message));
    // Neither ends a host: what cannot be read is dropped.
    this.#port.on('messageerror', () => {});
    this.worker.on('messageerror', () => {});
    this.worker.on('error', (error: unknown) => this.#failed(error));
    this.worker.on('exit', (code) => void this.#ended(code));
  }

  #received(message: unknown): void {
    if (typeof message !== 'object' || message === null) return;
    const { type, threadId, id, output } = message as Readonly<Record<string, unknown>>;
    if (type === 'output') this.#passOutput();
    else if (type === 'child') this.hasChildren = true;
    else if (type === 'data' || type === 'read' || type === 'closed') this.#told(parseProcess(message));
    else if (type === 'started' && this.threadId === 0) {
      this.threadId = Number.isSafeInteger(threadId) ? (threadId as number) : 0;
      this.#options.send({ type: 'started', id: this.id });
      this.#settleTimer = this.#options.clock.setTimeout(() => this.send({ type: 'settle' }), settledMs);
    } else if (type === 'execDone' && this.#execs.delete(id as number)) {
      const parsed = parseOutput(output) ?? { exitCode: 1, stdout: '', stderr: 'the command gave no result\n' };
      this.#options.send({ type: 'execDone', id: this.id, exec: id as number, output: parsed });
    }
  }

  /** What a process says. More output than was asked for comes from no command of the runtime's. */
  #told(message: FromProcess | undefined): void {
    if (message === undefined) return;
    const left = this.#processes.get(message.id);
    if (message.type === 'data') {
      if (left === undefined || message.bytes.length > left) return;
      this.#processes.set(message.id, left - message.bytes.length);
      this.#options.stream({ id: this.id, process: message.id, stream: message.stream, bytes: message.bytes });
      return;
    }
    if (left === undefined && message.id !== mainProcess) return;
    if (message.type === 'closed') this.#processes.delete(message.id);
    this.#options.send({ type: 'process', id: this.id, message });
  }

  #passOutput(): void {
    if (this.#isEnding || this.#outputTimer !== undefined) return;
    const { clock, hostPace, output } = this.#options;
    for (;;) {
      const delayMs = Math.max(this.#pace.delayMs(), hostPace.delayMs());
      if (delayMs > 0) {
        this.#outputTimer = clock.setTimeout(() => {
          this.#outputTimer = undefined;
          this.#passOutput();
        }, delayMs);
        return;
      }
      const pieces = this.#reader.take(1);
      if (pieces === undefined) {
        this.#message = 'its output could not be read';
        this.kill();
        return;
      }
      const [piece] = pieces;
      if (piece === undefined) return;
      const cost = outputCost(piece.bytes);
      this.#pace.spend(cost);
      hostPace.spend(cost);
      // Goes on with `resumeOutput`.
      if (!output({ id: this.id, ...piece })) return;
    }
  }

  #failed(error: unknown): void {
    const isOutOfMemory = propertyOf(error, 'code') === 'ERR_WORKER_OUT_OF_MEMORY';
    if (isOutOfMemory) {
      this.#isOutOfMemory = true;
      this.#message ||= `its heap reached the limit of ${Math.floor(this.memoryBytesMax / 2 ** 20)} MiB`;
      return;
    }
    const stack = propertyOf(error, 'stack');
    const text = typeof stack === 'string' ? stack : safeText(error);
    const bytes = Buffer.from(`${text.slice(0, errorCharactersMax)}\n`);
    this.#drain();
    this.#options.output({ id: this.id, stream: 'stderr', bytes });
  }

  async #ended(code: number): Promise<void> {
    this.#drain();
    this.#isEnding = true;
    this.#outputTimer?.cancel();
    this.#settleTimer?.cancel();
    this.#port.close();
    await this.#options.endChildren();
    this.#memoryTimer?.cancel();
    this.#tellEnd(this.#isOutOfMemory || this.#isKilled ? killedExitCode : code & 255);
    this.#options.onEnd();
  }

  #tellEnd(exitCode: number): void {
    const [outOfMemory, message] = [this.#isOutOfMemory, this.#message];
    this.#options.send({ type: 'exited', id: this.id, exitCode, outOfMemory, message });
  }

  /** All that is in the ring, which is no more than it holds. */
  #drain(): void {
    if (this.#isEnding) return;
    for (const { stream, bytes } of this.#reader.take(Number.POSITIVE_INFINITY) ?? []) {
      this.#options.output({ id: this.id, stream, bytes });
    }
  }
}

/** Name of the threads of a container, which the system shows. */
export function threadNameOf(id: number): string {
  return `pod-${id}`;
}

/** A property of something that a program threw. */
function propertyOf(value: unknown, name: string): unknown {
  try {
    return (value as Readonly<Record<string, unknown>> | undefined)?.[name];
  } catch {
    return undefined;
  }
}

function safeText(error: unknown): string {
  try {
    return errorText(error);
  } catch {
    return 'the program threw something that cannot be shown';
  }
}
