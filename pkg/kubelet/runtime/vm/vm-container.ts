/**
 * One container of the vm runtime: a guest, from when it is made until it has ended. Being asked to end, a guest is told so by its agent; one that has none,
 * or does not listen, is ended when its time is over.
 */
import { StringDecoder } from 'node:string_decoder';
import type { Worker } from 'node:worker_threads';
import { Deferred, sleep } from '#pkg/base/async.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { SeatParts } from '#pkg/vmm/frames/seat.ts';
import { PAGE_SIZE } from '#pkg/vmm/memory-map.ts';
import type { ContainerConfig, SandboxConfig } from '../container-config.ts';
import { AttachedClients } from '../inprocess/attached.ts';
import { CreditInput } from '../inprocess/container-process.ts';
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
import { runCommand } from './agent.ts';
import { agentPort } from './agent-port.ts';
import type { GuestFigures, GuestStart } from './guest/protocol.ts';
import { type GuestEnd, GuestThread, type GuestThreadEvents } from './guest-thread.ts';
import type { MachineLink } from './machine-links.ts';

/** A guest that boots has its agent after this time; until then who asks for it is not refused. */
const agentMsMax = 5000;
const agentRetryMs = 50;
/** Output of a command whose result is wanted whole; what comes beyond is cut off. */
const outputBytesMax = 1024 * 1024;
const killedExitCode = 137;

/** Which container of which sandbox. */
export interface VmContainerOptions {
  readonly id: string;
  readonly sandbox: { readonly id: string; readonly config: SandboxConfig };
  readonly config: ContainerConfig;
  readonly start: GuestStart;
  /** Where the machine is among others; undefined: its host is alone on its wire. */
  readonly link?: MachineLink | undefined;
  /** Lets go of what is kept for it alone; undefined where nothing is. */
  readonly release?: (() => Promise<void>) | undefined;
  readonly clock: Clock;
  /** A thread for its machine, and where its pages are until that has ended. */
  thread(): Promise<{ readonly worker: Worker; readonly seat: SeatParts }>;
  onExit(container: RuntimeContainer): void;
  /** Told of its migrations. */
  readonly onMove: Pick<GuestThreadEvents, 'claim' | 'migration'>;
}

/** One guest. */
export class VmContainer {
  readonly id: string;
  readonly logs = new LogBuffer();
  readonly #options: VmContainerOptions;
  readonly #createdAtMs: number;
  readonly #ended = new Deferred();
  readonly #attached = new AttachedClients();
  readonly #input: CreditInput;
  readonly #decoder = new StringDecoder('utf8');
  #thread: GuestThread | undefined;
  #isBegun = false;
  /** Whether the machine is in this container, has left it or is to come: only one that is here is asked to switch itself off. */
  #presence: 'awaited' | 'here' | 'left';
  #startedAtMs: number | undefined;
  #end: ContainerEnd | undefined;
  #killTimer: Timer | undefined;
  #killAtMs = Number.POSITIVE_INFINITY;
  #wasKilled = false;

  constructor(options: VmContainerOptions) {
    this.id = options.id;
    this.#options = options;
    this.#createdAtMs = options.clock.nowMs();
    this.#presence = options.start.waits === true ? 'awaited' : 'here';
    this.#input = new CreditInput((bytes) => {
      if (bytes !== undefined) this.#thread?.input(bytes);
    });
  }

  get state(): ContainerRunState {
    return runStateOf(this.#record());
  }

  snapshot(): RuntimeContainer {
    return containerSummary(this.#record());
  }

  /** Resolves once the machine runs. Rejects with `failed`, and the container has ended, when it cannot. */
  async start(): Promise<void> {
    if (this.#isBegun) throw new RuntimeError('failed', `container "${this.id}" is not in state created`);
    this.#isBegun = true;
    const { start, link } = this.#options;
    const { worker, seat } = await this.#options.thread();
    const { tap, transfer = [] } = (await link?.listen()) ?? {};
    const begun = { ...start, seat, ...(tap === undefined ? {} : { tap }) };
    const thread = new GuestThread(
      { start: begun, worker, transfer },
      {
        console: (bytes) => this.#output(bytes),
        taken: (bytes) => this.#input.credit(bytes),
        ended: (end) => this.#finish(end),
        presence: (isHere) => {
          this.#presence = isHere ? 'here' : 'left';
        },
        ...this.#options.onMove,
      },
    );
    this.#thread = thread;
    this.#startedAtMs = this.#options.clock.nowMs();
    await thread.started;
  }

  /** Asks the guest, or the relay of one that has left, to end and ends it after `graceMs`; resolves when it has ended. */
  async stop(graceMs: number): Promise<void> {
    if (this.state !== 'running') return;
    const { clock } = this.#options;
    if (graceMs === 0 || this.#presence === 'awaited') this.#kill();
    else {
      const killAtMs = clock.nowMs() + graceMs;
      if (killAtMs < this.#killAtMs) {
        this.#killTimer?.cancel();
        this.#killAtMs = killAtMs;
        this.#killTimer = clock.setTimeout(() => this.#kill(), graceMs);
      }
      // One that stands still hears nothing.
      void this.#thread?.hold(false).catch(() => {});
      // Whether it hears so or not, it has its time.
      if (this.#presence === 'left') this.#thread?.retire();
      else void this.open({ command: ['poweroff'] }).catch(() => {});
    }
    await this.#ended.promise;
  }

  /** Takes away what it leaves. */
  async clean(): Promise<void> {
    await this.#options.release?.();
  }

  async exec(command: readonly string[], signal: AbortSignal | undefined): Promise<ExecResult> {
    const streams = await this.open({ command, ...(signal === undefined ? {} : { signal }) });
    const [stdout, stderr] = await Promise.all([textOf(streams.stdout), textOf(streams.stderr)]);
    return { exitCode: await streams.exitCode, stdout, stderr };
  }

  /** Runs a command with streams. */
  async open({ command, signal }: ExecStreamOptions): Promise<ProcessStreams> {
    this.requireRunning();
    const { clock } = this.#options;
    for (;;) {
      try {
        return runCommand(await this.connect(agentPort), { command, signal });
      } catch (error) {
        const upMs = clock.nowMs() - (this.#startedAtMs ?? 0);
        if (this.state !== 'running' || upMs > agentMsMax || signal?.aborted === true)
          throw new RuntimeError('failed', 'the machine has no agent that would run commands', error);
        await sleep(clock, agentRetryMs, signal);
      }
    }
  }

  attach(options: AttachOptions): ProcessStreams {
    this.requireRunning();
    const { stdinOnce = false } = this.#options.config;
    return this.#attached.attach({
      ...options,
      exitCode: this.#ended.promise.then(() => this.#end?.exitCode ?? killedExitCode),
      ...(options.stdin === true ? { input: this.#input } : {}),
      endsInput: stdinOnce,
      resize: () => {},
    });
  }

  /** Its thread, for who moves machines. Throws `failed` where none runs. */
  get thread(): GuestThread {
    this.requireRunning();
    if (this.#thread === undefined) throw new RuntimeError('failed', 'the machine has not started');
    return this.#thread;
  }

  /** Where the machine is among others; undefined: its host is alone on its wire. */
  get link(): MachineLink | undefined {
    return this.#options.link;
  }

  /** The kernel that it boots. */
  get kernel(): Uint8Array {
    return this.#options.start.kernel;
  }

  /** What its machine was promised. */
  get memoryBytes(): number {
    return this.#options.start.memoryBytes;
  }

  /** So many of its pages are wanted; does nothing where it does not run. */
  inflateTo(pages: number): void {
    this.#thread?.inflateTo(pages);
  }

  /** A connection to a port of the guest. */
  connect(port: number) {
    return this.thread.connect(port);
  }

  async stats(): Promise<ContainerStats> {
    const { pages, balloonBytes, memoryBytes, cpuNanoseconds, counters } = await this.figures();
    const { owned, zero, shared, sharedPart } = pages ?? { owned: 0, zero: 0, shared: 0, sharedPart: 0 };
    const bytes = (count: number): number => Math.round(count * PAGE_SIZE);
    const gauges = {
      ownBytes: bytes(owned),
      sharedBytes: bytes(shared),
      sharedPartBytes: bytes(sharedPart),
      zeroBytes: bytes(zero),
      balloonBytes,
    };
    const workingSetBytes = bytes(owned + sharedPart);
    return { memoryBytes, workingSetBytes, cpuNanoseconds, counters: { ...counters }, gauges };
  }

  figures(): Promise<GuestFigures> {
    return this.thread.figures();
  }

  requireRunning(): void {
    if (this.state !== 'running') throw new RuntimeError('failed', `container "${this.id}" is not running`);
  }

  #output(bytes: Uint8Array): void {
    this.#attached.output('stdout', bytes);
    const text = this.#decoder.write(Buffer.from(bytes));
    if (text !== '') this.logs.write('stdout', text, this.#options.clock.nowMs());
  }

  #kill(): void {
    this.#wasKilled = true;
    this.#killTimer?.cancel();
    void this.#thread?.kill();
  }

  #finish({ exitCode, message }: GuestEnd): void {
    const atMs = this.#options.clock.nowMs();
    this.#killTimer?.cancel();
    this.#input.close();
    this.#end = { atMs, exitCode: this.#wasKilled ? killedExitCode : exitCode, ...(message === '' ? {} : { message }) };
    this.logs.end(atMs);
    this.#attached.end();
    this.#options.onExit(this.snapshot());
    this.#ended.resolve();
  }

  #record(): ContainerRecord {
    const { sandbox, config } = this.#options;
    const startedAtMs = this.#startedAtMs;
    return { id: this.id, sandbox, config, createdAtMs: this.#createdAtMs, startedAtMs, end: this.#end };
  }
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    if (bytes < outputBytesMax) kept.push(chunk.subarray(0, outputBytesMax - bytes));
    bytes += chunk.length;
  }
  return Buffer.concat(kept).toString();
}
