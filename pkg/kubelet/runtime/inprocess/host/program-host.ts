/**
 * What runs in the process of a node's programs: starts containers as worker threads and does what the runtime says. It holds no secret and
 * knows the cluster only as the other end of one stream. When that ends, or makes no sense, it ends everything that it has started, and the
 * process with it: nothing of a node outlives its runtime.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { encodeFrame, encodeMessage, FrameReader } from '../../frames.ts';
import { builtInModules } from '../images.ts';
import { Sweeper } from './descendants.ts';
import { HostedContainer } from './hosted-container.ts';
import { MemoryWatch } from './memory-watch.ts';
import { Pace } from './pace.ts';
import {
  type ContainerStart,
  encodeOutput,
  encodeStream,
  type FromHost,
  type Output,
  parseStreamFrame,
  type ToHost,
  toHostBytesMax,
} from './protocol.ts';
import { WorkerSources } from './worker-sources.ts';

/** Bytes that wait to be read by the runtime before output of programs waits too: answers wait behind them. */
const outgoingBytesMax = 64 * 1024;

/** Output of all containers in a second, in bytes and what lines cost. Less than the runtime reads, so that answers do not wait for it. */
const outputPerSecond = 4 * 1024 * 1024;

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const workerMain = new URL(`../images/worker-main.${extension}`, import.meta.url).href;

/** The stream to the runtime, and what all programs may use. */
export interface ProgramHostOptions {
  readonly clock: Clock;
  readonly channel: Duplex;
  /** Mark of the processes of this runtime. */
  readonly owner: string;
  /** What all programs together may use. */
  readonly memoryBytesMax: number;
  readonly ownPid: number;
  /** Kills a process. */
  kill(pid: number): void;
  /** Takes an ended child out of the machine's table; -1 stands for any. Absent where that cannot be done. */
  reap?(pid: number): void;
  /** Returns freed memory to the system. Absent where that cannot be done. */
  returnFreed?(): void;
  /** Whether threads can be kept from getting more rights. */
  hasNoNewPrivileges(): Promise<boolean>;
  /** Memory of this process that is in use. */
  residentBytes(): number;
}

/** Runs until the channel ends; resolves when the programs and what they started have ended. */
export async function runProgramHost(options: ProgramHostOptions): Promise<void> {
  await new ProgramHost(options).run();
}

class ProgramHost {
  readonly #options: ProgramHostOptions;
  readonly #sources = new WorkerSources();
  readonly #containers = new Map<number, HostedContainer>();
  /** What was said to containers whose thread is not there yet, in order: of one, no more than a runtime asks at once. */
  readonly #early = new Map<number, ToHost[]>();
  readonly #sweeper: Sweeper;
  readonly #memory: MemoryWatch;
  readonly #pace: Pace;

  constructor(options: ProgramHostOptions) {
    this.#options = options;
    this.#pace = new Pace({ clock: options.clock, perSecond: outputPerSecond });
    this.#sweeper = new Sweeper(options);
    const { returnFreed } = options;
    this.#memory = new MemoryWatch({
      ...(returnFreed === undefined ? {} : { returnFreed }),
      clock: options.clock,
      bytesMax: options.memoryBytesMax,
      residentBytes: () => options.residentBytes(),
      containers: () => [...this.#containers.values()],
      end: (message) => this.#end(message),
    });
  }

  async run(): Promise<void> {
    // So that they are there when the first container starts; if this fails, that says why.
    this.#sources.closure([workerMain, ...builtInModules()]).catch(() => {});
    const { channel } = this.#options;
    this.#send({ type: 'hello', noNewPrivileges: await this.#options.hasNoNewPrivileges() });
    const reader = new FrameReader({ payloadBytesMax: toHostBytesMax });
    channel.on('drain', () => {
      for (const container of this.#containers.values()) container.resumeOutput();
    });
    await new Promise<void>((resolve) => {
      channel.on('data', (chunk: Buffer) => {
        try {
          for (const frame of reader.push(chunk)) {
            if (frame.kind === 'stream') this.#input(frame.payload);
            else this.#received(JSON.parse(frame.payload.toString('utf8')) as ToHost);
          }
        } catch {
          // A program has written to the stream, or read from it.
          resolve();
        }
      });
      channel.on('error', () => resolve());
      channel.on('close', () => resolve());
      channel.on('end', () => resolve());
    });
    this.#memory.stop();
    await this.#sweeper.sweepAll();
  }

  #end(message: string): void {
    this.#send({ type: 'ending', message });
    this.#options.channel.end();
  }

  #received(message: ToHost): void {
    if (message.type === 'ping') this.#send({ type: 'pong', request: message.request });
    else if (message.type === 'start') void this.#start(message);
    else {
      const container = this.#containers.get(message.id);
      if (container === undefined) {
        this.#early.get(message.id)?.push(message);
        return;
      }
      if (message.type === 'kill') container.kill();
      else if (message.type === 'signal') container.send(message);
      else if (message.type === 'stats') void this.#tellStats(container, message.request);
      else if (message.type === 'process') container.send(message.message);
      else if (message.type === 'cancelExec') container.send({ type: 'cancelExec', id: message.exec });
      else container.send({ type: 'exec', id: message.exec, command: message.command });
    }
  }

  #input(payload: Buffer): void {
    const piece = parseStreamFrame(payload);
    if (piece === undefined) throw new Error('a frame that is no piece of a stream');
    const bytes = Uint8Array.from(piece.bytes);
    this.#containers.get(piece.id)?.send({ type: 'input', id: piece.process, bytes });
  }

  async #start(config: ContainerStart): Promise<void> {
    const { id } = config;
    const early: ToHost[] = [];
    this.#early.set(id, early);
    try {
      const sources = await this.#sources.closure([workerMain, config.start.module]);
      const container = new HostedContainer({
        config,
        clock: this.#options.clock,
        main: workerMain,
        sources,
        owner: this.#options.owner,
        hostPace: this.#pace,
        send: (message) => this.#send(message),
        output: (output) => this.#output(output),
        stream: (piece) => void this.#options.channel.write(encodeFrame('stream', encodeStream(piece))),
        killChildren: () => this.#sweeper.killOnce(config.marker),
        endChildren: () => this.#sweeper.sweep(config.marker),
        onEnd: () => this.#ended(container),
        onStuck: (why) => this.#end(`was ended as a program in it could not be: ${why}`),
      });
      this.#containers.set(id, container);
      this.#memory.started(container);
      this.#early.delete(id);
      for (const message of early) this.#received(message);
    } catch (error) {
      this.#early.delete(id);
      const message = `Cannot start a thread: ${errorText(error)}`;
      this.#output({ id, stream: 'stderr', bytes: Buffer.from(`${message}\n`) });
      this.#send({ type: 'exited', id, exitCode: 128, outOfMemory: false, message });
    }
  }

  #ended(container: HostedContainer): void {
    this.#containers.delete(container.id);
    this.#memory.ended(container);
    // Some may have ended between their thread and the look for them. While a thread waits for its own, these are left.
    const isWaiting = [...this.#containers.values()].some(({ hasChildren }) => hasChildren);
    if (container.hasChildren && !isWaiting) this.#options.reap?.(-1);
  }

  async #tellStats(container: HostedContainer, request: number): Promise<void> {
    const { memoryBytes, cpuNanoseconds } = await this.#memory.statsOf(container);
    this.#send({ type: 'stats', id: container.id, request, memoryBytes, cpuNanoseconds });
  }

  #send(message: FromHost): void {
    this.#options.channel.write(encodeMessage(message));
  }

  /** False when the runtime has a lot to read. */
  #output(output: Output): boolean {
    const { channel } = this.#options;
    channel.write(encodeFrame('output', encodeOutput(output)));
    return channel.writableLength < outgoingBytesMax;
  }
}
