/**
 * Plugs pods into a bridge, one after the other, in a thread of its own (`plug-thread.ts`): commands of `ip` cost each pod four processes, and a large process stands
 * still while it starts one. The thread starts with the first pod and keeps no process alive.
 */
import { Worker } from 'node:worker_threads';
import { errorText } from '#pkg/base/error-text.ts';

/** A pod that nothing is plugged into yet. */
export interface PlugRequest {
  /** Path of the namespace of the bridge; absent for that of this process. */
  readonly namespace: string | undefined;
  readonly bridge: string;
  /** Name of the bridge's end; the pod's is `eth0`. */
  readonly link: string;
  /** Path of the pod's namespace. */
  readonly pod: string;
  readonly addresses: readonly string[];
  /** The node's address of each family, through which everything is reached. */
  readonly gateways: readonly string[];
}

/** What the thread is told. */
export interface PlugOrder extends PlugRequest {
  readonly id: number;
}

/** What it says of one of them: nothing where all is there. */
export interface PlugAnswer {
  readonly id: number;
  readonly problem?: string;
}

const main = new URL(`./plug-thread.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);
/** It holds next to nothing, and uses what Node calls experimental. */
const limits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 1 };
const flags = ['--disable-warning=ExperimentalWarning'];

/** What plugs pods in. */
export class PodPlugger {
  #worker: Worker | undefined;
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  #orders = 0;

  /** Has the thread begin: there will be a pod. */
  prepare(): void {
    this.#worker ??= this.#start();
  }

  /** Resolves when the pod is connected. Rejects where something of it is there already, and whatever else is wrong; part of it may be there then. */
  plug(request: PlugRequest): Promise<void> {
    const id = this.#orders++;
    const done = Promise.withResolvers<void>();
    this.#waiting.set(id, done);
    const worker = this.#worker ?? this.#start();
    this.#worker = worker;
    // A process that ends waits for what was begun.
    worker.ref();
    const order: PlugOrder = { ...request, id };
    worker.postMessage(order);
    return done.promise;
  }

  #start(): Worker {
    const worker = new Worker(main, { resourceLimits: limits, execArgv: flags, env: {}, trackUnmanagedFds: false });
    worker.unref();
    worker.on('message', ({ id, problem }: PlugAnswer) => {
      const done = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) worker.unref();
      if (problem === undefined) done?.resolve();
      else done?.reject(new Error(problem));
    });
    worker.on('error', (error) => this.#lost(worker, errorText(error)));
    worker.on('exit', () => this.#lost(worker, 'the thread that connects pods has ended'));
    return worker;
  }

  /** The next pod has another thread. */
  #lost(worker: Worker, reason: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const done of this.#waiting.values()) done.reject(new Error(reason));
    this.#waiting.clear();
  }
}
