/** One container of the runtime: where it is in its life, and who waits for its end. Invariant: its end is known before anybody is told. */
import { Deferred } from '#pkg/base/async.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { type RuntimeContainer, RuntimeError } from '../runtime.ts';
import { type ContainerEnd, containerSummary, runStateOf } from '../summary.ts';
import { lastWords } from '../termination-message.ts';
import type { ExitRecord, MonitoredContainer } from './monitor/protocol.ts';
import type { ContainerFile, SandboxFile } from './records.ts';

const sigkill = 9;

/** What it needs of the runtime. */
export interface ContainerEntryOptions {
  readonly sandbox: SandboxFile;
  readonly record: ContainerFile;
  readonly clock: Clock;
  readonly terminationLog: string;
  /** Sends its program a signal. */
  signal(signal: number): Promise<unknown>;
}

/** One container. */
export class ContainerEntry {
  readonly sandbox: SandboxFile;
  record: ContainerFile;
  readonly #options: ContainerEntryOptions;
  readonly #ended = new Deferred();
  #pid: number | undefined;
  #startedAtMs: number | undefined;
  #end: ContainerEnd | undefined;
  #killAtMs = Number.POSITIVE_INFINITY;
  #killTimer: Timer | undefined;
  #isEnding = false;

  constructor(options: ContainerEntryOptions) {
    this.sandbox = options.sandbox;
    this.record = options.record;
    this.#options = options;
  }

  get id(): string {
    return this.record.id;
  }

  get state(): RuntimeContainer['state'] {
    return runStateOf({ startedAtMs: this.#startedAtMs, end: this.#end });
  }

  /** Of its first process while it runs. */
  get pid(): number | undefined {
    return this.state === 'running' ? this.#pid : undefined;
  }

  /** Resolves once it has exited. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  snapshot(): RuntimeContainer {
    const { record, sandbox } = this;
    return containerSummary({ ...record, sandbox, startedAtMs: this.#startedAtMs, end: this.#end });
  }

  /** Throws for one that does not run. */
  requireRunning(): void {
    if (this.state !== 'running') throw new RuntimeError('failed', `container "${this.id}" is not running`);
  }

  /** It runs. */
  began({ startedAtMs, pid }: MonitoredContainer): void {
    this.#startedAtMs ??= startedAtMs;
    this.#pid = pid;
  }

  /** It has ended, or was never to run. Resolves with true for the first who says so, once its last message was read. */
  async exited(exit: ExitRecord): Promise<boolean> {
    if (this.#isEnding) return false;
    this.#isEnding = true;
    this.#killTimer?.cancel();
    const message = await lastWords(this.#options.terminationLog);
    this.#startedAtMs ??= exit.atMs;
    this.#end = { atMs: exit.atMs, exitCode: exit.exitCode, reason: reasonOf(exit), message };
    this.#ended.resolve();
    return true;
  }

  /** Could not be started. */
  failed(message: string): void {
    this.#isEnding = true;
    const atMs = this.#options.clock.nowMs();
    this.#startedAtMs = atMs;
    this.#end = { atMs, exitCode: startErrorExitCode, reason: 'StartError', message };
    this.#ended.resolve();
  }

  /** Asks it to end with `signal`, and kills it after `graceMs`; resolves when it has ended. */
  async stop(signal: number, graceMs: number): Promise<void> {
    if (this.state !== 'running') return;
    const { clock } = this.#options;
    const killAtMs = clock.nowMs() + graceMs;
    if (graceMs > 0) await this.#signal(signal);
    if (killAtMs < this.#killAtMs && this.state === 'running') {
      this.#killTimer?.cancel();
      this.#killAtMs = killAtMs;
      if (graceMs === 0) await this.#signal(sigkill);
      else this.#killTimer = clock.setTimeout(() => void this.#signal(sigkill), graceMs);
    }
    await this.#ended.promise;
  }

  /** One that cannot be sent is of a monitor that is gone: who waits is told by the next one what became of the container. */
  async #signal(signal: number): Promise<void> {
    await this.#options.signal(signal).catch(() => {});
  }
}

/** Source: CRI implementations, for a program that cannot be started. */
const startErrorExitCode = 128;

function reasonOf({ exitCode, isOutOfMemory, isUnseen }: ExitRecord): string | undefined {
  if (isUnseen === true) return 'Unknown';
  return isOutOfMemory && exitCode !== 0 ? 'OOMKilled' : undefined;
}
