/**
 * Plugs pods into a bridge and out again, one after the other, in a thread of its own (`plug-thread.ts`): commands of `ip` cost each pod four processes, and a large process stands
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

/** Links to take away, with the other ends of theirs. */
export interface UnplugRequest extends Pick<PlugRequest, 'namespace'> {
  readonly links: readonly string[];
}

/** What the thread is told. */
export type PlugOrder = { readonly id: number } & (
  | (PlugRequest & { readonly what: 'plug' })
  | (UnplugRequest & { readonly what: 'unplug' })
);

/** What it says of one of them: nothing where all is there. */
export interface PlugAnswer {
  readonly id: number;
  readonly problem?: string;
}

const main = new URL(`./plug-thread.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);
/** It holds next to nothing, and uses what Node calls experimental. */
const limits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 1 };
const flags = ['--disable-warning=ExperimentalWarning'];

interface Asked {
  readonly order: PlugOrder;
  readonly done: PromiseWithResolvers<void>;
}

/** What plugs pods in. Invariant: the kernel takes its time to take a link away, so at most one goes at a time, and pods that wait for theirs go first. */
export class PodPlugger {
  #worker: Worker | undefined;
  /** In the thread's hands. */
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  /** Links to take away once no pod waits. */
  readonly #later: Asked[] = [];
  #orders = 0;

  /** Has the thread begin: there will be a pod. */
  prepare(): void {
    this.#worker ??= this.#start();
  }

  /** Resolves when the pod is connected. Rejects where something of it is there already, and whatever else is wrong; part of it may be there then. */
  plug(request: PlugRequest): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#send({ order: { id: this.#orders++, what: 'plug', ...request }, done });
    return done.promise;
  }

  /** Resolves when the links are gone; one that is not there is. Rejects with what else is wrong. */
  unplug({ links, namespace }: UnplugRequest): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#later.push({ order: { id: this.#orders++, what: 'unplug', links, namespace }, done });
    this.#sendLater();
    return done.promise;
  }

  #send({ order, done }: Asked): void {
    this.#waiting.set(order.id, done);
    this.#worker ??= this.#start();
    // A process that ends waits for what was begun.
    this.#worker.ref();
    this.#worker.postMessage(order);
  }

  #sendLater(): void {
    if (this.#waiting.size > 0) return;
    const next = this.#later.shift();
    if (next !== undefined) this.#send(next);
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
      this.#sendLater();
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
    this.#sendLater();
  }
}
