/**
 * The tap devices of a node's machines: each in a network namespace of its own, which the pod network connects as it connects any pod's. All that comes to the pod's link goes
 * to the tap and the other way round (`tap-thread.ts`), so whoever speaks by the tap is what is at the pod's address. The thread starts with the first; namespaces and devices go with
 * this process at the latest.
 */
import { writeSync } from 'node:fs';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { errorText } from '#pkg/base/error-text.ts';
import type { TapAnswer, TapListener, TapOrder, TapPlace, TapRoute } from './tap-orders.ts';

const main = new URL(`./tap-thread.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);
/** It holds next to nothing, and uses what Node calls experimental. */
const limits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 1 };
const flags = ['--disable-warning=ExperimentalWarning'];
/** What rings: any number. */
const ring = new Uint8Array(new BigUint64Array([1n]).buffer);

/** What an order says without its number. */
type Wish = TapOrder extends infer Order ? (Order extends unknown ? Omit<Order, 'id'> : never) : never;
type Done = Exclude<TapAnswer, { readonly bell: number }>;

/** What of a tap goes to the thread of who has its frames. */
export interface TapHandle extends TapListener {
  readonly tap: number;
}

/** All of one node. */
export class Taps {
  #worker: Worker | undefined;
  #bell: number | undefined;
  #orders = 0;
  readonly #waiting = new Map<number, PromiseWithResolvers<Done>>();

  /** A namespace with a tap. Rejects where the kernel gives none. */
  async make(): Promise<TapPlace> {
    const { place } = await this.#ask({ what: 'make' });
    if (place === undefined) throw new Error('no tap was made');
    return place;
  }

  /** Ties a tap to the link that the network has put into its namespace, which has this address. */
  async join({ tap }: TapPlace, address: string): Promise<TapRoute> {
    const { route } = await this.#ask({ what: 'join', tap, address });
    if (route === undefined) throw new Error('the tap was not tied');
    return route;
  }

  /** For who is to have the frames from now on; the port goes with it. */
  async listen({ tap }: TapPlace): Promise<{ readonly handle: TapHandle; readonly transfer: readonly MessagePort[] }> {
    const { port1, port2 } = new MessageChannel();
    const flag = new Int32Array(new SharedArrayBuffer(4));
    await this.#ask({ what: 'listen', tap, listener: { port: port1, flag } }, [port1]);
    return { handle: { tap, port: port2, flag }, transfer: [port2] };
  }

  /** Takes a tap and its namespace away. */
  async close({ tap }: TapPlace): Promise<void> {
    await this.#ask({ what: 'close', tap });
  }

  /** Takes all of them away; there may be others after. */
  async end(): Promise<void> {
    if (this.#worker === undefined) return;
    const worker = this.#worker;
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    await this.#ask({ what: 'end' }).catch(() => undefined);
    await ended;
  }

  async #ask(wish: Wish, transfer: readonly MessagePort[] = []): Promise<Done> {
    const order: TapOrder = { id: this.#orders++, ...wish };
    const answer = Promise.withResolvers<Done>();
    this.#waiting.set(order.id, answer);
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#worker.postMessage(order, transfer);
    this.#ring();
    const done = await answer.promise;
    if (done.problem !== undefined) throw new Error(done.problem);
    return done;
  }

  #ring(): void {
    if (this.#bell !== undefined) writeSync(this.#bell, ring);
  }

  #start(): Worker {
    const worker = new Worker(main, { resourceLimits: limits, execArgv: flags, env: {}, trackUnmanagedFds: false });
    worker.on('message', (answer: TapAnswer) => {
      if ('bell' in answer) {
        this.#bell = answer.bell;
        this.#ring();
        return;
      }
      this.#waiting.get(answer.id)?.resolve(answer);
      this.#waiting.delete(answer.id);
      if (this.#waiting.size === 0) worker.unref();
    });
    worker.on('error', (error) => this.#lost(worker, errorText(error)));
    worker.on('exit', () => this.#lost(worker, 'the thread of taps has ended'));
    return worker;
  }

  #lost(worker: Worker, reason: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#bell = undefined;
    for (const answer of this.#waiting.values()) answer.reject(new Error(reason));
    this.#waiting.clear();
  }
}
