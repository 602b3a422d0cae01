/**
 * The threads that guests run in, of one node. With `keepsSpare` one of them is made before there is a machine for it: it has loaded what it runs and rehearsed booting, which takes most of a second and
 * is most of what a machine's first answer would wait for. Invariants: one is kept at most; it is made while nothing else begins, after the node's start and after each machine that took one; a
 * machine takes it as far as it has come, and gets one of its own where there is none; what becomes of it by itself harms nobody.
 */
import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { guestAddress } from '#pkg/vmm/host/user-network.ts';
import { type Sources, WorkerSources, workerBootstrap } from '../inprocess/host/worker-sources.ts';
import type { GuestStart, ThreadData } from './guest/protocol.ts';
import { findImage } from './images.ts';
import type { MachineMemory } from './machine-memory.ts';

/** JavaScript objects of a guest's thread: its memory and compiled code are not among them. */
const heapMiB = 64;
/** So long nothing has begun: a node has started, a machine has booted and is asked its first questions. */
const quietMs = 2000;
/** One that has a tap uses what Node calls experimental. */
const flags = ['--disable-warning=ExperimentalWarning'];
const rehearsalImage = 'coxswain.dev/vm/kernel';
const rehearsalPort = 8080;
const rehearsalBytes = 8 << 20;

/** Module that a guest's thread runs. */
const guestMain = new URL(`./guest/guest-main.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url).href;

/** What is to be known of the node. */
export interface GuestWorkersDeps {
  readonly clock: Clock;
  readonly memory: MachineMemory;
  readonly keepsSpare?: boolean;
}

/** Threads for guests. */
export class GuestWorkers {
  readonly #deps: GuestWorkersDeps;
  readonly #sources = new WorkerSources();
  #spare: Worker | undefined;
  #timer: Timer | undefined;
  #isClosed = false;
  /** A machine has had one: what is made now is made beside it. */
  #hasGiven = false;

  constructor(deps: GuestWorkersDeps) {
    this.#deps = deps;
    this.#prepareLater();
  }

  /** A machine is about to come: what its thread runs is read meanwhile. */
  expect(): void {
    this.#read().catch(() => {});
  }

  /** A thread that runs `guestMain`. Rejects where that cannot be read. */
  async take(): Promise<Worker> {
    const spare = this.#spare;
    this.#spare = undefined;
    this.#hasGiven = true;
    this.#prepareLater();
    if (spare === undefined) return startWorker(await this.#read(), {});
    spare.ref();
    return spare;
  }

  /** Whether one is kept now. */
  get hasSpare(): boolean {
    return this.#spare !== undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#spare?.terminate();
  }

  #read(): Promise<Sources> {
    return this.#sources.closure([guestMain]);
  }

  #prepareLater(): void {
    if (this.#deps.keepsSpare !== true || this.#isClosed) return;
    this.#timer?.cancel();
    this.#timer = this.#deps.clock.setTimeout(() => void this.#prepare().catch(() => undefined), quietMs);
  }

  async #prepare(): Promise<void> {
    const [sources, image] = await Promise.all([this.#read(), findImage(rehearsalImage)]);
    if (this.#spare !== undefined || this.#isClosed || image === undefined) return;
    const { memory } = this.#deps;
    const seat = memory.take(rehearsalBytes);
    const rehearsal: GuestStart = {
      seat,
      kernel: image.kernel,
      memoryBytes: rehearsalBytes,
      commandLine: `ip=${guestAddress}/24 port=${rehearsalPort}`,
      mac: Uint8Array.of(0x52, 0x54, 0xff, 0, 0, 0),
      address: '127.0.0.1',
      ports: [rehearsalPort],
    };
    const worker = startWorker(sources, { rehearsal, isCalm: this.#hasGiven });
    this.#spare = worker;
    const lost = (): void => {
      if (this.#spare === worker) this.#spare = undefined;
    };
    worker.on('error', lost).on('exit', () => {
      lost();
      memory.leave(seat);
    });
    worker.unref();
  }
}

function startWorker(sources: Sources, data: ThreadData): Worker {
  return new Worker(workerBootstrap, {
    eval: true,
    workerData: { ...data, sources, main: guestMain },
    resourceLimits: { maxOldGenerationSizeMb: heapMiB, maxYoungGenerationSizeMb: 2 },
    execArgv: flags,
    env: {},
  });
}
