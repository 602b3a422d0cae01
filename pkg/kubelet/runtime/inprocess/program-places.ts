/**
 * The process of a node's programs over time: started for the first program, kept while there are any and a while longer, and started again
 * after it has ended, however it did. At most one lives. What an earlier cluster of the same folder left is cleared away at the first start.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { Random } from '#pkg/base/random.ts';
import { RuntimeError } from '../runtime.ts';
import { endLeftOvers, ownerMark, startTickOf } from './host/descendants.ts';
import type { HostProcess } from './host/host-process.ts';
import { killQuietly, ownPid } from './host/own-process.ts';
import type { FromHost, Output, StreamPiece } from './host/protocol.ts';

/** A host without programs is kept for so long, so that a pod that is replaced finds it. */
const idleMs = 60_000;

/** Part of the machine's memory that the programs of a node may use together where nothing else was said. */
const memoryShareDefault = 0.75;

/** How processes are started, and who hears from them. */
export interface ProgramPlacesOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly dataDir: string;
  readonly memoryBytesMax: number | undefined;
  /** All give false for what is about no container there is. */
  message(message: FromHost): boolean;
  output(output: Output): boolean;
  stream(piece: StreamPiece): boolean;
  /** Whether a program runs, or is about to. */
  isInUse(): boolean;
  /** The process has ended though nobody had asked for it. */
  onDeath(reason: string): void;
}

/** The process that there is, if there is one. */
export class ProgramPlaces {
  readonly #options: ProgramPlacesOptions;
  readonly #name: string;
  #folder: Promise<string> | undefined;
  #clearing: Promise<void> = Promise.resolve();
  #startTick = 0;
  #host: HostProcess | undefined;
  #idleTimer: Timer | undefined;
  #isClosing = false;

  constructor(options: ProgramPlacesOptions) {
    this.#options = options;
    this.#name = options.random.uuid().replaceAll('-', '').slice(0, 12);
  }

  /** Folder for the containers of this runtime alone. */
  folder(): Promise<string> {
    this.#folder ??= this.#makeFolder();
    return this.#folder;
  }

  /** The process for a program that starts now. Rejects with `RuntimeError` when there can be none. */
  async acquire(): Promise<HostProcess> {
    // Loaded with the first pod: a start has no need of it.
    const [module] = await Promise.all([import('./host/host-process.ts'), this.folder()]);
    if (this.#isClosing) throw new RuntimeError('failed', 'the runtime is being closed');
    this.#idleTimer?.cancel();
    this.#host ??= this.#start(module.HostProcess);
    return this.#host;
  }

  /** Whether programs can be kept from getting more rights, as the process itself says. False where there can be none. */
  async hasNoNewPrivileges(): Promise<boolean> {
    try {
      return await (await this.acquire()).hasNoNewPrivileges;
    } catch (error) {
      // The start of the container says why.
      if (error instanceof RuntimeError) return false;
      throw error;
    } finally {
      this.released();
    }
  }

  /** Starts the process before it is needed. Never rejects. */
  async warm(): Promise<void> {
    if (this.#host !== undefined) return;
    await this.acquire().catch(() => {});
    this.released();
  }

  /** A container has ended. */
  released(): void {
    if (this.#options.isInUse() || this.#host === undefined) return;
    this.#idleTimer?.cancel();
    this.#idleTimer = this.#options.clock.setTimeout(() => {
      if (!this.#options.isInUse()) void this.#leave();
    }, idleMs);
  }

  /** Ends the process, with everything in it. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#idleTimer?.cancel();
    await this.#leave();
    // Without a pod of its own it has not looked yet.
    await (this.#folder === undefined ? clear(this.#options.dataDir).catch(() => {}) : this.#clearing);
    if (this.#folder !== undefined) await rm(await this.#folder, { recursive: true, force: true });
  }

  async #leave(): Promise<void> {
    const host = this.#host;
    this.#host = undefined;
    await host?.close();
  }

  #start(Host: typeof HostProcess): HostProcess {
    const { clock, dataDir, memoryBytesMax, message, output, stream, onDeath } = this.#options;
    const host: HostProcess = new Host({
      clock,
      owner: ownerMark({ pid: ownPid(), startTick: this.#startTick, name: this.#name, folder: dataDir }),
      memoryBytesMax: memoryBytesMax ?? Math.floor(totalmem() * memoryShareDefault),
      message,
      output,
      stream,
    });
    void host.ended.then((reason) => {
      if (this.#host !== host) return;
      this.#host = undefined;
      this.#idleTimer?.cancel();
      onDeath(reason);
    });
    return host;
  }

  async #makeFolder(): Promise<string> {
    const { dataDir } = this.#options;
    this.#startTick = await startTickOf(ownPid());
    const folder = join(dataDir, `${ownPid()}.${this.#startTick}.${this.#name}`);
    await mkdir(folder, { recursive: true });
    this.#clearing = clear(dataDir).catch(() => {});
    return folder;
  }
}

/** Ends and removes what runtimes of this folder have left that are no more. Whoever left processes left a folder. */
async function clear(dataDir: string): Promise<void> {
  const stale: string[] = [];
  for (const name of await readdir(dataDir)) {
    const owner = /^(\d+)\.(\d+)\.[0-9a-f]+$/.exec(name);
    if (owner !== null && (await startTickOf(Number(owner[1]))) !== Number(owner[2])) stale.push(name);
  }
  if (stale.length === 0) return;
  await endLeftOvers(dataDir, killQuietly);
  for (const name of stale) await rm(join(dataDir, name), { recursive: true, force: true });
}
