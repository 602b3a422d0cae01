/**
 * The runtime's side of the process that runs a node's programs: starts it, speaks to it, and says how it ended. Whatever programs do to that
 * process, or through its end of the stream, ends at most the process: its messages are checked, its memory in here is bounded, and it is
 * given no more of this process's time than a limit allows.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Deferred, sleep } from '#pkg/base/async.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { encodeFrame, encodeMessage, type Frame, FrameReader } from '../../frames.ts';
import { Sweeper } from './descendants.ts';
import { ownerVariable } from './marks.ts';
import { killQuietly } from './own-process.ts';
import { outputCost, Pace } from './pace.ts';
import {
  encodeStream,
  type FromHost,
  fromHostBytesMax,
  type Output,
  parseFromHost,
  parseOutputFrame,
  parseStreamFrame,
  type StreamPiece,
  streamGoneSignal,
  type ToHost,
} from './protocol.ts';

/** Messages that make no sense, or are about nothing there is, before the host is ended. A few may be on their way when a container goes. */
const nonsenseMax = 100;

/**
 * What a host may send in a second, in bytes, so that it takes a small part of this process's time. The rest waits. Twice what a host lets its
 * programs write.
 */
const bytesPerSecond = 8 * 1024 * 1024;
/** What a message costs besides its bytes. */
const messageCost = 512;

/** A host is asked this often whether it lives, and is ended when it has not answered so many times: one that was stopped, or starves. */
const pingMs = 10_000;
const unansweredMax = 3;

/** What is read of the host's standard error at a time, and what is kept: the last words of a process that aborts. */
const lastWordsBytes = 2048;
const lastWordsPeriodMs = 100;
/** Characters of them that are told: the line that names the error. */
const wordsMax = 200;

/** After its end was asked for, and after the process has ended with its stream still open. */
const endMsMax = 5_000;
const streamMsMax = 1_000;

/** What the process may use, and who hears of it. */
export interface HostProcessOptions {
  readonly clock: Clock;
  /** Mark of its processes. */
  readonly owner: string;
  readonly memoryBytesMax: number;
  message(message: FromHost): boolean;
  output(output: Output): boolean;
  /** All give false for what is about no container there is. */
  stream(piece: StreamPiece): boolean;
}

/** Starts the process; `ended` says when it could not be. */
export class HostProcess {
  /** Resolves with why, once the process and all that its programs have started are gone. */
  readonly ended: Promise<string>;
  readonly #options: HostProcessOptions;
  readonly #child: ChildProcess | undefined;
  readonly #reader = new FrameReader({ payloadBytesMax: fromHostBytesMax });
  readonly #exited = new Deferred<string>();
  readonly #hello = new Deferred<boolean>();
  readonly #stopped = new AbortController();
  #reason: string | undefined;
  #lastWords = '';
  #nonsense = 0;
  readonly #pace: Pace;
  #pings = 0;
  #unanswered = 0;
  #timer: Timer | undefined;
  #hasExited = false;
  #lastEndMs = Number.NEGATIVE_INFINITY;

  constructor(options: HostProcessOptions) {
    this.#options = options;
    this.#pace = new Pace({ clock: options.clock, perSecond: bytesPerSecond });
    this.ended = this.#exited.promise.then((how) => this.#sweep(how));
    try {
      this.#child = start(options);
    } catch (error) {
      this.#exited.resolve(`could not be started: ${errorText(error)}`);
      return;
    }
    this.#listen(this.#child);
  }

  /** Whether its threads can be kept from getting more rights: what it said before any program ran; false when it has ended without a word. */
  get hasNoNewPrivileges(): Promise<boolean> {
    return Promise.race([this.#hello.promise, this.ended.then(() => false)]);
  }

  /** The process's id; undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** When a program in it last ended, on the monotonic clock; negative infinity before the first. */
  get lastEndMs(): number {
    return this.#lastEndMs;
  }

  /** Sends a message; one to a process that has ended is lost, and `ended` tells of that. */
  send(message: ToHost): void {
    const channel = this.#channel();
    if (channel?.writable) channel.write(encodeMessage(message));
  }

  /** Sends input of a process; lost when this one has ended. */
  sendInput(piece: Omit<StreamPiece, 'bytes' | 'stream'> & { readonly bytes: Uint8Array }): void {
    const channel = this.#channel();
    if (channel?.writable) channel.write(encodeFrame('stream', encodeStream({ ...piece, stream: 'stdin' })));
  }

  /** Ends the process at once. */
  cut(reason: string): void {
    this.#reason ??= reason;
    this.#child?.kill('SIGKILL');
  }

  /** Lets the process end all that it has started, and itself; resolves when they are gone. */
  async close(): Promise<void> {
    this.#reason ??= 'was asked to end';
    this.#channel()?.end();
    const waited = new AbortController();
    const isLate = sleep(this.#options.clock, endMsMax, waited.signal);
    if (await Promise.race([isLate, this.ended.then(() => false)])) this.cut('');
    waited.abort();
    await this.ended;
  }

  #channel(): Duplex | undefined {
    return this.#child?.stdio[3] as Duplex | undefined;
  }

  #listen(child: ChildProcess): void {
    child.on('error', (error) => {
      this.#reason ??= `could not be started: ${errorText(error)}`;
      if (child.pid === undefined) this.#gone();
    });
    child.on('exit', (code, signal) => {
      const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
      this.#reason ??= signal === streamGoneSignal ? 'closed its stream' : how;
      void this.#restOfStream().then(() => this.#gone());
    });
    const channel = this.#channel();
    channel?.on('data', (chunk: Buffer) => this.#received(chunk));
    // Its end is told by the process's.
    channel?.on('error', () => {});
    channel?.on('end', () => void this.#streamEnded());
    const errors = child.stderr;
    errors?.on('data', (chunk: Buffer) => this.#hear(errors, chunk));
    errors?.on('error', () => {});
    this.#schedulePing();
  }

  /** A process that ends closes its stream; one that goes on without has no more use. */
  async #streamEnded(): Promise<void> {
    await sleep(this.#options.clock, streamMsMax, this.#stopped.signal);
    if (!this.#hasExited) this.cut('closed its stream');
  }

  /** What the process wrote before it ended. Somebody else may hold its end of the stream, so that is not waited for without limit. */
  async #restOfStream(): Promise<void> {
    this.#hasExited = true;
    this.#stopped.abort();
    const channel = this.#channel();
    if (channel === undefined || channel.readableEnded || channel.destroyed) return;
    channel.resume();
    const done = new AbortController();
    channel.once('close', () => done.abort());
    await sleep(this.#options.clock, streamMsMax, done.signal);
    channel.destroy();
  }

  #gone(): void {
    this.#timer?.cancel();
    const lines = this.#lastWords.split('\n');
    const words = lines.find((line) => /^\w*Error\b|FATAL ERROR/.test(line))?.slice(0, wordsMax);
    this.#exited.resolve(`${this.#reason}${words === undefined ? '' : ` (${words})`}`);
  }

  async #sweep(how: string): Promise<string> {
    const { clock, owner } = this.#options;
    const pid = this.pid;
    if (pid !== undefined) await new Sweeper({ clock, owner, ownPid: pid, kill: killQuietly }).sweepAll();
    return how;
  }

  #received(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.push(chunk)) this.#take(frame);
    } catch (error) {
      this.cut(`sent what is no message: ${errorText(error)}`);
      this.#channel()?.destroy();
      return;
    }
    const delayMs = this.#pace.delayMs();
    if (delayMs === 0 || this.#hasExited) return;
    const channel = this.#channel();
    channel?.pause();
    this.#options.clock.setTimeout(() => channel?.resume(), delayMs);
  }

  #take({ kind, payload }: Frame): void {
    this.#pace.spend(messageCost + (kind === 'output' ? outputCost(payload) : payload.length));
    if (this.#nonsense > nonsenseMax) return;
    if (this.#believe(kind, payload)) return;
    this.#nonsense++;
    if (this.#nonsense > nonsenseMax) this.cut('sent messages that make no sense');
  }

  #believe(kind: Frame['kind'], payload: Buffer): boolean {
    if (kind === 'output') {
      const output = parseOutputFrame(payload);
      return output !== undefined && this.#options.output(output);
    }
    if (kind === 'stream') {
      const piece = parseStreamFrame(payload);
      return piece !== undefined && this.#options.stream(piece);
    }
    const message = parseFromHost(payload);
    if (message === undefined) return false;
    if (message.type === 'exited') this.#lastEndMs = this.#options.clock.monotonicMs();
    if (message.type === 'hello') this.#hello.resolve(message.noNewPrivileges);
    else if (message.type === 'ending') this.#reason ??= message.message;
    else if (message.type !== 'pong') return this.#options.message(message);
    else if (message.request <= this.#pings) this.#unanswered = 0;
    return true;
  }

  /** The last of what the process writes there. Programs may write there too, so it is read slowly. */
  #hear(errors: Readable, chunk: Buffer): void {
    this.#lastWords = (this.#lastWords + chunk.subarray(-lastWordsBytes).toString('utf8')).slice(-lastWordsBytes);
    if (this.#hasExited) return;
    errors.pause();
    this.#options.clock.setTimeout(() => errors.resume(), lastWordsPeriodMs);
  }

  #schedulePing(): void {
    const { clock } = this.#options;
    this.#timer = clock.setTimeout(() => {
      if (this.#unanswered >= unansweredMax) {
        this.cut(`did not answer for ${(unansweredMax * pingMs) / 1000} s`);
        return;
      }
      this.#unanswered++;
      this.send({ type: 'ping', request: ++this.#pings });
      this.#schedulePing();
    }, pingMs);
  }
}

function start(options: HostProcessOptions): ChildProcess {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const main = fileURLToPath(new URL(`./program-host-main.${extension}`, import.meta.url));
  const cache = getCompileCacheDir();
  // Nothing of this process: neither its environment, nor its descriptors, nor its terminal's signals.
  return spawn(process.execPath, [...hostFlags, main, String(options.memoryBytesMax)], {
    cwd: '/',
    env: {
      ...hostEnvironment,
      [ownerVariable]: options.owner,
      ...(cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) }),
    },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    detached: true,
  });
}

/**
 * The tool that takes types out says that it is experimental, which would be the process's last words. Small heaps rather than rare collections
 * (no slower as measured, half a MB per pod less), and few threads for V8's own work: each
 * has memory of its own. Loops that V8 has compiled beside the running thread do not notice that the thread is to end, or that its heap is full,
 * while all they do is make arrays (seen in Node 26.10): so it compiles them in the thread.
 */
const hostFlags = [
  '--disable-warning=ExperimentalWarning',
  // For `worker-memory.ts`, which keeps it from programs.
  '--expose-gc',
  '--v8-pool-size=2',
  '--optimize-for-size',
  '--no-concurrent-osr',
];

/** The C library keeps what was freed for each group of threads: with few groups a pod takes 1 MB less. Source: mallopt(3). */
const hostEnvironment = { MALLOC_ARENA_MAX: '2' };
